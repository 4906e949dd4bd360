"""The line of least curvature and its speeds, against cases by hand and other minimisers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear, minimize
from scipy.sparse import csc_matrix

from envs.assetto_corsa.tracks.box_program import minimise_in_box
from envs.assetto_corsa.tracks.racing_line import bending, minimum_curvature_line
from envs.assetto_corsa.tracks.speed_profile import speed_profile
from envs.errors import ConfigError
from envs.track.centre_line import CentreLine


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31 - 1), st.integers(2, 30))
def test_the_box_program_is_bounded_least_squares(seed, size):
    random = np.random.default_rng(seed)
    matrix, wanted = random.normal(size=(size + 3, size)), random.normal(size=size + 3)
    low = random.uniform(-1, 0, size)
    high = low + random.uniform(0.01, 1, size)
    found = minimise_in_box(csc_matrix(matrix.T @ matrix), -matrix.T @ wanted, low, high)
    other = lsq_linear(matrix, wanted, (low, high), tol=1e-12).x
    assert (found >= low).all()
    assert (found <= high).all()
    cost, least = (np.sum((matrix @ x - wanted) ** 2) for x in (found, other))
    assert cost == pytest.approx(least, rel=1e-6, abs=1e-9)


def test_on_a_circle_the_outer_border_bends_least(make_circle):
    track = make_circle(radius=60.0, half_width=5.0)
    line = minimum_curvature_line(track.left_m, track.right_m, margin_m=1.0)
    # ∫κ² ds of a circle is 2π / r.
    assert np.linalg.norm(line, axis=1) == pytest.approx(64.0, abs=1e-2)
    assert bending(line) == pytest.approx(2 * np.pi / 64.0, rel=1e-3)


def test_a_corner_is_cut_from_the_outside_to_the_inside_and_out():
    # A square with sides of 200 m and corners of radius 20 m, anticlockwise, 10 m wide.
    s = np.arange(0, 4 * (200 + 10 * np.pi), 2.0)
    side, along = np.divmod(s, 200 + 10 * np.pi)
    turn = np.maximum(along - 200, 0) / 20
    place = np.stack([np.minimum(along, 200) + 20 * np.sin(turn), 20 - 20 * np.cos(turn)], axis=1) - [100, 120]
    heading = turn + side * np.pi / 2
    cos, sin = np.cos(side * np.pi / 2), np.sin(side * np.pi / 2)
    middle = np.stack([cos * place[:, 0] - sin * place[:, 1], sin * place[:, 0] + cos * place[:, 1]], axis=1)
    normal = np.stack([-np.sin(heading), np.cos(heading)], axis=1)
    line = minimum_curvature_line(middle + 5 * normal, middle - 5 * normal, margin_m=1.0)
    offsets = ((line - middle) * normal).sum(axis=1)  # to the left, the inside
    apex, entry, exit_ = (np.argmin(np.abs(s - place)) for place in (200 + 5 * np.pi, 160, 240 + 10 * np.pi))
    assert offsets[apex] == pytest.approx(4.0, abs=0.05)
    assert offsets[entry] < -3.0
    assert offsets[exit_] < -3.0
    assert np.abs(offsets).max() <= 4.0 + 1e-9


def test_no_other_minimiser_finds_a_line_that_bends_less(make_stadium):
    track = make_stadium(straight=80.0, radius=25.0, spacing=4.0)
    across = track.left_m - track.right_m
    sideways = across / np.linalg.norm(across, axis=1, keepdims=True)

    def cost(moved):  # written anew: headings of segments, turned by how much, over how long
        points = track.line_m + moved[:, np.newaxis] * sideways
        ways = np.roll(points, -1, axis=0) - points
        lengths = np.linalg.norm(ways, axis=1)
        before = np.roll(ways, 1, axis=0)
        turns = np.arctan2(before[:, 0] * ways[:, 1] - before[:, 1] * ways[:, 0], (before * ways).sum(axis=1))
        return (turns**2 / (0.5 * (lengths + np.roll(lengths, 1)))).sum()

    ours = ((minimum_curvature_line(track.left_m, track.right_m, margin_m=1.0) - track.line_m) * sideways).sum(axis=1)
    bounds = [(-4.0, 4.0)] * len(ours)
    other = minimize(cost, np.zeros(len(ours)), method="L-BFGS-B", bounds=bounds, options={"maxfun": 200_000})
    assert cost(ours) < cost(np.zeros(len(ours))) * 0.85
    assert cost(ours) < other.fun * 1.005


def test_a_road_too_narrow_is_named(make_circle):
    track = make_circle(half_width=1.0)
    with pytest.raises(ConfigError, match=r"margin_m=1\.2, got 2 m at row"):
        minimum_curvature_line(track.left_m, track.right_m)


def test_on_a_circle_grip_to_the_side_decides(make_circle):
    speeds = speed_profile(make_circle(radius=100.0).closed_line, lateral_mps2=16.0)
    assert speeds == pytest.approx(40.0, rel=1e-3)  # √(16 · 100)


def test_a_straight_is_driven_as_fast_as_it_can_be_left_and_stopped(make_stadium):
    track = make_stadium(straight=300.0, radius=36.0)
    line = track.closed_line
    speeds = speed_profile(line, lateral_mps2=9.0, acceleration_mps2=3.0, braking_mps2=6.0, top_speed_mps=90.0)
    assert speeds.min() == pytest.approx(18.0, rel=1e-3)  # √(9 · 36)
    # From 18 m/s: v² = 324 + 6 x = 324 + 12 (300 - x), so x = 200 m and v = 39.0 m/s. Bends begin a row away.
    assert speeds.max() == pytest.approx(np.sqrt(1524), rel=0.02)


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 5), st.floats(4, 30), st.floats(1, 12), st.floats(2, 15))
def test_no_row_asks_for_more_than_there_is_and_each_for_all(synthetic, seed, side, ahead, back):
    line = synthetic(seed).closed_line
    speeds = speed_profile(line, lateral_mps2=side, acceleration_mps2=ahead, braking_mps2=back, top_speed_mps=60.0)
    bends, steps = np.abs(line.curvatures), np.diff(line.s_m, append=line.length_m)
    left = np.sqrt(np.maximum(1 - (speeds**2 * bends / side) ** 2, 0))
    most = np.sqrt(speeds**2 + 2 * ahead * left * steps)  # at the next row
    room = np.roll(speeds**2, -1) + 2 * back * np.roll(left, -1) * steps  # from which the next row can be reached
    assert (speeds**2 * bends <= side * (1 + 1e-7)).all()
    assert (np.roll(speeds, -1) <= most * (1 + 1e-7)).all()
    assert (speeds**2 <= room * (1 + 1e-7)).all()
    alone = np.minimum(np.sqrt(side / np.maximum(bends, 1e-9)), 60.0)
    is_bound = np.isclose(speeds, alone) | np.isclose(speeds, np.roll(most, 1)) | np.isclose(speeds**2, room)
    assert is_bound.all()


def test_curved_lines_need_points(make_circle):
    with pytest.raises(ConfigError, match="lateral_mps2"):
        speed_profile(CentreLine(make_circle().line_m), lateral_mps2=0.0)
