"""All parts together: a simple driver laps synthetic tracks, and what is earned, timed and seen fits together."""

import math

import numpy as np
import pytest

from envs.track.frames import to_car_frame
from envs.track.lap_timer import LapTimer
from envs.track.progress import Progress
from envs.track.rays import RaySensor
from envs.track.synthetic import synthetic_track
from envs.track.vehicle import Vehicle

STEP_S = 0.02
LATERAL_MPS2, BRAKING_MPS2 = 5.0, 3.0  # well below what the tyres hold
DISTANCES = np.arange(0.0, 80.0, 5.0)


def action_towards(track, car, projection):
    """Steer along the arc through a point ahead (pure pursuit), at a speed that the bends ahead allow."""
    ahead = 4.0 + 0.3 * car.speed_mps
    ((along, left),) = to_car_frame(track.centre.position(projection.s_m + ahead)[np.newaxis], car.pose)
    angle = math.atan(2.579 * 2 * left / (along**2 + left**2))
    bends = np.abs(track.centre.curvature(projection.s_m + DISTANCES))
    allowed = np.sqrt(LATERAL_MPS2 / np.maximum(bends, 1e-4) + 2 * BRAKING_MPS2 * DISTANCES).min()
    excess = car.speed_mps - allowed
    return np.array([-angle / 0.6, min(-0.2 * min(excess, 0.0), 1.0), 0.3 * max(excess, 0.0)])


@pytest.mark.parametrize("seed", range(4))
def test_a_driver_laps(seed):
    track = synthetic_track(seed)
    car, sensor = Vehicle(), RaySensor.of(track, angles_rad=[-math.pi / 2, math.pi / 2], max_range_m=50.0)
    length = track.centre.length_m
    progress = Progress(length, max_step_m=2.0, max_offset_m=8.0)
    timer = LapTimer(length, sectors_m=(300.0, 600.0), max_step_m=2.0)
    car.place(track.start_pose)
    progress.reset(0.0)
    timer.reset(0.0, 0.0, standing_start=True)
    laps, driven, hint = [], 0.0, 0
    for step in range(1, 10_000):
        projection = track.centre.project(*car.pose[:2], hint=hint)
        before, hint = car.pose, projection.segment
        car.step(action_towards(track, car, projection), STEP_S)
        driven += math.dist(before[:2], car.pose[:2])
        projection = track.centre.project(*car.pose[:2], hint=hint)
        assert track.is_on_road(projection)
        right, left = sensor.read(*car.pose)
        assert 9.5 < right + left < 30.0  # across the road, perhaps askew
        progress.update(projection)
        lap = timer.update(step * STEP_S, projection.s_m)
        if lap:
            laps.append(lap)
        if len(laps) == 2:
            break
    assert progress.laps == 2
    assert progress.earned_m == pytest.approx(2 * length, abs=2.0)
    assert driven == pytest.approx(2 * length, rel=0.05)
    standing, flying = laps
    assert standing.begin_s == 0.0
    assert flying.begin_s == standing.end_s
    assert 20.0 < flying.time_s < standing.time_s < 90.0
