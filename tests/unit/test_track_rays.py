"""Rays against all walls in numpy, and against corridors and circles by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.errors import ConfigError
from envs.track.rays import RaySensor, ray_angles
from envs.track.synthetic import synthetic_track
from envs.track.track import Track

SENSORS = ray_angles(19, math.pi)


def brute_force(walls, poses, angles, reach):
    """Each ray against each segment."""
    begins = np.concatenate([wall[:-1] for wall in walls])
    ways = np.concatenate([np.diff(wall, axis=0) for wall in walls])
    found = np.full((len(poses), len(angles)), reach)
    for car, (x, y, heading) in enumerate(poses):
        for ray, angle in enumerate(angles):
            ahead = np.array([math.cos(heading + angle), math.sin(heading + angle)])
            gaps = begins - (x, y)
            across = ahead[0] * ways[:, 1] - ahead[1] * ways[:, 0]
            with np.errstate(divide="ignore", invalid="ignore"):
                distance = (gaps[:, 0] * ways[:, 1] - gaps[:, 1] * ways[:, 0]) / across
                share = (gaps[:, 0] * ahead[1] - gaps[:, 1] * ahead[0]) / across
            hits = distance[
                (distance >= 0)
                & (share >= -1e-9)
                & (share <= 1 + 1e-9)
                & (np.abs(across) > 1e-12 * np.abs(ways).sum(axis=1))
            ]
            found[car, ray] = min(reach, hits.min(initial=math.inf))
    return found


def closed(line):
    return np.concatenate([line, line[:1]])


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31 - 1), st.floats(1.0, 40.0))
def test_rays_on_tracks_are_exact(seed, cell):
    random = np.random.default_rng(seed)
    track = synthetic_track(seed % 20)
    poses = track.pose_at(random.uniform(0, 1000, 10), random.uniform(-4, 4, 10))
    poses[:, 2] += random.uniform(-math.pi, math.pi, 10)
    poses[5:, :2] = random.uniform(-400, 400, (5, 2))  # anywhere, beyond the walls as well
    sensor = RaySensor.of(track, angles_rad=SENSORS, max_range_m=200.0, cell_m=cell)
    wanted = brute_force([closed(track.left), closed(track.right)], poses, SENSORS, 200.0)
    assert sensor.read_many(poses) == pytest.approx(wanted, abs=1e-9)


WHOLE = st.integers(-6, 6)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.lists(st.tuples(WHOLE, WHOLE), min_size=2, max_size=6), min_size=1, max_size=4),
    st.tuples(WHOLE, WHOLE),
    st.integers(0, 7),
)
def test_rays_along_grid_lines_and_through_corners_are_exact(walls, place, turn):
    # Whole numbers, cells of 1 and eighths of a turn: rays run along edges of cells and through ends of segments.
    walls = [np.array(wall, float) for wall in walls]
    poses = np.array([(*place, turn * math.pi / 4)], float)
    angles = np.arange(8) * math.pi / 4
    sensor = RaySensor(walls, angles_rad=angles, max_range_m=30.0, cell_m=1.0)
    assert sensor.read_many(poses) == pytest.approx(brute_force(walls, poses, angles, 30.0), abs=1e-9)


def test_a_corridor_by_hand():
    walls = [np.array([(-50.0, 5.0), (50.0, 5.0)]), np.array([(50.0, -5.0), (-50.0, -5.0)])]
    sensor = RaySensor(walls, angles_rad=np.radians([-90, -30, 0, 30, 90, 180]), max_range_m=40.0)
    assert sensor.read(0.0, 2.0, 0.0) == pytest.approx([7, 14, 40, 6, 3, 40])
    assert sensor.read(0.0, 2.0, math.pi / 2)[2] == pytest.approx(3)
    assert sensor.read(0.0, 30.0, 0.0)[0] == pytest.approx(25)  # from outside: the nearer wall
    assert sensor.read(0.0, 60.0, 0.0)[0] == 40  # 55 m away
    assert sensor.read(-70.0, 0.0, 0.0) == pytest.approx([40] * 6)


def test_a_ring_road_by_hand():
    angles = 2 * math.pi * np.arange(720) / 720
    ring = 50 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    sensor = RaySensor.of(Track.from_widths(ring, 5.0, 5.0), angles_rad=ray_angles(3, math.pi), max_range_m=200.0)
    right, ahead, left = sensor.read(50.0, 0.0, math.pi / 2)
    assert (right, left) == pytest.approx((5.0, 5.0))
    assert ahead == pytest.approx(math.sqrt(55**2 - 50**2), rel=1e-3)
    middle = RaySensor.of(Track.from_widths(ring, 5.0, 5.0), angles_rad=angles[::8], max_range_m=200.0)
    assert middle.read(0.0, 0.0, 0.3) == pytest.approx(45.0, rel=1e-4)


def test_the_borders_of_a_circuit_are_closed():
    square = np.array([(-20.0, -20.0), (20.0, -20.0), (20.0, 20.0), (-20.0, 20.0)])
    sensor = RaySensor.of(Track.from_widths(square, 4.0, 4.0), angles_rad=[0.0], max_range_m=100.0)
    reach = 20 - 4 / math.sqrt(2)  # corners of the left border: 4 m from those of the centre line
    assert sensor.read(0.0, 0.0, math.pi) == pytest.approx(reach)  # through the closing side


def test_rays_go_from_right_to_left():
    assert np.degrees(ray_angles(19, math.pi)) == pytest.approx(np.arange(-90, 91, 10))
    assert ray_angles(1, math.pi).tolist() == [0.0]


def test_one_car_sees_what_it_sees_among_many():
    track = synthetic_track(3)
    sensor = RaySensor.of(track, angles_rad=SENSORS, max_range_m=100.0)
    poses = track.pose_at(np.arange(0, 1000, 50.0))
    many = sensor.read_many(poses)
    assert many.shape == (20, 19)
    for pose, distances in zip(poses.tolist(), many, strict=True):
        assert sensor.read(*pose).tolist() == distances.tolist()


def test_how_squarely_rays_meet_walls():
    wall, other = np.array([(10.0, -50.0), (10.0, 50.0)]), np.array([(-50.0, 5.0), (50.0, 55.0)])
    degrees = [0.0, 30.0, -60.0, 180.0]
    sensor = RaySensor([wall, other], angles_rad=np.radians(degrees), max_range_m=100.0)
    distances, normals = sensor.read_hits(np.zeros((1, 3)))
    assert distances[0, :3] == pytest.approx([10.0, 10.0 / math.cos(math.radians(30.0)), 20.0])
    # Against the wall's normal: straight, 30 and 60 degrees off; the last ray meets nothing.
    assert normals[0] == pytest.approx([-1.0, -math.cos(math.radians(30.0)), -0.5, 1.0])
    assert distances[0, 3] == 100.0


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_poses_that_are_not_finite_are_refused(broken):
    sensor = RaySensor([np.eye(2)], angles_rad=[0.0], max_range_m=1.0)
    with pytest.raises(ValueError, match=r"finite pose.*\(car 1\)"):
        sensor.read_many(np.array([(0.0, 0.0, 0.0), (broken, 0.0, 0.0)]))


@pytest.mark.parametrize(
    "arguments", [{"max_range_m": 0.0}, {"angles_rad": [math.nan]}, {"angles_rad": 1.0}, {"walls": [np.zeros((1, 2))]}]
)
def test_sensors_that_cannot_be_are_refused(arguments):
    with pytest.raises(ConfigError):
        RaySensor(**{"walls": [np.eye(2)], "angles_rad": [0.0], "max_range_m": 1.0} | arguments)
