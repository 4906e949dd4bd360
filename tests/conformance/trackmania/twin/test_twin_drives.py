"""The env against the twin over sockets, as against the game: what goes wrong ends in words, and nothing hangs."""

import socket
import time

import numpy as np
import pytest

from envs.errors import SimulatorUnavailable
from envs.trackmania.env import TrackmaniaEnv
from envs.trackmania.faults import LinkFault
from envs.trackmania.twin.faults import Faults

GAS = np.array([0.0, 1.0, 0.0], np.float32)
STALLED_S = 0.4
QUICK = {"step_s": 0.02, "capture_s": 0.016, "sleep_at_reset_s": 0.0, "wait_on_done": False}
LIMITS = {"stalled_s": STALLED_S, "connect_timeout_s": 3.0}


@pytest.fixture
def driver(line):
    """Return a function that makes an env which drives a twin as it would drive the game."""
    envs = []

    def make(server, **arguments):
        hosts = f"{server.telemetry[0]}:{server.telemetry[1]}"
        chosen = {"obs": "edges", "hosts": hosts, "controls": "loopback", "trajectory": line}
        envs.append(TrackmaniaEnv(**chosen | QUICK | LIMITS | arguments))
        return envs[-1]

    yield make
    for env in envs:
        env.close()


def until_the_end(env, most=250):
    """Drive with full gas until the episode ends; return the steps, and how long the last one took."""
    steps = []
    for _ in range(most):
        began = time.monotonic()
        steps.append(env.step(GAS)[1:])
        if steps[-1][1] or steps[-1][2]:
            return steps, time.monotonic() - began
    raise AssertionError("the episode did not end")


def test_it_drives_along_the_road(game, driver):
    env = driver(game())
    env.reset()
    speeds = [env.step(GAS)[4]["speed_mps"] for _ in range(50)]
    assert speeds[-1] > speeds[10] > speeds[2]  # about 1 s of full gas
    assert speeds[-1] > 3.0


@pytest.mark.parametrize("obs", ["full", "lidar"])
def test_pictures_come_from_the_twins_channel_again_after_a_loss(obs, game, driver):
    server = game()
    env = driver(server, obs=obs)
    env.reset()
    env.step(GAS)
    env.interface.parts.capture._channel.frames._socket.shutdown(socket.SHUT_RDWR)  # the channel breaks
    _, terminated, truncated, info = until_the_end(env)[0][-1]
    assert (terminated, truncated, info["end_cause"]) == (False, True, "link_lost")
    assert "frame channel" in info["fault"]
    observation, _ = env.reset()
    assert env.observation_space.contains(observation)
    assert env.step(GAS)[4]["end_cause"] is None


