"""Gap, lap distance and what lies ahead: cases by hand, and loops written from the specification."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.assetto_corsa.geometry.reference_line import ReferenceLine
from envs.errors import ConfigError


def slow_gap(line, x, y):
    """The original's gap, one step after another."""
    nearest = min(range(len(line)), key=lambda row: math.hypot(x - line[row][0], y - line[row][1]))
    nearest = min(nearest, len(line) - 2)
    feet = []
    for begin, end in ((nearest - 1, nearest), (nearest, nearest + 1)):
        way, to = line[end] - line[begin], np.array([x, y]) - line[begin]
        share = min(max(way @ to / (way @ way), 0.0), 1.0)
        feet.append((share, np.linalg.norm(to - share * way), way[0] * to[1] - way[1] * to[0]))
    (share, distance, across), (other_share, other, _) = feet
    is_before, is_after = 0 < share < 1, 0 < other_share < 1
    if is_before and is_after:
        distance = min(distance, other)
    elif not is_before:
        distance = other
    return -math.copysign(distance, across), nearest - 1 if is_before else nearest


def slow_table(line, values, dist):
    """The original's look-ahead: a value a metre, a window of 300 m cut out, every so many of it."""
    place = np.insert(np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1)), 0, 0)[:-1]
    known = values[:-1]
    table = []
    for metre in np.arange(0, place[-1] + 3):
        if metre <= place[-1]:
            table.append(np.interp(metre, place, known))
        else:
            slope = (known[-1] - known[-2]) / (place[-1] - place[-2])
            table.append(known[-1] + slope * (metre - place[-1]))
    last = len(table) - 1
    window = [table[metre] for metre in range(last + 1) if dist <= metre <= dist + 300]
    if dist + 300 > last:
        window += [table[metre] for metre in range(last + 1) if metre <= dist + 300 - last]
    return window[:: len(window) // 12][:12]


@pytest.mark.point("assetto_corsa", 33)
@pytest.mark.parametrize("fixed", [False, True])
def test_on_a_straight_along_x_a_car_2_m_to_the_left_has_gap_minus_2(make_stadium, fixed):
    line = ReferenceLine(make_stadium(), fixed)
    gap, row = line.gap(30.0, 2.0)
    assert gap == pytest.approx(-2.0)
    assert row in (19, 20)  # 1.5 m a row
    assert line.gap(30.7, -3.0)[0] == pytest.approx(3.0)
    assert line.gap(-30.0, 98.0)[0] == pytest.approx(-2.0)  # the upper straight goes back


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**31 - 1))
def test_the_compatible_gap_is_the_original_s(synthetic, seed):
    random = np.random.default_rng(seed)
    track = synthetic(seed % 4)
    rows = np.concatenate([random.integers(0, track.num_rows, 20), [0, 1, -1, -2]])
    points = track.line_m[rows] + random.normal(0, 6, (len(rows), 2))
    gaps, places = ReferenceLine(track).gap_many(points)
    wanted = [slow_gap(track.line_m, *point) for point in points]
    assert gaps == pytest.approx([gap for gap, _ in wanted], abs=1e-9)
    assert places.tolist() == [row for _, row in wanted]
    assert ReferenceLine(track).gap(*points[0]) == (gaps[0], places[0])


def test_the_seam_is_the_original_s_where_asked_for_and_none_otherwise(make_stadium):
    # D22. Row 0 lies at (0, 0), the last one 1.5 m before it; a car 2 m beside the middle of the hole between.
    track = make_stadium(spacing=1.5)
    x = 0.5 * track.line_m[-1, 0]
    # Nearer to row 0, whose segment before is the hole; nearer to the last row, whose is not.
    assert ReferenceLine(track).gap(0.99 * x, 2.0)[0] == pytest.approx(-2.0)
    spacing = np.linalg.norm(track.line_m[1] - track.line_m[0])
    assert ReferenceLine(track).gap(1.01 * x, 2.0)[0] == pytest.approx(-math.hypot(2.0, 0.495 * spacing))  # 2.13
    assert ReferenceLine(track).gap(1.01 * x, 2.0)[0] == pytest.approx(-2.13, abs=0.01)
    assert ReferenceLine(track, fixed=True).gap(1.01 * x, 2.0)[0] == pytest.approx(-2.0)


@pytest.mark.parametrize("offset", [-4.0, 0.0, 2.0, 5.0])
def test_the_fixed_gap_is_continuous_over_the_start_line(make_circle, offset):
    # D22. A car at a constant offset, 2 cm at a time, on a polyline whose sagitta is 1.4 mm.
    line = ReferenceLine(make_circle(radius=200.0, spacing=1.5), fixed=True)
    angles = np.linspace(-0.02, 0.02, 400)
    gaps, _ = line.gap_many((200 + offset) * np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert np.abs(np.diff(gaps)).max() < 1e-3
    assert gaps == pytest.approx(offset, abs=2e-3)  # outside is to the right, counter-clockwise


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 3), st.floats(0, 2600))
def test_the_compatible_look_ahead_is_the_original_s(synthetic, seed, dist):
    track = synthetic(seed, has_curvature=True, has_target_speed=True)
    line = ReferenceLine(track)
    assert line.curvature_ahead(dist) == pytest.approx(slow_table(track.line_m, track.curvature, dist), abs=1e-12)
    speeds = slow_table(track.line_m, track.target_speed_mps, dist)
    assert line.target_speed_ahead(dist) == pytest.approx(speeds, abs=1e-9)


