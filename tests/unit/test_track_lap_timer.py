"""Lap times of cars whose true times are known."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.errors import ConfigError
from envs.track.lap_timer import LapTimer

LENGTH = 300.0


def drive(timer, places, times=None):
    """Feed unwrapped places, a second apart unless told; return the laps."""
    times = range(1, len(places) + 1) if times is None else times
    laps = [timer.update(float(t), place % LENGTH) for t, place in zip(times, places, strict=True)]
    return [lap for lap in laps if lap]


def make(**arguments):
    return LapTimer(LENGTH, **{"max_step_m": 40.0} | arguments)


@settings(deadline=None, max_examples=40)
@given(st.floats(5, 90), st.floats(0.01, 0.3), st.floats(0, 299))
def test_constant_speed_gives_exact_laps(speed, interval, start):
    timer = make(sectors_m=(50.0, 120.0))
    timer.reset(0.0, start)
    count = math.ceil(3.2 * LENGTH / speed / interval)
    times = [interval * (index + 1) for index in range(count)]
    laps = drive(timer, [start + speed * t for t in times], times)
    assert len(laps) >= 2
    for number, lap in enumerate(laps):
        first_crossing = (LENGTH - start) / speed if start else 0.0
        if start:
            assert lap.begin_s == pytest.approx(first_crossing + number * LENGTH / speed)
        assert lap.time_s == pytest.approx(LENGTH / speed)
        assert lap.sectors_s == pytest.approx((50 / speed, 70 / speed, 180 / speed))
        assert sum(lap.sectors_s) == pytest.approx(lap.time_s)


def test_the_crossing_is_interpolated():
    timer = make()
    timer.reset(0.0, 290.0)
    timer.update(1.0, 10.0)  # 20 m in a second: the line after half of it
    assert timer.begin_s == 0.5
    laps = drive(timer, [*range(40, 300, 30), 295, 315], [*range(2, 11), 11, 12])
    assert [(lap.begin_s, lap.end_s) for lap in laps] == [(0.5, 11.25)]  # 5 of 20 m


def test_a_part_of_a_lap_does_not_count():
    timer = make()
    timer.reset(0.0, 150.0)
    assert drive(timer, list(range(170, 311, 20))) == []  # the first crossing begins a lap
    assert timer.begin_s == 7.5


def test_back_and_forth_over_the_line_is_no_lap():
    timer = make()
    timer.reset(0.0, 290.0)
    assert drive(timer, [310, 290, 310, 290, 310]) == []
    assert timer.begin_s == 4.5  # the last forward crossing
    assert drive(timer, list(range(330, 611, 20)), list(range(6, 21)))[0].begin_s == 4.5


def test_a_backward_crossing_cancels_the_lap():
    timer = make()
    timer.reset(0.0, 290.0)
    drive(timer, [310, 290])
    assert timer.begin_s is None
    assert drive(timer, list(range(270, -700, -30)), list(range(3, 36))) == []  # three laps backwards
    assert timer.begin_s is None
    forward = list(range(-690, 1, 30))
    laps = drive(timer, forward, [40 + index for index in range(len(forward))])
    assert [lap.time_s for lap in laps] == pytest.approx([10.0, 10.0])


def test_a_teleport_cancels_the_lap():
    timer = make()
    timer.reset(0.0, 290.0)
    laps = drive(timer, [310, 340, 500, 530, 560, 590, 610])  # from 40 to 200 m at once
    assert laps == []
    assert timer.begin_s == 6.5


def test_a_standing_start_counts_from_the_reset():
    timer = make()
    for grid in (0.0, 285.0):  # on the line, and behind it
        timer.reset(100.0, grid, standing_start=True)
        first = grid - LENGTH if grid else 0.0
        places = [first - 2, first + 1, *range(10, 300, 29), 303, 320]  # it rolls back a little
        laps = drive(timer, places, [101.0 + index for index in range(len(places))])
        assert len(laps) == 1
        assert laps[0].begin_s == 100.0
        assert laps[0].end_s == pytest.approx(112 + 29 / 32)  # from 271 to 303


def test_an_open_line_is_timed_to_its_finish():
    timer = LapTimer(100.0, sectors_m=(40.0,), closed=False, max_step_m=25.0)
    timer.reset(0.0, 0.0, standing_start=True)
    laps = [
        timer.update(t, s) for t, s in ((1, 20.0), (2, 40.0), (3, 60.0), (4, 80.0), (5, 96.0), (6, 104.0), (7, 110.0))
    ]
    assert next(lap for lap in laps if lap).sectors_s == (2.0, 3.5)
    assert laps[6] is None
    assert timer.begin_s is None


def test_samples_that_are_not_finite_are_left_out():
    timer = make()
    timer.reset(0.0, 290.0)
    assert timer.update(0.5, math.nan) is None
    timer.update(1.0, 10.0)
    assert timer.begin_s == 0.5


def test_a_clock_that_goes_back_is_an_error():
    timer = make()
    timer.reset(5.0, 0.0)
    with pytest.raises(ValueError, match=r"goes on from 5.0 s, got 4.0 s"):
        timer.update(4.0, 1.0)


@pytest.mark.parametrize("arguments", [{"sectors_m": (50.0, 50.0)}, {"sectors_m": (300.0,)}, {"max_step_m": 150.0}])
def test_lines_and_bounds_are_checked(arguments):
    with pytest.raises(ConfigError):
        make(**arguments)
