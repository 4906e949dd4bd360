"""Progress as the game counts it: checkpoints around the lap, passed in order, and the share of the lap behind."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from envs.track.frames import FloatArray

IntArray = npt.NDArray[np.int64]


class Checkpoints:
    """A closed polyline of checkpoints. Segment i leads from checkpoint i to the next one; all count from 0 here.

    Args:
        points: `(N, 2)` x and y, in driving order.

    Attributes:
        points: `(N, 2)`.
        shares: `(N + 1,)` how much of the polyline's length lies before each checkpoint; the last is 1.
        length: of the polyline, back to the first.
    """

    def __init__(self, points: FloatArray) -> None:
        self.points = points
        ways = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
        self.length = float(ways.sum())
        self.shares = np.append(np.concatenate([[0.0], np.cumsum(ways[:-1])]) / self.length, 1.0)

    def follow(
        self, slots: IntArray, poses: FloatArray, last: IntArray, laps: IntArray
    ) -> tuple[FloatArray, FloatArray]:
        """See where some cars are now.

        Args:
            slots: `(K,)` of the cars.
            poses: `(C, 3)` x, y and heading of all cars.
            last: `(C,)` the checkpoint that each has passed last; changed in place.
            laps: `(C,)` that each has completed; changed in place.

        Returns:
            `(K,)` progress, laps included, and `(K,)` whether a car faces against the track, as 0 or 1.
        """
        return _follow(self.points, self.shares, slots, poses, last, laps)


@njit(cache=True)
def locate(
    points: FloatArray, shares: FloatArray, pose: FloatArray, slot: int, last: IntArray, laps: IntArray
) -> tuple[float, float]:
    """Return one car's progress, laps included, and whether it faces against the track; see `Checkpoints.follow`."""
    count = len(points)
    x, y, heading = pose
    nearest, along, least = 0, 0.0, np.inf
    for index in range(count):
        after = index + 1 if index + 1 < count else 0
        way_x, way_y = points[after, 0] - points[index, 0], points[after, 1] - points[index, 1]
        offset_x, offset_y = x - points[index, 0], y - points[index, 1]
        share = (offset_x * way_x + offset_y * way_y) / (way_x * way_x + way_y * way_y)
        share = min(max(share, 0.0), 1.0)
        rest_x, rest_y = offset_x - share * way_x, offset_y - share * way_y
        squared = rest_x * rest_x + rest_y * rest_y
        if squared < least:
            nearest, along, least = index, share, squared
    if nearest == last[slot] + 1:
        last[slot] = nearest
    elif last[slot] == count - 1 and nearest == 0:
        last[slot] = 0
        laps[slot] += 1
    passed = last[slot]
    # At its end exactly: rounding must not put a car beyond the checkpoint ahead, which costs it a segment.
    share = shares[nearest + 1]
    if along < 1.0:
        share = min(shares[nearest] + along * (share - shares[nearest]), share)
    if share > shares[passed + 1]:
        share = shares[passed]
    after = nearest + 1 if nearest + 1 < count else 0
    way_x, way_y = points[after, 0] - points[nearest, 0], points[after, 1] - points[nearest, 1]
    return laps[slot] + share, 1.0 if math.cos(heading) * way_x + math.sin(heading) * way_y < 0.0 else 0.0


@njit(cache=True)
def _follow(
    points: FloatArray, shares: FloatArray, slots: IntArray, poses: FloatArray, last: IntArray, laps: IntArray
) -> tuple[FloatArray, FloatArray]:
    progress, reverse = np.empty(len(slots)), np.empty(len(slots))
    for row in range(len(slots)):
        slot = slots[row]
        progress[row], reverse[row] = locate(points, shares, poses[slot], slot, last, laps)
    return progress, reverse
