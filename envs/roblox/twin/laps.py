"""What a tick does to the cars that drive: progress, what it pays, lap times, and the end of those that stand still."""

import math

import numpy as np
from numba import njit

from envs.roblox.twin.checkpoints import IntArray, locate
from envs.roblox.twin.fleet import STUCK
from envs.roblox.twin.rewards import driving_reward
from envs.track.frames import FloatArray


@njit(cache=True)
def count_laps(
    slots: IntArray,
    points: FloatArray,
    shares: FloatArray,
    poses: FloatArray,
    speeds: FloatArray,
    last: IntArray,
    laps: IntArray,
    total: FloatArray,
    reverse: FloatArray,
    reward: FloatArray,
    progressed_at: FloatArray,
    lap_began_at: FloatArray,
    lap_time_s: FloatArray,
    ended: IntArray,
    now_s: float,
    stuck_s: float,
    whole_seconds: bool,
    loss_factor: float,
    pays_speed: bool,
) -> FloatArray:
    """Count the progress of the cars in `slots` `(K,)`; return what it was before, `(K,)`.

    The arrays `(C,)` of all cars are those of `Fleet`, and changed in place: `last` to `ended`.

    Args:
        slots: of the cars.
        points: of the checkpoints.
        shares: of the lap before each.
        poses: `(C, 3)`.
        speeds: studs/s.
        last: checkpoint passed last.
        laps: completed.
        total: progress, laps included.
        reverse: whether a car faces against the track.
        reward: for this tick.
        progressed_at: when progress last grew.
        lap_began_at: when the lap began.
        lap_time_s: of a lap completed now.
        ended: why.
        now_s: the game's clock.
        stuck_s: without progress, after which a car ends.
        whole_seconds: whether that is counted on a clock of whole seconds.
        loss_factor: of `driving_reward`.
        pays_speed: likewise.
    """
    before = np.empty(len(slots))
    for row in range(len(slots)):
        slot = slots[row]
        before[row], lap = total[slot], laps[slot]
        total[slot], reverse[slot] = locate(points, shares, poses[slot], slot, last, laps)
        gained = total[slot] - before[row]
        reward[slot] = driving_reward(gained, speeds[slot], loss_factor, pays_speed)
        if gained > 0.0:
            progressed_at[slot] = now_s
        if laps[slot] > lap:
            lap_time_s[slot], lap_began_at[slot] = now_s - lap_began_at[slot], now_s
        waited_s = now_s - progressed_at[slot]
        if whole_seconds:
            waited_s = math.floor(now_s) - math.floor(progressed_at[slot])
        if waited_s > stuck_s:
            ended[slot] = STUCK
    return before
