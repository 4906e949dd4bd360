"""What an ACTION does to a car, by hand. Speeds in studs/s; a mile an hour is 1.4667; a tick is 1/15 s."""

import math

import numpy as np
import pytest

MPH = 1.4667


@pytest.mark.point("roblox", 32)
@pytest.mark.parametrize("dialect", ["v0", "v1", "v2"])
def test_the_first_action_changes_nothing_the_second_does(driven, dialect):
    drive = driven(dialect)
    drive.act(1.0, 0.5, -1.0)
    assert drive.speed() == 0.0
    drive.ticks(1)
    assert drive.speed() == 0.0
    drive.act(1.0, 0.5, -1.0)
    assert drive.speed() == pytest.approx(40 * MPH / 15, rel=1e-4)


@pytest.mark.point("roblox", 32)
@pytest.mark.parametrize(("dialect", "seconds"), [("v0", 1.0), ("v1", 1.0), ("v2", 4.0 / 15.0)])
def test_time_since_the_last_action_counts_and_in_v2_is_clamped(driven, dialect, seconds):
    drive = driven(dialect)
    drive.act(1.0, 0.0, -1.0)
    drive.ticks(15)
    drive.act(1.0, 0.0, -1.0)
    assert drive.speed() == pytest.approx(40 * MPH * seconds, rel=1e-4)


@pytest.mark.point("roblox", 32)
def test_a_respawn_forgets_the_last_action(driven):
    drive = driven("v2")
    for _ in range(3):
        drive.act(1.0, 0.0, -1.0)
        drive.ticks(1)
    drive.say("RESET_AGENTS", {"agents": drive.cars})
    drive.act(1.0, 0.0, -1.0)
    assert drive.speed() == 0.0


@pytest.mark.parametrize(
    ("before", "throttle", "nitro", "after"),
    [
        (0.0, 1.0, -1.0, 40 / 15),
        (69.0, 1.0, -1.0, 70.0),  # not above what is asked for
        (0.0, 0.5, -1.0, 40 / 15),
        (60.0, 0.5, -1.0, 60 - 35 / 15),
        (60.0, 0.0, -1.0, 60 - 35 / 15),
        (1.0, 0.0, -1.0, 0.0),
        (60.0, -1.0, -1.0, 60 - 105 / 15),
        (3.0, -1.0, -1.0, 0.0),  # a stand before the direction changes
        (0.0, -1.0, -1.0, -40 / 15),
        (-29.0, -1.0, -1.0, -30.0),
        (-20.0, 1.0, -1.0, -20 + 105 / 15),
        (70.0, 1.0, 1.0, 70 + 100 / 15),
        (70.0, 1.0, 0.5, 70.0),  # not above a half
        (104.0, 1.0, 1.0, 105.0),
        (100.0, 1.0, -1.0, 100 - 35 / 15),
    ],
)
def test_engine_by_hand(driven, before, throttle, nitro, after):
    drive = driven("v2")
    drive.place(100.0)
    drive.act(throttle, 0.0, nitro)
    drive.ticks(1)
    drive.game.fleet.speed[drive.slot()] = before * MPH
    drive.act(throttle, 0.0, nitro)
    assert drive.speed() == pytest.approx(after * MPH, abs=1e-3)


def test_between_actions_speed_and_steering_stay(driven):
    drive = driven("v2")
    drive.place(100.0)
    drive.act(1.0, 0.1, -1.0)
    drive.ticks(1)
    drive.act(1.0, 0.1, -1.0)
    speed, steer = drive.speed(), drive.game.fleet.steer_rad[drive.slot()]
    assert speed > 0.0
    drive.ticks(20)
    assert drive.speed() == speed
    assert drive.game.fleet.steer_rad[drive.slot()] == steer


def test_a_tank_lasts_three_seconds_and_fills_in_six(driven):
    drive = driven("v2")
    fleet, slot = drive.game.fleet, drive.slot()
    drive.act(0.0, 0.0, 1.0)
    levels = []
    for nitro in [1.0] * 30 + [-1.0] * 30:
        drive.game.world.act(np.array([slot]), np.array([[0.0, 0.0, nitro]]), drive.game.now_s)
        levels.append(fleet.fuel[slot])
        drive.game.advance(1.0 / 15.0)
        fleet.speed[slot] = 0.0
    assert levels[0] == 1.0
    # The other 29 actions are 29/15 s of nitro, then 30/15 s of rest.
    assert levels[29] == pytest.approx(1.0 - 29 / 45, abs=1e-4)
    assert levels[59] == pytest.approx(1.0 - 29 / 45 + 30 / 90, abs=1e-4)


@pytest.mark.parametrize(("speed_mph", "degrees"), [(0.0, 30.0), (35.0, 25.5), (70.0, 21.0), (105.0, 16.5)])
def test_steering_eases_with_speed(driven, speed_mph, degrees):
    drive = driven("v2")
    nitro = 1.0 if speed_mph == 105.0 else -1.0
    action = (min(speed_mph / 70.0, 1.0), 1.0, nitro)
    drive.act(*action)
    drive.game.fleet.speed[drive.slot()] = speed_mph * MPH
    drive.act(*action)
    assert math.degrees(drive.game.fleet.steer_rad[drive.slot()]) == pytest.approx(degrees, abs=1e-3)


def test_full_right_turns_a_quarter_on_a_circle(driven):
    radius = 12.0 / math.tan(math.radians(30.0))
    drive = driven("v2")
    drive.place(400.0, 20.0, speed=radius * math.pi / 2 / 0.5)  # a quarter of it in 30 frames
    drive.game.fleet.steer_rad[drive.slot()] = math.radians(30.0)
    drive.game.advance(0.5)
    x, y, heading = drive.game.car_pose(drive.cars[0])
    assert (x, y) == pytest.approx((400.0 + radius, 20.0 - radius), abs=0.02)
    assert heading == pytest.approx(-math.pi / 2)


def test_positive_steering_is_to_the_right(driven):
    drive = driven("v2")
    drive.place(400.0, 0.0)
    for _ in range(15):
        drive.act(1.0, 0.3, -1.0)
        drive.ticks(1)
    assert drive.game.car_pose(drive.cars[0])[1] < -0.5  # the track leads along +x, its left is +y


def test_walls_that_do_not_kill_hold_the_car(driven):
    drive = driven("v2", wall_kill=False, stuck_s=60.0)
    drive.place(400.0, 10.0, math.pi / 2, speed=60.0)
    drive.ticks(30)
    assert drive.game.episodes.ends == 0
    assert drive.game.car_pose(drive.cars[0])[:2] == pytest.approx((400.0, 20.5), abs=1e-3)


def test_actions_beyond_the_range_count_as_its_ends(driven):
    drive = driven("v2")
    drive.act(5.0, -3.0, 0.0)
    assert drive.entry()["obs"][-3:] == [1.0, -1.0, 0.0]
