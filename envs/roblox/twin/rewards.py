"""What the game pays for a tick of driving, before ends: pure functions."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from envs.roblox.twin.engine import TOP_SPEED
from envs.track.frames import FloatArray

PER_LAP = 1000.0
_SPEED_SHARE, _SPEED_EXPONENT = 0.5, 2.0
_PER_STUD, _PER_RANK = 0.005, 1.0  # of a race: change of the distance to neighbours; first and last


@njit(cache=True)
def driving_reward(progress: float, speed: float, loss_factor: float, pays_speed: bool) -> float:
    """Return what a car earns for progress since the last tick, in laps, at a speed in studs/s.

    Args:
        progress: negative for way lost.
        speed: negative backwards.
        loss_factor: of what is lost.
        pays_speed: whether speed counts beside progress.
    """
    reward = progress * PER_LAP
    if reward < 0.0:
        reward *= loss_factor
    if pays_speed:
        share = min(max(speed / TOP_SPEED, 0.0), 1.0)
        reward += _SPEED_SHARE * (math.exp(_SPEED_EXPONENT * share) - 1.0)
    return reward


def race_reward(before: npt.ArrayLike, after: npt.ArrayLike, lap_length: float) -> FloatArray:
    """Return what the cars `(K,)` of one env earn by their places in the race, K of 2 or more.

    Closing up on the car ahead pays and so does leaving the one behind; the first gets 1, the last loses 1.

    Args:
        before: `(K,)` progress a tick ago, in laps.
        after: `(K,)` progress now.
        lap_length: studs.
    """
    old, new = np.asarray(before, np.float64), np.asarray(after, np.float64)
    order = np.argsort(-new, kind="stable")
    widened = lap_length * ((new[order][:-1] - new[order][1:]) - (old[order][:-1] - old[order][1:]))
    rewards = np.zeros(len(new))
    rewards[order[:-1]] += _PER_STUD * widened
    rewards[order[1:]] -= _PER_STUD * widened
    rewards[order[0]] += _PER_RANK
    rewards[order[-1]] -= _PER_RANK
    return rewards
