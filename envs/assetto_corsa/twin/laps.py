"""Counting and timing laps as the game does, compiled: at the line's begin, interpolated between two ticks."""

from numba import njit

from envs.assetto_corsa.twin.columns import (
    BEST_LAP_S,
    IS_INVALID,
    IS_TIMED,
    LAP_BEGIN_S,
    LAPS,
    LAST_LAP_S,
    S_M,
    TRAVELLED_M,
    TYRES_OUT,
)
from envs.track.frames import FloatArray

_WHOLE = 0.9  # of a lap's length, that must have been travelled between two crossings
_MOST_TYRES_OUT = 2  # with more, the lap does not count


@njit(cache=True)
def follow_lap(car: FloatArray, s_m: float, length_m: float, now_s: float, dt: float) -> None:
    """Move a car along the line, and time its lap.

    A lap is counted when the line is crossed forwards after at least `_WHOLE` of it since the last crossing or since a
    start; only a valid one may be the best.

    Args:
        car: `(CAR_SIZE,)`.
        s_m: where it is now, along the line.
        length_m: of the line.
        now_s: on the game's clock.
        dt: since the last call.
    """
    step = s_m - car[S_M]
    if step > 0.5 * length_m:
        step -= length_m
    elif step < -0.5 * length_m:
        step += length_m
    passed = car[S_M] + step
    car[TRAVELLED_M] += step
    if car[TYRES_OUT] > _MOST_TYRES_OUT:
        car[IS_INVALID] = 1.0
    if passed >= length_m:
        crossed_s = now_s - dt * (passed - length_m) / step
        if car[IS_TIMED] > 0.0 and car[TRAVELLED_M] >= _WHOLE * length_m:
            lap_s = crossed_s - car[LAP_BEGIN_S]
            car[LAPS] += 1.0
            car[LAST_LAP_S] = lap_s
            if car[IS_INVALID] == 0.0 and (car[BEST_LAP_S] == 0.0 or lap_s < car[BEST_LAP_S]):
                car[BEST_LAP_S] = lap_s
        car[IS_TIMED], car[LAP_BEGIN_S], car[TRAVELLED_M] = 1.0, crossed_s, passed - length_m
        car[IS_INVALID] = 1.0 if car[TYRES_OUT] > _MOST_TYRES_OUT else 0.0
    elif passed < 0.0:
        car[IS_TIMED] = 0.0  # crossed backwards: only the next crossing forwards begins a lap
    car[S_M] = s_m
