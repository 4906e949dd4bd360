"""What the parts of a track may cost: the best of several rounds, so that a busy machine does not count."""

import math
import time

import numpy as np
import pytest

from envs.track.rays import RaySensor, ray_angles
from envs.track.synthetic import synthetic_track
from envs.track.vehicle import Vehicle, Vehicles

pytestmark = pytest.mark.timing


def best_us(work, times=200, rounds=20):
    work()
    spent = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(times):
            work()
        spent.append((time.perf_counter() - began) / times * 1e6)
    return min(spent)


def test_19_rays_take_at_most_50_us():
    track = synthetic_track(0)
    sensor = RaySensor.of(track, angles_rad=ray_angles(19, math.pi), max_range_m=200.0)
    poses = track.pose_at(np.arange(0, 1000, 20.0)).tolist()
    assert best_us(lambda: [sensor.read(*pose) for pose in poses], times=4) / len(poses) <= 50


def test_a_projection_takes_at_most_10_us():
    line = synthetic_track(0).centre
    x, y = line.position(500.0)
    assert best_us(lambda: line.project(x, y)) <= 10


def test_a_step_of_one_car_takes_at_most_20_us():
    car, action = Vehicle(), np.array([0.2, 0.5, 0.0], np.float32)
    assert best_us(lambda: car.step(action, 0.01)) <= 20


def test_a_million_steps_of_cars_a_second():
    cars = Vehicles(4096)
    actions = np.random.default_rng(0).uniform([-1, 0, 0], 1, (4096, 3))
    assert 4096 / best_us(lambda: cars.step(actions, 0.01), times=2) >= 1.0  # a microsecond each
