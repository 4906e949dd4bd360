"""What the game pays, against a table worked out by hand. A mile an hour is 1.4667 studs/s; a tick is 1/15 s."""

import math

import numpy as np
import pytest

from envs.roblox.twin.rewards import race_reward

DIALECTS = ["v0", "v1", "v2"]
LOSS = {"v0": 20.0, "v1": 20.0, "v2": 25.0}
TOP = 70 * 1.4667


def speed_bonus(dialect, speed):
    return 0.0 if dialect == "v2" else 0.5 * (math.exp(2.0 * speed / TOP) - 1.0)


@pytest.mark.point("roblox", 30)
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("speed", [15.0, 60.0, TOP])
def test_straight_driving(driven, dialect, speed):
    drive = driven(dialect)
    drive.place(400.0, speed=speed)
    expected = 1000.0 * (speed / 15.0) / driven.lap + speed_bonus(dialect, speed)
    for _ in range(3):
        assert drive.entry()["reward"] == pytest.approx(expected, rel=1e-7)


@pytest.mark.point("roblox", 30)
def test_the_speed_bonus_is_at_most_3_19(driven):
    drive = driven("v1")
    drive.place(200.0, speed=150.0)
    assert drive.entry()["reward"] - 1000.0 * 10.0 / driven.lap == pytest.approx(3.19, abs=0.005)


@pytest.mark.point("roblox", 30)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_reversing(driven, dialect):
    drive = driven(dialect)
    drive.place(400.0, speed=-30.0)
    assert drive.entry()["reward"] == pytest.approx(-LOSS[dialect] * 1000.0 * 2.0 / driven.lap, rel=1e-7)


@pytest.mark.point("roblox", 30)
@pytest.mark.parametrize(("dialect", "reward"), [("v0", -10), ("v1", -20), ("v2", -40)])
def test_wall_contact(driven, dialect, reward):
    drive = driven(dialect)
    drive.place(400.0, 15.0, math.pi / 2, speed=90.0)  # 5.5 studs to the wall, 6 in a tick
    *_, end = drive.until_end()
    assert (end["reward"], end["terminated"], end["truncated"]) == (reward, True, False)


@pytest.mark.point("roblox", 30)
@pytest.mark.parametrize(
    ("dialect", "tick", "reward"),
    [("v0", 75, 0.0), ("v1", 61, -20.0), ("v2", 77, 0.0)],  # at 5 whole seconds; after 4 s; after 5 s, one late
)
def test_stuck(driven, dialect, tick, reward):
    drive = driven(dialect)
    entries = drive.until_end(action=(0.0, 1.0, -1.0))
    assert len(entries) == tick
    assert (entries[-1]["reward"], entries[-1]["terminated"], entries[-1]["truncated"]) == (reward, False, True)


def test_v0_counts_whole_seconds(driven):
    drive = driven("v0", cars=0)
    drive.ticks(14)  # 0.93 s
    drive.say("SPAWN_AGENTS", {"agents": driven.ids(1)})
    drive.cars = driven.ids(1)
    assert len(drive.until_end()) == 75 - 14  # at 5.0 s, after 4.07 s


def test_stuck_time_can_be_set(driven):
    drive = driven("v2", stuck_s=2.0)
    assert len(drive.until_end()) == 32


@pytest.mark.parametrize("dialect", DIALECTS)
def test_progress_resets_the_stuck_timer(driven, dialect):
    drive = driven(dialect)
    drive.ticks(50)
    drive.act(1.0, 0.0, -1.0)
    drive.ticks(1)
    drive.act(1.0, 0.0, -1.0)  # creeps along from now on
    drive.ticks(100)
    assert drive.game.episodes.ends == 0


def test_a_race_pays_places_by_hand():
    # Laps of 1000 studs: the second closes up by 4 studs, the third falls back by 10.
    before, after = [0.500, 0.400, 0.390], [0.510, 0.414, 0.394]
    rewards = race_reward(before, after, 1000.0)
    assert rewards == pytest.approx([1.0 - 0.005 * 4, 0.005 * 4 + 0.005 * 10, -0.005 * 10 - 1.0])


def test_terminate_all_races(driven):
    drive = driven("v2", cars=2, terminate_all=True)
    first, second = drive.cars
    drive.place(400.0, 10.0, speed=60.0, car=first)
    drive.place(300.0, -10.0, speed=30.0, car=second)
    entries = drive.tick()
    widened = 0.005 * 2.0 * 3400.0 / 3400.0
    assert entries[first]["reward"] == pytest.approx(1000.0 * 4.0 / driven.lap + widened + 1.0, abs=1e-3)
    assert entries[second]["reward"] == pytest.approx(1000.0 * 2.0 / driven.lap - widened - 1.0, abs=1e-3)


def test_rewards_are_numbers(driven):
    drive = driven("v1", cars=3)
    for entry in drive.tick().values():
        assert isinstance(entry["reward"], float)
        assert np.isfinite(entry["obs"]).all()
