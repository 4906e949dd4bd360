"""Earned metres: against the farthest place of a walk that is known, and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.errors import ConfigError
from envs.track.centre_line import CentreLine
from envs.track.progress import Progress
from envs.track.projection import Projection

LENGTH, STEP = 100.0, 10.0


def at(s, left=0.0):
    return Projection(s % LENGTH, left, abs(left), 0)


def make(start=0.0, *, closed=True):
    progress = Progress(LENGTH, closed=closed, max_step_m=STEP, max_offset_m=8.0)
    progress.reset(start)
    return progress


@given(st.floats(0, 99.9), st.lists(st.floats(-9.9, 9.9), max_size=200))
def test_what_is_earned_is_the_farthest_place_of_any_walk(start, steps):
    progress = make(start)
    place, farthest, total = start, start, 0.0
    for step in steps:
        place += step
        farthest = max(farthest, place)
        gain = progress.update(at(place))
        assert gain >= 0
        total += gain
        assert progress.travelled_m == pytest.approx(place - start, abs=1e-9)
    assert total == pytest.approx(farthest - start, abs=1e-9)
    assert progress.earned_m == pytest.approx(farthest - start, abs=1e-9)


def test_laps_and_the_share_of_the_next():
    progress = make(start=95.0)
    for place in range(100, 326, 5):
        assert progress.update(at(place)) == 5
    assert progress.earned_m == 230
    assert progress.laps == 2
    assert progress.lap_share == pytest.approx(0.3)


def test_nothing_by_going_back_and_forth_over_the_start_line():
    progress = make()
    for _ in range(50):
        assert progress.update(at(-8)) == 0
        assert progress.update(at(0)) == 0
    assert (progress.earned_m, progress.laps) == (0, 0)
    for place in range(-5, -205, -5):  # two laps backwards
        assert progress.update(at(place)) == 0
    assert progress.travelled_m == -200
    for place in range(-195, 1, 5):
        assert progress.update(at(place)) == 0
    assert progress.update(at(5)) == 5


def test_a_short_cut_earns_nothing_until_the_car_is_back():
    progress = make()
    progress.update(at(8))
    assert progress.update(at(60)) == 0
    assert not progress.is_on_course
    for place in range(62, 90, 4):
        assert progress.update(at(place)) == 0
    assert progress.s_m == 8
    assert progress.update(at(9)) == 1
    assert progress.is_on_course


def test_beside_the_road_nothing_is_earned():
    progress = make()
    assert progress.update(at(5, left=-9.0)) == 0
    assert progress.update(at(5, left=-7.0)) == 5


def test_small_circles_in_the_infield_earn_nothing():
    line = CentreLine([(50 * math.cos(a), 50 * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 200, endpoint=False)])
    progress = Progress(line.length_m, max_step_m=20.0, max_offset_m=8.0)
    progress.reset(0.0)
    for angle in np.arange(0, 20, 0.1):  # 1 m from the middle: the projection runs three laps
        assert progress.update(line.project(math.cos(angle), math.sin(angle))) == 0


def test_a_bound_for_one_update_where_the_game_skipped_some():
    progress = make()
    assert progress.update(at(30), max_step_m=40.0) == 30
    assert progress.update(at(70)) == 0
    assert progress.update(at(85), max_step_m=1e9) == 0  # more than half a lap may be either way


def test_what_is_not_finite_is_off_course():
    progress = make()
    assert progress.update(Projection(math.nan, 0.0, 0.0, 0)) == 0
    assert progress.update(Projection(1.0, math.nan, math.nan, 0)) == 0
    assert progress.update(at(1)) == 1


def test_an_open_line_has_an_end_and_no_lap_before_it():
    progress = make(closed=False)
    for place in range(5, 100, 5):
        progress.update(Projection(float(place), 0.0, 0.0, 0))
    assert (progress.laps, progress.lap_share) == (0, pytest.approx(0.95))
    progress.update(Projection(LENGTH, 0.0, 0.0, 0))
    assert (progress.laps, progress.lap_share) == (1, 1.0)
    assert progress.update(Projection(1.0, 0.0, 0.0, 0)) == 0  # no way round


def test_bounds_are_checked():
    with pytest.raises(ConfigError, match="max_step_m"):
        Progress(LENGTH, max_step_m=50.0, max_offset_m=8.0)
    with pytest.raises(ConfigError, match="max_offset_m"):
        Progress(LENGTH, max_step_m=5.0, max_offset_m=0.0)
