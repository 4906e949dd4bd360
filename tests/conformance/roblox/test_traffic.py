"""Recordings of everything that was said, played back."""

import json

import numpy as np
import pytest

from envs.errors import ConfigError
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
def test_a_recording_gives_the_same_transitions_again(lockstep, tmp_path, dialect):
    path = str(tmp_path / "traffic.jsonl")
    env = lockstep(4, games=2, cars=2, dialect=dialect)
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
    world = ReplayWorld(path, env._options.game_settings())
    again = RobloxVectorEnv(4, world=world, dialect=dialect, actions="game")

    def recorded(step):
        actions = world.recorded_actions()
        return None if actions is None else given[step]

    # What was sent holds zeros where an episode began: the policy's own are what is driven with again.
    random = np.random.default_rng(0)
    given = [random.uniform(-1.0, 1.0, (4, 3)).astype(np.float32) * 0.5 + 0.5 for _ in range(60)]
    second = drive(again, recorded, 60)
    assert len(first) == len(second) == 61
    assert any(step[2].any() for step in first[1:])
    for one, other in zip(first, second, strict=True):
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)


def test_a_recording_is_lines_of_json(tmp_path, scripted, entry):
    world = scripted()
    path = tmp_path / "traffic.jsonl"
    recording = TrafficFile(str(path), world.games)
    world.games[0].heard('{"x": nan}', 1.5)
    recording.close()
    world.games[0].heard("[]", 2.0)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["cars", "heard"]
    assert lines[1] == {"t": 1.5, "game": 0, "event": "heard", "value": '{"x": nan}'}


@pytest.mark.parametrize("text", ["", "{}\n", "nonsense", "[1]\n"])
def test_what_is_no_recording_is_refused(tmp_path, text):
    from envs.roblox.settings import GameSettings

    path = tmp_path / "other.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is no recording"):
        ReplayWorld(str(path), GameSettings())
