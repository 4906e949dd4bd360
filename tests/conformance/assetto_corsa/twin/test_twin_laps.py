"""Laps: counted at the line, timed between ticks, valid or not; tyres on and off the road; resets."""

import math
from itertools import pairwise

import pytest


def drive(game, seconds, pace=0.8, tick_s=0.01, seen=lambda state: None):
    """Drive along the line, look at each tick, and return the last state."""
    for _ in range(round(seconds / tick_s)):
        game.press(*game.line_command(pace))
        game.advance(tick_s)
        seen(game.state())
    return game.state()


def test_lap_times_are_those_of_the_crossings(game):
    one = game()
    states = []
    drive(one, 65.0, 0.9, seen=states.append)
    crossings = []
    for before, after in pairwise(states):
        if before["NormalizedSplinePosition"] > 0.9 and after["NormalizedSplinePosition"] < 0.1:
            left = 1.0 - before["NormalizedSplinePosition"]
            share = left / (left + after["NormalizedSplinePosition"])
            crossings.append(before["timestamp_ac"] + 0.01 * share)
    assert len(crossings) == states[-1]["LapCount"] == 2
    laps_ms = [1000 * crossings[0], 1000 * (crossings[1] - crossings[0])]  # the first from the start, at 0
    assert states[-1]["iLastTime"] == pytest.approx(laps_ms[1], abs=1.0)
    assert states[-1]["BestLap"] == pytest.approx(min(laps_ms), abs=1.0)
    assert states[-1]["completedLaps"] == 2
    assert states[-1]["currentTime"] == pytest.approx(1000 * (states[-1]["timestamp_ac"] - crossings[1]), abs=1.0)
    counts = [state["LapCount"] for state in states]
    assert counts == sorted(counts)
    first_after = next(state for state in states if state["LapCount"] == 1)
    assert first_after["iLastTime"] == pytest.approx(laps_ms[0], abs=1.0)
    assert first_after["currentTime"] < 11


def test_a_lap_begun_before_the_line_does_not_count(game):
    one = game(start_row=950)  # 63 m before the line
    state = drive(one, 15.0, 0.5)
    assert 0.05 < state["NormalizedSplinePosition"] < 0.5
    assert (state["LapCount"], state["iLastTime"], state["BestLap"]) == (0, 0, 0)
    assert state["currentTime"] < 15000  # it began anew at the line


def test_half_a_lap_and_a_jump_are_no_lap(game):
    one = game()
    drive(one, 10.0, 0.6)
    one.teleport(800.0)
    state = drive(one, 20.0, 0.6)
    assert state["NormalizedSplinePosition"] < 0.6
    assert state["LapCount"] == 0


def test_back_over_the_line_in_reverse_and_forwards_is_no_lap(game):
    one = game(start_row=4, is_automatic=False)  # 5 m past it
    for _ in range(2):
        one.press(0.0, -1.0, -1.0, shift_down=True, enable_gear_shift=True)
        one.advance(0.1)
        one.press(0.0, -1.0, -1.0)
        one.advance(0.1)
    assert one.state()["actualGear"] == 0
    one.press(0.0, 0.0, -1.0)
    one.advance(4.0)
    behind = one.state()
    assert behind["local_velocity_x"] < -1.0
    assert behind["NormalizedSplinePosition"] > 0.9
    for _ in range(2):
        one.press(0.0, -1.0, 1.0, shift_up=True, enable_gear_shift=True)
        one.advance(1.0)
        one.press(0.0, -1.0, 1.0)
        one.advance(0.1)
    state = drive(one, 8.0, 0.5)
    assert 0.0 < state["NormalizedSplinePosition"] < 0.5
    assert state["LapCount"] == 0


# Half a width is 6 m, the wheels are 0.775 m to both sides of the car's middle.
@pytest.mark.parametrize(
    ("left_m", "out"), [(0.0, 0), (5.1, 0), (6.0, 2), (7.0, 4), (30.0, 4), (-5.1, 0), (-6.0, 2), (-7.0, 4)]
)
def test_tyres_out_are_counted_from_the_contact_points(game, left_m, out):
    assert game(start_left_m=left_m).state()["numberOfTyresOut"] == out


def test_a_lap_with_more_than_two_tyres_out_is_invalid_and_never_the_best(game):
    one = game()
    drive(one, 3.0, 0.5)
    for steer in (0.1,) * 20:  # to the right, off the road
        one.press(steer, 0.5, -1.0)
        one.advance(0.1)
    assert one.state()["numberOfTyresOut"] == 4
    assert one.state()["LapInvalidated"] == 1
    while (state := drive(one, 0.1, 0.5))["LapCount"] == 0:
        assert one.time_s < 120.0
    assert state["iLastTime"] > 0
    assert state["BestLap"] == 0
    assert state["LapInvalidated"] == 0  # a new lap
    while (state := drive(one, 0.1, 0.5))["LapCount"] == 1:
        assert one.time_s < 200.0
    assert state["BestLap"] == state["iLastTime"]


def test_grass_slows(game, wide_ring):
    speeds = []
    for left_m in (0.0, 60.0):
        one = game(track=wide_ring, start_left_m=left_m, start_speed_mps=40.0)
        one.advance(3.0)
        speeds.append(one.state()["speed"])
    # Five times 90 N of rolling resistance more, on 565 kg, for 3 s; the air then slows the slower car less.
    assert speeds[0] - speeds[1] == pytest.approx(5 * 90 / 565 * 3.0, rel=0.2)


def test_a_reset_puts_the_car_back_and_keeps_the_laps(game):
    one = game(start_row=10, start_speed_mps=12.0, start_left_m=2.0)
    first = one.state()
    drive(one, 80.0, 0.6)
    before = one.state()
    assert before["LapCount"] >= 1
    one.reset()
    after = one.state()
    for key in ("world_position_x", "world_position_y", "yaw", "speed", "actualGear"):
        assert after[key] == first[key]
    for key in ("LapCount", "BestLap", "iLastTime", "timestamp_ac"):
        assert after[key] == before[key]
    assert after["currentTime"] == 0
    assert after["speed"] == pytest.approx(12.0)
    # 2 m to the left of a circle's line, which turns left, is 2 m nearer to its middle.
    assert math.hypot(after["world_position_x"], after["world_position_y"]) == pytest.approx(198.0, abs=0.01)


def test_a_reset_in_local_mode_leaves_the_joystick_alone(game):
    for mode, status in (("remote", 0.0), ("local", 1.0)):
        one = game(mode=mode)
        one.press(0.0, 1.0, -1.0)
        one.reset()
        one.advance(0.1)
        assert one.state()["accStatus"] == status
