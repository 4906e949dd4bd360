"""Centre lines against circles and straights by hand, projections against all segments in numpy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.errors import ConfigError
from envs.track.centre_line import CentreLine
from envs.track.frames import to_car_frame, wrap_angle

RADIUS = 50.0
COORDINATES = st.floats(-100, 100, width=32)


def circle(count=200, *, to_the_left=True, radius=RADIUS):
    """Points on a circle around the origin, from (radius, 0)."""
    angles = 2 * math.pi * np.arange(count) / count * (1 if to_the_left else -1)
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def brute_force(points, closed, place):
    """The distance of the nearest point on any segment, in numpy and without arc lengths."""
    ends = np.roll(points, -1, axis=0) if closed else points[1:]
    begins = points if closed else points[:-1]
    ways = ends - begins
    share = np.clip(((place - begins) * ways).sum(axis=1) / np.square(ways).sum(axis=1), 0, 1)
    return np.linalg.norm(begins + share[:, np.newaxis] * ways - place, axis=1).min()


def test_a_rectangle_by_hand():
    line = CentreLine([(0, 0), (10, 0), (10, 5), (0, 5)])
    assert line.length_m == 30.0
    assert line.s_m.tolist() == [0, 10, 15, 25]
    assert line.position([4, 12, 20, 27.5, 34, -2.5]).tolist() == [[4, 0], [10, 2], [5, 5], [0, 2.5], [4, 0], [0, 2.5]]
    assert line.project(4, 1)[:3] == (4.0, 1.0, 1.0)  # inside of an anticlockwise lap is left
    assert line.project(4, -2)[:3] == (4.0, -2.0, 2.0)
    s, left, distance, _ = line.project(13, -4)  # outside of a corner, 3 and 4 metres
    assert (s, left, distance) == (10.0, -5.0, 5.0)


def test_a_corner_of_the_last_and_first_segment():
    line = CentreLine([(0, 0), (10, 0), (10, 5), (0, 5)])
    s, left, distance, _ = line.project(-3, -4)
    assert (s, left, distance) == (0.0, -5.0, 5.0)


def test_an_open_line_goes_on_straight():
    line = CentreLine([(0, 0), (0, 10), (10, 10)], closed=False)
    assert line.length_m == 20.0
    assert line.position([-5, 25]).tolist() == [[0, -5], [15, 10]]
    assert line.heading([-5, 25]) == pytest.approx([math.pi / 2, 0])
    assert line.curvature([-5, 0, 20, 25]).tolist() == [0, 0, 0, 0]
    s, left, distance, _ = line.project(13, 14)  # past the end: beside the continuation, 5 m from the end
    assert (s, left, distance) == (20.0, 4.0, 5.0)
    s, left, distance, _ = line.project(-2, -3)
    assert (s, left, distance) == (0.0, 2.0, pytest.approx(math.sqrt(13)))


@pytest.mark.parametrize(("to_the_left", "sign"), [(True, 1.0), (False, -1.0)])
def test_a_circle_has_its_curvature_everywhere(to_the_left, sign):
    line = CentreLine(circle(to_the_left=to_the_left))
    s = np.linspace(-line.length_m, 2 * line.length_m, 1001)
    assert line.curvature(s) == pytest.approx(sign / RADIUS, rel=1e-9)
    edges = np.linspace(0, 120, 13)
    assert line.curvature_ahead(s, edges) == pytest.approx(sign / RADIUS, rel=1e-3)  # the polyline is a bit shorter
    assert line.curvature_ahead(s, edges).shape == (1001, 12)
    angles = sign * 2 * math.pi * s / line.length_m
    assert wrap_angle(line.heading(s) - angles - sign * math.pi / 2) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("to_the_left", [True, False])
def test_offsets_from_a_circle_are_differences_of_radii(to_the_left):
    line = CentreLine(circle(2000, to_the_left=to_the_left))
    random = np.random.default_rng(0)
    radii, angles = random.uniform(1, 120, 300), random.uniform(0, 2 * math.pi, 300)
    found = line.project_many(radii[:, np.newaxis] * np.stack([np.cos(angles), np.sin(angles)], axis=-1))
    inwards = RADIUS - radii
    assert found.left_m == pytest.approx(inwards if to_the_left else -inwards, abs=1e-4)
    along = (angles if to_the_left else 2 * math.pi - angles) / (2 * math.pi) * line.length_m
    apart = wrap_angle((found.s_m - along) * 2 * math.pi / line.length_m)
    assert apart * RADIUS == pytest.approx(0.0, abs=0.2)  # half a segment: near the middle each segment is as near


@settings(deadline=None)
@given(
    st.lists(st.tuples(COORDINATES, COORDINATES), min_size=3, max_size=20, unique=True),
    st.booleans(),
    st.lists(st.tuples(COORDINATES, COORDINATES), min_size=1, max_size=5),
)
def test_projections_are_exact(points, closed, places):
    points, places = np.array(points), np.array(places)
    gaps = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    if gaps.min() < 1e-3:
        return
    line = CentreLine(points, closed=closed)
    many = line.project_many(places)
    for index, place in enumerate(places):
        s, left, distance, segment = line.project(*place)
        assert distance == pytest.approx(brute_force(points, closed, place), abs=1e-9)
        assert 0 <= s < line.length_m if closed else 0 <= s <= line.length_m
        assert np.linalg.norm(line.position(s) - place) == pytest.approx(distance, abs=1e-9)
        assert (s, left, distance, segment) == tuple(field[index] for field in many)
        if closed:
            assert abs(left) == distance
        else:
            assert abs(left) <= distance + 1e-9


@settings(deadline=None)
@given(st.floats(-1e4, 1e4), st.floats(-20, 20))
def test_what_is_beside_the_line_is_found_there(s, left):
    line = CentreLine(circle(1000))
    heading = float(line.heading(s))
    place = line.position(s) + left * np.array([-math.sin(heading), math.cos(heading)])
    found = line.project(*place)
    half = line.length_m / 2
    assert (found.s_m - s + half) % line.length_m - half == pytest.approx(
        0.0, abs=0.07
    )  # the angle of half a segment, 20 m away
    assert found.left_m == pytest.approx(left, abs=1e-3)


def hairpin():
    """Two long straights 6 m apart, joined by half circles: 100 m out and 100 m back."""
    out = np.stack([np.arange(0, 100.5, 2.0), np.zeros(51)], axis=-1)
    turn = np.linspace(-math.pi / 2, math.pi / 2, 9)[1:-1]
    bend = np.stack([100 + 3 * np.cos(turn), 3 + 3 * np.sin(turn)], axis=-1)
    return CentreLine(np.concatenate([out, bend, np.add(out[::-1], (0, 6)), np.subtract((100, 6), bend)]))


def test_a_hint_keeps_to_the_own_stretch_of_road():
    line = hairpin()
    hint = line.project(50, 0).segment
    assert line.project(52, 3.5).s_m > 120  # the way back is nearer by half a metre
    own = line.project(52, 3.5, hint=hint)
    assert (own.s_m, own.left_m) == (52.0, 3.5)
    backwards = line.project(36, 3.5, hint=hint)
    assert (backwards.s_m, backwards.left_m) == (36.0, 3.5)


def test_a_lost_car_is_looked_for_everywhere():
    line = hairpin()
    hint = line.project(50, 0).segment
    back = line.project(50, 6)
    assert back.distance_m == 0.0
    assert line.project(50, 6, hint=hint, lost_m=5.0) == back  # too far from the window
    assert line.project(10, 1, hint=hint, back_m=20.0) == line.project(10, 1)  # past the window's end
    assert line.project(50, 0, hint=999) == line.project(50, 0)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_what_is_not_finite_is_nowhere(broken):
    line = hairpin()
    for place in ((broken, 0.0), (0.0, broken)):
        *numbers, segment = line.project(*place, hint=7)
        assert np.isnan(numbers).all()
        assert segment == 7


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_hints_follow_a_car_that_moves(seed):
    random = np.random.default_rng(seed)
    line = CentreLine(circle(400))
    s, hint = 0.0, -1
    for _ in range(60):
        s += random.uniform(-8, 15)
        found = line.project(*(line.position(s) * random.uniform(0.9, 1.1)), hint=hint)
        assert (found.s_m - s + 50) % line.length_m == pytest.approx(50.0, abs=0.1)
        hint = found.segment


@settings(deadline=None)
@given(st.integers(3, 40), st.integers(0, 2**32 - 1), st.booleans())
def test_a_simple_lap_turns_once(count, seed, to_the_left):
    # Hopf: the tangent of a closed line that does not cross itself turns by 2 pi, whatever its shape.
    radii = np.random.default_rng(seed).uniform(10, 100, count)
    line = CentreLine(radii[:, np.newaxis] * circle(count, radius=1.0)[:: 1 if to_the_left else -1])
    for start in (0.0, 0.3 * line.length_m):
        (mean,) = line.curvature_ahead(start, [0.0, line.length_m])
        assert mean * line.length_m == pytest.approx(2 * math.pi if to_the_left else -2 * math.pi)


def test_resampling_keeps_the_line_and_its_begin():
    line = CentreLine(circle(1000)).resampled(1.5)
    assert np.allclose(line.points[0], (RADIUS, 0))
    assert np.diff(line.s_m) == pytest.approx(1.5, abs=0.01)
    assert np.hypot(*line.points.T) == pytest.approx(RADIUS, abs=0.001)
    straight = CentreLine([(0, 0), (10, 0)], closed=False).resampled(2.0)
    assert straight.points[:, 0].tolist() == [0, 2, 4, 6, 8, 10]


def test_points_in_a_car_s_frame():
    points = np.array([(3.0, 2.0), (3.0, 1.0)])
    assert to_car_frame(points, (3, 0, math.pi / 2)) == pytest.approx(np.array([(2, 0), (1, 0)]))  # northwards
    assert to_car_frame(points, (0, 2, 0)) == pytest.approx(np.array([(3, 0), (3, -1)]))
    both = to_car_frame(np.stack([points, points]), np.array([(3, 0, math.pi / 2), (0, 2, 0)]))
    assert both == pytest.approx(np.array([[(2, 0), (1, 0)], [(3, 0), (3, -1)]]))


@pytest.mark.parametrize(
    ("points", "says"),
    [
        ([(0, 0), (1, 1)], r"shape \(N, 2\) with N of at least 3"),
        ([(0, 0, 0)] * 4, r"got \(4, 3\)"),
        ([(0, 0), (1, math.nan), (2, 0)], "at row 1"),
        ([(0, 0), (1, 0), (1, 0), (2, 3)], "same point twice in a row"),
        ([(0, 0), (1, 0), (1, 1), (0, 0)], "drop the last row"),
    ],
)
def test_broken_lines_are_refused(points, says):
    with pytest.raises(ConfigError, match=says):
        CentreLine(points)
