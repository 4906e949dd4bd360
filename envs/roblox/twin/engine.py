"""How an ACTION changes a car's engine, fuel and steering. Speeds are studs/s, forwards positive."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from envs.track.frames import FloatArray

MPH = 1.4667  # studs/s in a mile an hour
TOP_SPEED = 70.0 * MPH
_REVERSE_SPEED, _NITRO_SPEED = 30.0 * MPH, 105.0 * MPH
_ACCELERATION, _NITRO_ACCELERATION = 40.0 * MPH, 100.0 * MPH  # studs/s²
_BRAKING, _DECELERATION = 105.0 * MPH, 35.0 * MPH
_NITRO_S, _REFILL_S = 3.0, 6.0  # in which a tank is emptied and filled
_NITRO_ON = 0.5  # the input above which it is on
_MAX_STEER_RAD = math.radians(30.0)
_STEER_LOSS = 0.3  # at top speed, of the steering

THROTTLE, STEERING, NITRO = range(3)


@njit(cache=True)
def drive(
    slots: npt.NDArray[np.int64],
    actions: FloatArray,
    now_s: float,
    limit_s: float,
    is_frozen: npt.NDArray[np.bool_],
    ended: npt.NDArray[np.int64],
    acted_at: FloatArray,
    speeds: FloatArray,
    fuels: FloatArray,
    steers_rad: FloatArray,
) -> None:
    """Run the engines of some cars for as long as their last ACTION is ago; without one, they wait for the next.

    Args:
        slots: `(K,)` of the cars.
        actions: `(K, 3)` throttle, steering (positive: right) and nitro, each in -1..1.
        now_s: the game's clock.
        limit_s: for which they run at most.
        is_frozen: `(C,)` of all cars, whether they are anchored.
        ended: `(C,)` why their episodes have ended; 0: they have not.
        acted_at: `(C,)` when the last ACTION came, NaN if none has; changed in place.
        speeds: `(C,)` studs/s; changed in place.
        fuels: `(C,)`, 0..1; changed in place.
        steers_rad: `(C,)` angles of the wheels, positive to the right; changed in place.
    """
    for row in range(len(slots)):
        slot = slots[row]
        dt = min(now_s - acted_at[slot], limit_s)
        is_first = math.isnan(acted_at[slot])
        acted_at[slot] = now_s
        if is_first or is_frozen[slot] or ended[slot] != 0:
            continue
        throttle = actions[row, THROTTLE]
        has_nitro = actions[row, NITRO] > _NITRO_ON and fuels[slot] > 0.0
        target = throttle * (TOP_SPEED if throttle > 0.0 else _REVERSE_SPEED)
        rate = _ACCELERATION
        if has_nitro:
            target, rate = _NITRO_SPEED, _NITRO_ACCELERATION
        fuels[slot] = min(max(fuels[slot] + (-dt / _NITRO_S if has_nitro else dt / _REFILL_S), 0.0), 1.0)
        speeds[slot] = _approached(speeds[slot], target, rate, dt)
        ease = max(1.0 - _STEER_LOSS * abs(speeds[slot]) / TOP_SPEED, 0.0)
        steers_rad[slot] = actions[row, STEERING] * _MAX_STEER_RAD * ease


@njit(cache=True, inline="always")
def _approached(speed: float, target: float, rate: float, dt: float) -> float:
    """Return the speed after `dt`: braked to a stand before the direction changes, slowed without going below."""
    if speed * target < 0.0:
        slower = abs(speed) - _BRAKING * dt
        return math.copysign(slower, speed) if slower > 0.0 else 0.0
    if abs(target) < abs(speed):
        return math.copysign(max(abs(speed) - _DECELERATION * dt, abs(target)), speed)
    return math.copysign(min(abs(speed) + rate * dt, abs(target)), target)