def test_the_compatible_look_ahead_wraps_where_the_original_s_does(synthetic):
    track = synthetic(0, has_curvature=True, has_target_speed=True)
    line = ReferenceLine(track)
    for dist in (
        *np.arange(track.length_m - 303.0, track.length_m - 270.0, 2.3),
        *track.length_m + np.arange(-6, 6, 1.3),
    ):
        assert line.curvature_ahead(dist) == pytest.approx(slow_table(track.line_m, track.curvature, dist), abs=1e-12)


def test_look_ahead_of_many_cars_is_that_of_each(synthetic):
    for fixed in (False, True):
        line = ReferenceLine(synthetic(1), fixed)
        places = np.random.default_rng(0).uniform(0, 2520, (5, 7))
        many = line.curvature_ahead(places)
        assert many.shape == (5, 7, 12)
        for index in np.ndindex(5, 7):
            assert np.array_equal(many[index], line.curvature_ahead(places[index]))


@pytest.mark.point("assetto_corsa", 34)
@pytest.mark.parametrize(("clockwise", "sign"), [(False, 1), (True, -1)])
def test_on_a_circle_all_twelve_are_the_circle_s_curvature(make_circle, clockwise, sign):
    line = ReferenceLine(make_circle(radius=200.0, clockwise=clockwise), fixed=True)
    assert line.length_m == pytest.approx(2 * np.pi * 200, rel=1e-5)
    ahead = line.curvature_ahead(line.lap_dist(np.linspace(0, 1, 401)))  # over the start line as well
    assert ahead.shape == (401, 12)
    assert ahead / 0.1 == pytest.approx(sign * 0.05, rel=0.02)


def test_what_lies_ahead_is_25_m_apart_and_cyclic(make_stadium):
    track = make_stadium(straight=600.0, radius=50.0, half_width=5.0)
    line = ReferenceLine(track, fixed=True)
    # Row 0 is in the middle of a straight: 300 m to a bend of 157 m, 600 m straight, and another.
    ahead = line.curvature_ahead([100.0, 250.0, 320.0, track.closed_length_m - 40])
    assert ahead[0] == pytest.approx([0] * 8 + [0.01] + [0.02] * 3, abs=2e-3)  # at 300 m the bend begins: half
    assert ahead[1] == pytest.approx([0, 0, 0.01] + [0.02] * 6 + [0] * 3, abs=2e-3)
    assert ahead[2] == pytest.approx([0.02] * 6 + [0] * 6, abs=2e-3)
    assert ahead[3] == pytest.approx([0] * 12, abs=1e-9)
    assert line.curvature_ahead(320.0 + track.closed_length_m) == pytest.approx(ahead[2], abs=1e-9)


def test_splines_find_the_curvature_of_a_circle(make_circle):
    line = ReferenceLine(make_circle(radius=100.0))
    ahead = line.curvature_ahead(np.arange(60.0, 250.0, 10.0))  # away from the ends, which splines bend
    assert ahead == pytest.approx(0.01, rel=0.2)
    assert ahead.mean() == pytest.approx(0.01, rel=0.03)


def test_a_curvature_column_is_taken_as_it_is(make_circle):
    track = make_circle()
    track = replace(track, curvature=np.arange(float(track.num_rows)))
    spacing = track.closed_length_m / track.num_rows
    wanted = (100 + 25 * np.arange(12)) / spacing
    for fixed in (False, True):
        assert ReferenceLine(track, fixed).curvature_ahead(100.0) == pytest.approx(wanted, rel=1e-3)


def test_lap_distance_is_a_share_of_whose_length(make_circle):
    track = replace(make_circle(), length_m=1262.0)  # the game says 5.4 m more than the line has
    assert ReferenceLine(track).lap_dist(0.5) == 631.0
    assert ReferenceLine(track, length_m=1260.0).lap_dist([0.0, 0.25]).tolist() == [0.0, 315.0]
    assert ReferenceLine(track, fixed=True).lap_dist(0.5) == pytest.approx(628.3, abs=0.1)


def test_lines_that_are_too_short_or_know_no_speed_are_refused(make_circle):
    with pytest.raises(ConfigError, match="more than 300 m"):
        ReferenceLine(make_circle(radius=40.0))
    with pytest.raises(ConfigError, match="target_speed column"):
        ReferenceLine(make_circle()).target_speed_ahead(0.0)
