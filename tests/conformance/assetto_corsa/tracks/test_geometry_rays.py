"""Rays, the grid and all channels together: against every wall in numpy, and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.assetto_corsa.geometry.border_rays import BorderRays
from envs.assetto_corsa.geometry.derived import Geometry
from envs.errors import ConfigError


def walls_of(track, closed):
    """Segments `(M, 4)` as the specification has them: all rows and closed, or every tenth and the last, and open."""
    count = track.num_rows
    rows = list(range(count)) if closed else list(range(0, count, 10))
    if not closed and rows[-1] != count - 1:
        rows.append(count - 1)
    rows += rows[:1] if closed else []
    borders = [border[rows] for border in (track.left_m, track.right_m)]
    return np.concatenate([np.hstack([border[:-1], border[1:]]) for border in borders])


def brute_force(walls, x, y, yaw):
    """Each of eleven rays against each wall."""
    found = []
    for index in range(11):
        angle = yaw + math.radians(-90 + 18 * index)
        ahead = np.array([math.cos(angle), math.sin(angle)])
        way, to = walls[:, 2:] - walls[:, :2], walls[:, :2] - (x, y)
        across = ahead[0] * way[:, 1] - ahead[1] * way[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = (to[:, 0] * way[:, 1] - to[:, 1] * way[:, 0]) / across
            share = (to[:, 0] * ahead[1] - to[:, 1] * ahead[0]) / across
        hits = distance[(distance >= 0) & (share >= 0) & (share <= 1) & np.isfinite(distance)]
        found.append(min(200.0, hits.min(initial=math.inf)))
    return found


@pytest.mark.parametrize("closed", [True, False])
@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**31 - 1))
def test_no_wall_is_dropped(synthetic, closed, seed):
    # D21, on the walls that are closed and on those that are the original's.
    random = np.random.default_rng(seed)
    track = synthetic(seed % 5)
    walls = walls_of(track, closed)
    rows = np.concatenate([random.integers(0, track.num_rows, 10), [0, -1]])
    poses = np.column_stack([track.line_m[rows] + random.normal(0, 4, (12, 2)), random.uniform(-4, 4, 12)])
    sensed = BorderRays(track, closed).read_many(poses)
    assert sensed.shape == (12, 11)
    wanted = [brute_force(walls, *pose) for pose in poses]
    assert sensed == pytest.approx(np.array(wanted), abs=1e-6)
    assert BorderRays(track, closed).read(*poses[0]).tolist() == sensed[0].tolist()


@pytest.mark.point("assetto_corsa", 33)
@pytest.mark.parametrize("closed", [True, False])
def test_ray_0_points_right_and_ray_10_left(make_stadium, closed):
    rays = BorderRays(make_stadium(), closed).read(100.0, 2.0, 0.0)  # towards +x between y = -5 and 5
    assert rays[0] == pytest.approx(7.0)
    assert rays[10] == pytest.approx(3.0)
    assert rays[1] == pytest.approx(7.0 / math.cos(math.radians(18)))
    assert 190 < rays[5] <= 200  # the bend is 200 m ahead


def test_through_the_hole_at_the_start_line_one_sees_far_unless_it_is_closed(make_circle):
    track = make_circle(radius=200.0, half_width=6.0)  # row 0 at (200, 0), the last at 0.43 degrees before
    x, y = 206.0 * math.cos(-0.003), 206.0 * math.sin(-0.003)
    yaw = math.atan2(y, x) + math.pi / 2
    assert BorderRays(track, closed=True).read(0.98 * x, 0.98 * y, yaw)[0] == pytest.approx(0.02 * 206, abs=0.02)
    assert BorderRays(track, closed=False).read(0.98 * x, 0.98 * y, yaw)[0] == 200.0


def test_coarse_walls_are_chords_and_all_rows_are_not(make_circle):
    track = make_circle(radius=100.0, half_width=6.0)  # 10 rows are 15 m: a sagitta of 0.28 m
    angle = 2 * math.pi * 5 / track.num_rows  # in the middle of the first chord
    pose = (100 * math.cos(angle), 100 * math.sin(angle), angle + math.pi / 2)
    assert BorderRays(track, closed=True).read(*pose)[0] == pytest.approx(6.0, abs=0.01)
    assert BorderRays(track, closed=False).read(*pose)[0] == pytest.approx(106 * math.cos(angle) - 100, abs=1e-6)


def test_channels_of_a_car_on_the_road(make_stadium):
    track = make_stadium()
    derived = Geometry(track, fixed=True).derive(50.0, 1.0, 0.0, 50.0 / track.closed_length_m, 0)
    columns = derived.columns()
    assert columns["LapDist"] == pytest.approx(50.0)
    assert columns["gap"] == pytest.approx(-1.0)
    assert columns["rl_point"] == 33
    assert [columns[name] for name in ("out_of_track_calc", "out_of_track_ac", "out_of_track")] == [0.0, 0.0, 0.0]
    assert columns["dist_to_border"] == pytest.approx(4.0)
    assert len(columns["sensors"]) == 11


def test_off_the_road_the_way_back_is_measured_too(make_stadium):
    # 10 m outside of the lower straight's right edge, facing away: the road is behind.
    track = make_stadium()
    derived = Geometry(track).derive(100.0, -15.0, -math.pi / 2, 0.1, 0)
    assert derived.is_off_grid
    assert derived.sensors_m.min() == 200.0
    assert derived.border_m == pytest.approx(10.0, abs=0.01)
    assert Geometry(track).derive(100.0, -15.0, math.pi / 2, 0.1, 0).border_m == pytest.approx(10.0, abs=0.01)


@pytest.mark.parametrize(
    ("rule", "place", "tyres", "is_off"),
    [
        ("game", (100.0, 0.0), 2, False),
        ("game", (100.0, 0.0), 3, True),
        ("game", (100.0, -15.0), 0, False),
        ("grid", (100.0, 0.0), 4, False),
        ("grid", (100.0, -15.0), 0, True),
    ],
)
def test_two_rules_say_who_is_off_track(make_stadium, rule, place, tyres, is_off):
    derived = Geometry(make_stadium(), off_track=rule).derive(*place, 0.0, 0.1, tyres)
    assert derived.is_off_track is is_off
    assert derived.columns()["out_of_track"] == float(is_off)
    assert derived.columns()["out_of_track_ac"] == float(tyres > 2)


def test_a_rule_that_is_none_is_refused(make_stadium):
    with pytest.raises(ConfigError, match="game, grid"):
        Geometry(make_stadium(), off_track="wheels")
