"""The twin in lock-step is read once a frame: slow, stalled and frozen as over the wire; hitches cost nothing."""

import time

import numpy as np
import pytest

from envs.trackmania.env import TrackmaniaEnv
from envs.trackmania.twin.faults import Faults

GAS = np.array([0.0, 1.0], np.float32)  # [steer, pedal]
STRAIGHT = np.stack([np.zeros(2501), np.full(2501, 10.0), np.arange(2501.0)], axis=1)


@pytest.fixture
def driver():
    """Return a function from arguments of the env, and of its game, to an env in lock-step, after its reset."""
    envs = []

    def make(arguments=None, **game):
        made = {"twin": "lockstep", "obs": "edges", "actions": "drive", "twin_game": game} | (arguments or {})
        envs.append(TrackmaniaEnv(**made))
        envs[-1].reset(seed=0)
        return envs[-1]

    yield make
    for env in envs:
        env.close()


def game_of(env):
    return env.interface.parts.source.game


@pytest.mark.point("trackmania", 32)
@pytest.mark.parametrize(
    "fault",
    [
        {"stall_after_frames": 0, "stall_s": 0.15},
        {"stall_after_frames": 0, "stall_s": 0.3},
        {"stall_after_frames": 0, "stall_s": 0.5},
        {"nan_after_frames": 0, "nan_frames": 25},
        {"freeze_after_frames": 0, "freeze_s": 0.3},
    ],
    ids=str,
)
def test_a_hitch_at_speed_costs_nothing(fault, driver):
    env = driver(trajectory=STRAIGHT)
    for _ in range(180):
        info = env.step(GAS)[4]
    assert info["speed_mps"] >= 60.0
    begin_m, paid, oldest_s = info["progress_m"], 0.0, 0.0
    game_of(env).faults = Faults(**fault)
    for _ in range(60):
        _, _, terminated, truncated, info = env.step(GAS)
        assert (terminated, truncated, info["end_cause"]) == (False, False, None)
        assert "jumped" not in info.get("telemetry_fault", "")
        paid, oldest_s = paid + info["reward_progress"], max(oldest_s, info["frame_age_s"])
    assert oldest_s >= 0.1  # there was a hitch
    assert info["progress_m"] == pytest.approx(info["position_m"][0], abs=0.01)  # along +z
    assert info["progress_m"] - begin_m >= 60.0 * 2.6  # 3 s at 60 m/s or more, 0.3 s frozen
    assert paid == pytest.approx(0.1 * (info["progress_m"] - begin_m))


def test_frames_come_at_the_games_rate(driver):
    """The first step begins at 1.5 s and captures 40 ms later; frames come at multiples of 0.2 s."""
    env = driver(frame_rate_fps=5.0)
    ages = [env.step(GAS)[4]["frame_age_s"] for _ in range(8)]
    assert ages == pytest.approx([0.14, 0.19, 0.04, 0.09] * 2, abs=1e-6)
    env = driver(frame_rate_fps=100.0)
    told = [env.step(GAS)[4] for _ in range(8)]
    assert [info["frame_age_s"] for info in told] == [0.0] * 8
    assert told[-1]["frames_seen"] - told[0]["frames_seen"] == 7 * 5


def test_records_are_stamped_with_their_frames_time(driver):
    env = driver(frame_rate_fps=60.0, frame_jitter=0.5)
    source, received = env.interface.parts.source, []
    source.listen(lambda record: received.append((record.received_s, game_of(env).frame.time_us / 1e6)))
    for _ in range(20):
        env.step(GAS)
    assert all(stamp == shown for stamp, shown in received)
    assert len(received) == pytest.approx(60, abs=2)
    between = np.diff([stamp for stamp, _ in received])
    assert 0.0 < between.min() < 0.95 / 60 < 1.05 / 60 < between.max()


def test_a_race_that_restarts_by_itself_is_told_by_its_clock(driver):
    env = driver({"layout": "RACE16"})
    for _ in range(40):
        info = env.step(GAS)[4]
    assert "telemetry_fault" not in info
    assert info["race_time_s"] == pytest.approx(1.99, abs=0.02)  # the first look was at its begin
    game_of(env).faults = Faults(restart_after_frames=0)
    assert "race clock went back" in env.step(GAS)[4]["telemetry_fault"]
    env.reset()
    assert all("telemetry_fault" not in env.step(GAS)[4] for _ in range(30))


def test_a_frozen_game_is_a_lost_link(driver):
    env = driver()
    env.step(GAS)
    game_of(env).faults = Faults(freeze_after_frames=0, freeze_s=5.0)
    steps, terminated, truncated = 0, False, False
    while steps < 30 and not (terminated or truncated):
        _, _, terminated, truncated, info = env.step(GAS)
        steps += 1
    assert (terminated, truncated, info["end_cause"]) == (False, True, "link_lost")
    assert "stalled" in info["fault"]
    assert steps * 0.05 == pytest.approx(1.05, abs=0.051)  # the stall limit of 1 s
    env.reset(seed=0)
    assert env.step(GAS)[4]["end_cause"] is None


@pytest.mark.timing
@pytest.mark.point("trackmania", 33)
def test_the_env_makes_a_thousand_steps_a_second_of_a_core(driver):
    env = driver({"progress": {"off_track_m": 1e6, "stuck_s": 1e6}, "episode_steps": 100_000})
    gas = np.array([0.0, 0.6], np.float32)
    for _ in range(200):
        env.step(gas)
    took_s = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(200):
            assert not any(env.step(gas)[2:4])
        took_s.append(time.process_time() - began)
    assert sorted(took_s)[2] < 0.2  # the median: process time, too, is lengthened by what shares the caches
