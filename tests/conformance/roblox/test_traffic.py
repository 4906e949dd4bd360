"""Recordings of everything that was said, played back."""

import json

import numpy as np
import pytest

from envs.errors import ConfigError, SimulatorUnavailable
from envs.roblox import hubs
from envs.roblox.traffic import ReplayWorld, TrafficFile
from envs.roblox.vector import RobloxVectorEnv


def drive(env, actions_of, steps):
    seen, _ = env.reset()
    came = [[seen]]
    for step in range(steps):
        actions = actions_of(step)
        if actions is None:
            break
        seen, rewards, terminated, truncated, infos = env.step(actions)
        came.append([seen, rewards, terminated, truncated, infos["ticks"], infos["pre_action_reward"]])
    return came


@pytest.mark.point("roblox", 37)
@pytest.mark.parametrize("dialect", ["v0", "v1", "v2"])
@pytest.mark.parametrize("episode_steps", [None, 11])
def test_a_recording_gives_the_same_transitions_again(lockstep, tmp_path, dialect, episode_steps):
    path = str(tmp_path / "traffic.jsonl")
    env = lockstep(4, games=2, cars=2, dialect=dialect, episode_steps=episode_steps)
    env.reset(seed=3)
    random = np.random.default_rng(0)
    env.world.renew = lambda index, seed: False  # these games stay
    recording = TrafficFile(path, env.world.games)
    for index, game in enumerate(env.world.games):  # what a recording begins with
        game.disconnected(env.world.now(), "a new connection")
        env.world._connect(index)

    def drawn(step):
        if step % 9 == 8:
            env.world.wait(lambda: False, env.world.now() + (1.0 if step % 2 else 0.2))
        return random.uniform(-1.0, 1.0, (4, 3)).astype(np.float32) * 0.5 + 0.5

    first = drive(env, drawn, 60)
    recording.close()
    world = ReplayWorld(str(recording.path), env._options.game_settings())
    again = RobloxVectorEnv(4, world=world, dialect=dialect, actions="game", episode_steps=episode_steps)

    def recorded(step):
        actions = world.recorded_actions()
        return None if actions is None else given[step]

    # What was sent holds zeros where an episode began: the policy's own are what is driven with again.
    random = np.random.default_rng(0)
    given = [random.uniform(-1.0, 1.0, (4, 3)).astype(np.float32) * 0.5 + 0.5 for _ in range(60)]
    second = drive(again, recorded, 60)
    assert len(first) == len(second) == 61
    assert any(step[2].any() for step in first[1:])
    assert_same(first, second)


def assert_same(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)


@pytest.mark.point("roblox", 37)
@pytest.mark.parametrize("dialect", ["v0", "v1", "v2"])
def test_envs_one_after_the_other_have_a_recording_each_that_begins_where_the_game_is(tmp_path, dialect):
    """As a runner does: it builds its env twice, and the second one finds the game connected."""
    from envs.roblox.twin.client import TwinClient

    random, driven, twins, port = np.random.default_rng(0), [], [], 0
    given = random.uniform(0.0, 1.0, (2, 25, 2, 3)).astype(np.float32)
    for build in range(2):
        env = RobloxVectorEnv(
            2,
            port=port,
            speed=10.0,
            dialect=dialect,
            actions="game",
            episode_steps=8,
            traffic=str(tmp_path / "drives.jsonl"),
        )
        port = env.world.hub.address[1]
        if not twins:
            twins.append(TwinClient(f"{env.world.hub.url}/abc", speed=10.0, game={"dialect": dialect}))
        driven.append(drive(env, lambda step, build=build: given[build, step], 25))
        settings = env._options.game_settings()
        env.close()
    twins[0].close()
    hubs.end_all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drives.0-1.jsonl", "drives.0-2.jsonl"]
    for build, first in enumerate(driven):
        world = ReplayWorld(str(tmp_path / f"drives.0-{build + 1}.jsonl"), settings)
        again = RobloxVectorEnv(2, world=world, dialect=dialect, actions="game", episode_steps=8)

        def recorded(step, world=world, build=build):
            return None if world.recorded_actions() is None else given[build, step]

        assert_same(first, drive(again, recorded, 25))


def test_a_recording_without_what_is_waited_for_is_an_error_and_no_endless_wait(tmp_path, scripted):
    from envs.roblox.game import GameSettings

    world = scripted(is_connected=False)
    recording = TrafficFile(str(tmp_path / "traffic.jsonl"), world.games)
    world.games[0].heard("[]", 2.0)
    recording.close()
    again = RobloxVectorEnv(1, world=ReplayWorld(str(recording.path), GameSettings()))
    with pytest.raises(SimulatorUnavailable, match="nothing more"):
        again.reset()


def test_what_was_written_is_on_the_disk_at_once(tmp_path, scripted):
    world = scripted()
    recording = TrafficFile(str(tmp_path / "traffic.jsonl"), world.games, runner=3)
    world.games[0].heard("[]", 2.0)
    assert recording.path.name == "traffic.3-1.jsonl"
    assert json.loads(recording.path.read_text().splitlines()[-1])["value"] == "[]"
    recording.close()


def test_a_recording_is_lines_of_json(tmp_path, scripted, entry):
    world = scripted()
    recording = TrafficFile(str(tmp_path / "traffic.jsonl"), world.games)
    world.games[0].heard('{"x": nan}', 1.5)
    recording.close()
    world.games[0].heard("[]", 2.0)
    lines = [json.loads(line) for line in recording.path.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["cars", "condition", "heard"]
    assert lines[2] == {"t": 1.5, "game": 0, "event": "heard", "value": '{"x": nan}'}


@pytest.mark.parametrize("text", ["", "{}\n", "nonsense", "[1]\n"])
def test_what_is_no_recording_is_refused(tmp_path, text):
    from envs.roblox.settings import GameSettings

    path = tmp_path / "other.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is no recording"):
        ReplayWorld(str(path), GameSettings())