@pytest.mark.timing
@pytest.mark.point("trackmania", 8)
@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ({"close_after_frames": 0}, "closed"),
        ({"half_after_frames": 0}, "closed"),
        ({"stall_after_frames": 0, "stall_s": 1.0}, "stalled"),
        ({"freeze_after_frames": 0, "freeze_s": 1.0}, "stalled"),
        ({"nan_after_frames": 0}, "stalled"),
        ({"silent": True}, "stalled"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_link_that_is_lost_truncates_in_time_and_the_next_reset_works(faults, words, game, driver):
    server = game()
    env = driver(server)
    env.reset()
    for _ in range(3):
        assert env.step(GAS)[4]["end_cause"] is None
    server.faults = Faults(**faults)
    steps, took_s = until_the_end(env)
    _, terminated, truncated, info = steps[-1]
    assert (terminated, truncated, info["end_cause"]) == (False, True, "link_lost")
    assert words in info["fault"]
    assert took_s < STALLED_S + 1.0
    server.faults = Faults()
    env.reset()
    assert all(env.step(GAS)[4]["end_cause"] is None for _ in range(5))


@pytest.mark.timing
@pytest.mark.point("trackmania", 8)
def test_a_plugin_that_goes_at_the_end_of_an_episode_holds_nobody_up(game, driver):
    server = game()
    env = driver(server, episode_steps=10, wait_on_done=True, connect_timeout_s=30.0)
    env.reset()
    capture, captured = env.interface.get_obs_rew_terminated_info, []

    def then_lose():
        captured.append(capture())
        if len(captured) == 10:
            server.faults = Faults(refuse=True)
            time.sleep(1.5 * STALLED_S)  # the last record is too old by now
        return captured[-1]

    env.interface.get_obs_rew_terminated_info = then_lose
    steps, took_s = until_the_end(env)
    assert (len(steps), steps[-1][2], steps[-1][3]["end_cause"]) == (10, True, "time_limit")
    assert took_s < 1.5 * STALLED_S + 0.7 + 1.0  # the capture, the wait, and a busy machine


def test_records_of_another_layout_after_a_reconnect_are_refused_in_words(game, driver):
    server = game()
    env = driver(server)
    env.reset()
    server.faults = Faults(close_after_frames=0, next_layout="IQN33")
    _, _, truncated, info = until_the_end(env)[0][-1]
    assert truncated
    assert "closed" in info["fault"]
    server.faults = Faults(wrong_layout="IQN33")
    with pytest.raises(LinkFault, match=r"another layout.*TMRL11.*env\.layout"):
        env.reset()
    server.faults = Faults(close_after_frames=0)  # the plugin is loaded anew, and fails
    with pytest.raises(LinkFault, match="closed"):
        env.reset()


def test_a_race_that_restarts_by_itself_pays_nothing_and_ends(game, driver):
    server = game()
    env = driver(server, progress={"stuck_s": 0.5})
    env.reset()
    for _ in range(150):  # 3 s: some metres
        info = env.step(GAS)[4]
    assert info["progress_m"] > 10.0
    server.faults = Faults(restart_after_frames=0)
    steps, _ = until_the_end(env)
    assert sum(reward for reward, *_ in steps) <= 0.0
    assert steps[-1][1]
    assert steps[-1][3]["end_cause"] in ("stuck", "off_track", "wrong_way")


@pytest.mark.slow
def test_a_plugin_that_is_missing_at_the_start_is_named_within_the_deadline(game, driver):
    for faults, words in (({"refuse": True}, "refused"), ({"silent": True}, "sent nothing")):
        env = driver(game(**faults), connect_timeout_s=2.6)
        with pytest.raises(SimulatorUnavailable, match=words):
            env.reset()


def test_a_pad_that_is_not_plugged_in_ends_the_episode_as_stuck(game, driver):
    env = driver(game(ignore_pad=True), progress={"stuck_s": 0.2, "grace_s": 0.1})
    env.reset()
    _, terminated, _, info = until_the_end(env)[0][-1]
    assert (terminated, info["end_cause"]) == (True, "stuck")
    assert info["speed_mps"] == 0.0


def test_a_missing_gamepad_is_named_before_anything_is_driven(game, driver, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "vgamepad", None)
    env = driver(game(), controls="gamepad")
    with pytest.raises(SimulatorUnavailable, match=r"pip install vgamepad"):
        env.reset()


@pytest.mark.parametrize("faults", [{"one_byte_writes": True}, {"burst_frames": 3}, {"copies": 2}])
def test_odd_deliveries_do_not_matter(faults, game, driver):
    env = driver(game(**faults))
    env.reset()
    assert all(env.step(GAS)[4]["end_cause"] is None for _ in range(30))


def test_a_finish_sign_that_is_stuck_pays_nothing(game, driver):
    env = driver(game(finish_stuck=True))
    env.reset()
    for _ in range(30):
        _, reward, terminated, _, _ = env.step(GAS)
        assert not terminated
        assert reward < 1.0


def test_a_teleport_earns_no_more_than_a_fast_car_and_is_named(game, driver):
    server = game()
    env = driver(server)
    env.reset()
    env.step(GAS)
    server.faults = Faults(teleport_after_frames=0, teleport_m=200.0)
    steps, _ = until_the_end(env)
    assert all(reward <= 0.1 * (120.0 * info["dt_s"] + 3.0) for reward, _, _, info in steps)  # the window of a step
    assert sum(reward for reward, *_ in steps) < 0.1 * 200.0
    assert any("telemetry_fault" in info for *_, info in steps)
    assert steps[-1][3]["end_cause"] in ("off_track", "stuck")
