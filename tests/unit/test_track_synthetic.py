"""Synthetic tracks and roads with borders: their promises, checked by other means than those that keep them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.errors import ConfigError
from envs.track.synthetic import synthetic_track
from envs.track.track import Track

SEEDS = st.integers(0, 2**31 - 1)
SOME = settings(deadline=None, max_examples=10)


def crossings(one, other):
    """Pairs of segments of two closed lines with a point in common, all against all."""
    a, c = one[:, np.newaxis], other[np.newaxis]
    r, s = np.roll(one, -1, axis=0)[:, np.newaxis] - a, np.roll(other, -1, axis=0)[np.newaxis] - c
    across = r[..., 0] * s[..., 1] - r[..., 1] * s[..., 0]
    gap = c - a
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (gap[..., 0] * s[..., 1] - gap[..., 1] * s[..., 0]) / across
        u = (gap[..., 0] * r[..., 1] - gap[..., 1] * r[..., 0]) / across
    return (t >= 0) & (t <= 1) & (u >= 0) & (u <= 1) & (np.abs(across) > 1e-9)


def radii(points):
    """The radius of the circle through each point and its neighbours, from area and sides."""
    before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
    a, b, c = (np.linalg.norm(x - y, axis=1) for x, y in ((points, before), (after, points), (after, before)))
    half = (a + b + c) / 2
    area = np.sqrt(np.maximum(half * (half - a) * (half - b) * (half - c), 1e-30))
    return a * b * c / (4 * area)


@SOME
@given(SEEDS)
def test_a_track_is_closed_smooth_and_of_the_length_and_width_asked_for(seed):
    track = synthetic_track(seed, length_m=900.0, min_width_m=9.0, max_width_m=12.0, min_radius_m=14.0)
    points = track.centre.points
    gaps = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    assert gaps.sum() == pytest.approx(900.0, rel=1e-3)
    assert gaps == pytest.approx(1.5, abs=0.01)  # the closing one too
    assert radii(points).min() >= 13.99
    bends = np.diff(np.append(1 / radii(points), 1 / radii(points)[0]))
    assert np.abs(bends).max() < 0.3 / 14  # from straight to the tightest bend takes a few metres
    widths = np.linalg.norm(track.left - track.right, axis=1)
    assert widths.min() >= 9.0 - 1e-9
    assert widths.max() <= 12.0 + 1e-9
    assert np.abs(np.diff(widths)).max() < 0.1


@SOME
@given(SEEDS)
def test_a_track_does_not_run_into_itself(seed):
    track = synthetic_track(seed)
    count = len(track.left)
    apart = (np.arange(count)[:, np.newaxis] - np.arange(count)) % count
    is_itself = (apart <= 1) | (apart == count - 1)
    for border in (track.left, track.right, track.centre.points):
        assert not (crossings(border, border) & ~is_itself).any()
    assert not crossings(track.left, track.right).any()
    # Points that are farther along the lap than a half turn of the least radius are a road and the margin apart.
    along = np.minimum(apart, count - apart) * 1.5
    distances = np.linalg.norm(track.centre.points[:, np.newaxis] - track.centre.points, axis=2)
    assert distances[along > math.pi * 12.0 + 1.5].min() >= 14.0 + 4.0 - 1e-9


@SOME
@given(SEEDS)
def test_left_is_on_the_left_and_row_0_on_a_straight(seed):
    track = synthetic_track(seed)
    points = track.centre.points
    ahead = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    for border, side in ((track.left, 1), (track.right, -1)):
        offset = border - points
        assert (side * (ahead[:, 0] * offset[:, 1] - ahead[:, 1] * offset[:, 0]) > 0).all()
    grid = points[np.arange(-9, 20)]  # up to 15 m behind the line and 30 m ahead
    ways = np.diff(grid, axis=0)
    assert np.abs(np.diff(np.unwrap(np.arctan2(ways[:, 1], ways[:, 0])))).sum() < 0.12
    assert np.linalg.norm(grid[-1] - grid[0]) > 0.995 * 28 * 1.5
    assert track.start_pose[:2].tolist() == points[0].tolist()


def test_a_seed_is_a_track():
    one, same, other = synthetic_track(7), synthetic_track(7), synthetic_track(8)
    assert np.array_equal(one.edges, same.edges)
    assert not np.array_equal(one.edges[:, :100], other.edges[:, :100])


def test_tracks_go_either_way_round():
    def area(points):
        x, y = points.T
        return 0.5 * (x * np.roll(y, -1) - y * np.roll(x, -1)).sum()

    directions = {bool(area(synthetic_track(seed).centre.points) > 0) for seed in range(20)}
    assert directions == {True, False}


@pytest.mark.parametrize(
    "arguments",
    [
        {"length_m": 3400.0, "min_width_m": 49.0, "max_width_m": 49.0, "min_radius_m": 60.0},  # Roblox, in studs
        {"length_m": 1600.0, "max_width_m": 16.0},  # Assetto Corsa
        {"length_m": 2500.0, "min_width_m": 25.6, "max_width_m": 25.6, "min_radius_m": 20.0},  # TrackMania
        {"length_m": 300.0, "min_width_m": 6.0, "max_width_m": 6.0, "min_radius_m": 8.0, "num_corners": 6},
    ],
)
def test_the_games_tracks_are_found(arguments):
    for seed in range(3):
        track = synthetic_track(seed, **arguments)
        assert track.centre.length_m == pytest.approx(arguments["length_m"], rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"seed": -1}, "seed"),
        ({"max_width_m": 30.0}, "min_radius_m"),  # a bend narrower than the road
        ({"length_m": 100.0}, "length_m"),
        ({"num_corners": 60}, "in 2000 tries.*fewer corners"),
    ],
)
def test_what_cannot_be_is_refused(arguments, says):
    with pytest.raises(ConfigError, match=says):
        synthetic_track(**{"seed": 0} | arguments)


def ring(count=120, radius=50.0):
    angles = 2 * math.pi * np.arange(count) / count
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def test_a_ring_road_by_hand():
    track = Track.from_widths(ring(), 4.0, 6.0)  # anticlockwise: left is inside
    assert np.hypot(*track.left.T) == pytest.approx(46.0)
    assert np.hypot(*track.right.T) == pytest.approx(56.0)
    assert track.start_pose == pytest.approx([50, 0, math.pi / 2])
    quarter = track.centre.length_m / 4
    assert track.pose_at(quarter, 2.0) == pytest.approx(np.array([0, 48, -math.pi]))
    assert track.edges_at([0.0, quarter]) == pytest.approx(np.array([[(46, 0), (0, 46)], [(56, 0), (0, 56)]]))
    for x, is_on_road in ((45.9, False), (46.1, True), (55.9, True), (56.1, False)):
        assert track.is_on_road(track.centre.project(x, 0.0)) == is_on_road
    many = track.centre.project_many(np.array([(0.0, -45.9), (0.0, -50.0), (0.0, 56.1)]))
    assert track.is_on_road(many).tolist() == [False, True, False]


def test_an_open_road_by_hand():
    track = Track.from_widths([(0, 0), (10, 0), (20, 0)], [1, 2, 3], 1.0, closed=False)
    assert track.left.tolist() == [[0, 1], [10, 2], [20, 3]]
    assert track.edges_at(25.0).tolist() == [[25, 3.5], [25, -1]]
    assert track.is_on_road(track.centre.project(15.0, 2.4))
    assert not track.is_on_road(track.centre.project(15.0, 2.6))
    assert track.is_on_road(track.centre.project(20.0, 2.9))
    assert not track.is_on_road(track.centre.project(0.0, 1.1))
    assert not track.is_on_road(track.centre.project(math.nan, 0.0))


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: Track.from_widths(ring(radius=10.0), 11.0, 5.0), "left border.*at row 0 it turns back"),
        (lambda: Track.from_widths(ring(), 4.0, -1.0), "right border on the right.*row 0"),
        (lambda: Track.from_widths([(0, 0), (50, 0), (50, 30), (25, -30), (0, 30)], 1, 1), "do not cross"),
        (lambda: Track.from_widths(ring(), 4.0, math.nan), "finite right border"),
    ],
)
def test_broken_roads_are_refused(build, says):
    with pytest.raises(ConfigError, match=says):
        build()
