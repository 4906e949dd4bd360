"""A driver along the line, compiled: the opponents', and that of examples and tests."""

import math
from typing import Any

import numpy as np
from numba import njit

from envs.assetto_corsa.cars import PROFILE_DEG
from envs.assetto_corsa.twin.columns import ACC, BRAKING, SEGMENT, STEER
from envs.assetto_corsa.twin.road import RoadArrays
from envs.track.bicycle import HEADING_RAD, VELOCITY_X_MPS, VELOCITY_Y_MPS, X_M, Y_M
from envs.track.frames import FloatArray

_GLANCE_M, _GLANCE_S = 5.0, 0.35  # the point of the line to steer to
_SOON_S = 0.25  # the row whose speed is wanted
_THROTTLE, _BRAKE = 0.6, 0.35  # of the whole pedal, by m/s of difference


@njit(cache=True, error_model="numpy")
def line_command(
    command: FloatArray, car: FloatArray, road: RoadArrays, pace: float, chassis: Any, lock_deg: float
) -> None:
    """Write what a driver along the line would command.

    Source: pure pursuit, Coulter, "Implementation of the pure pursuit path tracking algorithm", CMU 1992.

    Args:
        command: `(3,)` written: steer, throttle and brake, -1 … 1.
        car: `(CAR_SIZE,)`.
        road: with target speeds.
        pace: share of those.
        chassis: an element of `VehicleParameters.record()`.
        lock_deg: of the steering wheel.
    """
    speed = math.hypot(car[VELOCITY_X_MPS], car[VELOCITY_Y_MPS])
    count = len(road.segments)
    row = int(car[SEGMENT])
    rows_per_m = count / road.length_m
    glance = road.segments[(row + 1 + int((_GLANCE_M + _GLANCE_S * speed) * rows_per_m)) % count]
    offset_x, offset_y = glance[0] - car[X_M], glance[1] - car[Y_M]
    cos, sin = math.cos(car[HEADING_RAD]), math.sin(car[HEADING_RAD])
    left = offset_y * cos - offset_x * sin
    squared = max(offset_x * offset_x + offset_y * offset_y, 1e-6)
    angle = math.atan((chassis.front_m + chassis.rear_m) * 2.0 * left / squared)
    wheel_deg = min(max(-angle / chassis.max_steer_rad, -1.0), 1.0) * lock_deg
    wanted = pace * road.speeds_mps[(row + int(_SOON_S * speed * rows_per_m)) % count]
    excess = speed - wanted
    command[STEER] = wheel_deg / PROFILE_DEG
    command[ACC] = 2.0 * min(max(0.1 - _THROTTLE * excess, 0.0), 1.0) - 1.0
    command[BRAKING] = 2.0 * min(max(_BRAKE * excess, 0.0), 1.0) - 1.0


def new_command() -> FloatArray:
    """Return a command `(3,)` of released pedals."""
    return np.array([0.0, -1.0, -1.0])
