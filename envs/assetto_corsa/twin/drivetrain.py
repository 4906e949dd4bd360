"""Engine, clutch and gears, compiled. Power is Leiderman's curve: P = P_max (r + r² - r³), r = rpm / rpm(P_max)."""

import math
from typing import Any

from numba import njit

from envs.assetto_corsa.twin.columns import (
    FIRST_GEAR,
    GEAR,
    NEUTRAL,
    REVERSE,
    RPM,
    SHIFT_LEFT_S,
)
from envs.track.frames import FloatArray

_LAG_S = 0.05  # in which an engine without load follows the throttle


@njit(cache=True, error_model="numpy")
def shift_automatically(car: FloatArray, ahead_mps: float, tops: FloatArray, model: Any) -> None:
    """Change one gear at most, by the revolutions; forward gears only.

    Args:
        car: `(CAR_SIZE,)`.
        ahead_mps: its speed.
        tops: `CarModel.gear_tops_mps`.
        model: an element of `CarModel.record`.
    """
    gear = int(car[GEAR])
    if car[SHIFT_LEFT_S] > 0.0 or gear < FIRST_GEAR:
        return
    rpm = model.limit_rpm * ahead_mps / tops[gear]
    if rpm > model.up_rpm and gear < len(tops) - 1:
        car[GEAR], car[SHIFT_LEFT_S] = gear + 1, model.shift_s
    elif rpm < model.down_rpm and gear > FIRST_GEAR and model.limit_rpm * ahead_mps / tops[gear - 1] < model.up_rpm:
        car[GEAR], car[SHIFT_LEFT_S] = gear - 1, model.shift_s


@njit(cache=True, error_model="numpy")
def drive_force(car: FloatArray, ahead_mps: float, throttle: float, tops: FloatArray, dt: float, model: Any) -> float:
    """Return the engine's force at the wheels, N, negative if it brakes or drives backwards; sets the revolutions."""
    gear = int(car[GEAR])
    car[SHIFT_LEFT_S] = max(car[SHIFT_LEFT_S] - dt, 0.0)
    if gear == NEUTRAL:
        free = model.idle_rpm + throttle * (model.limit_rpm - model.idle_rpm)
        car[RPM] += (free - car[RPM]) * min(dt / _LAG_S, 1.0)
        return 0.0
    way = -1.0 if gear == REVERSE else 1.0
    rolling = way * ahead_mps
    locked = model.limit_rpm * max(rolling, 0.0) / tops[gear]
    slipping = model.idle_rpm + throttle * (model.launch_rpm - model.idle_rpm)
    car[RPM] = min(max(locked, slipping), 1.1 * model.limit_rpm)
    if car[SHIFT_LEFT_S] > 0.0:
        return 0.0
    braking = 0.0
    if locked > model.idle_rpm:
        share = (locked - model.idle_rpm) / (model.limit_rpm - model.idle_rpm)
        braking = model.engine_brake_n * share * tops[len(tops) - 1] / tops[gear]
    if car[RPM] >= model.limit_rpm:
        return -way * braking
    # Power by speed; below the speed at which the clutch grips, that speed's force.
    ratio = car[RPM] / model.power_rpm
    power = model.power_w * (ratio + ratio * ratio - ratio * ratio * ratio)
    force = power / (tops[gear] * car[RPM] / model.limit_rpm)
    return way * (throttle * force - (1.0 - throttle) * braking)


@njit(cache=True, error_model="numpy")
def envelope_share(force_n: float, ahead_mps: float, chassis: Any) -> float:
    """Return the throttle with which the vehicle model drives so: its engine is a force up to a power."""
    most = chassis.engine_force_n
    if math.fabs(ahead_mps) * most > chassis.engine_power_w:
        most = chassis.engine_power_w / math.fabs(ahead_mps)
    return force_n / most
