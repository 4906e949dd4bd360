"""The gap to a line as the original measures it: at the nearest vertex, with the closing segment half left out."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from envs.track.frames import FloatArray

IntArray = npt.NDArray[np.int64]


@njit(cache=True)
def compatible_gaps(line: FloatArray, points: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return gaps `(B,)`, negative to the left of the line, and its rows `(B,)` for `points` `(B, 2)`.

    The nearest vertex decides, of a tie the first; the last vertex counts as the one before it. The segment after it is
    taken, unless the foot lies within the one before it (whose row is then told, -1 for the way from the last vertex to
    the first) and that one is not the farther of two. The side is always that of the segment before.
    """
    gaps, rows = np.empty(len(points)), np.empty(len(points), np.int64)
    count = len(line)
    for index in range(len(points)):
        x, y = points[index]
        nearest, least = 0, np.inf
        for row in range(count):
            squared = (x - line[row, 0]) ** 2 + (y - line[row, 1]) ** 2
            if squared < least:
                nearest, least = row, squared
        nearest = min(nearest, count - 2)
        share_before, distance_before, across = _foot(line, nearest - 1, nearest, x, y)
        share_after, distance_after, _ = _foot(line, nearest, nearest + 1, x, y)
        distance, row = distance_after, nearest
        if 0.0 < share_before < 1.0:
            row = nearest - 1
            if not (0.0 < share_after < 1.0 and distance_after < distance_before):
                distance = distance_before
        side = 0.0 if across == 0.0 else math.copysign(1.0, across)
        gaps[index], rows[index] = -side * distance, row
    return gaps, rows


@njit(cache=True, inline="always")
def _foot(line: FloatArray, begin: int, end: int, x: float, y: float) -> tuple[float, float, float]:
    """Return the share of a segment at which a point's foot lies, clipped, its distance, and above 0 if it is left."""
    way_x, way_y = line[end, 0] - line[begin, 0], line[end, 1] - line[begin, 1]
    to_x, to_y = x - line[begin, 0], y - line[begin, 1]
    share = min(max((way_x * to_x + way_y * to_y) / (way_x * way_x + way_y * way_y), 0.0), 1.0)
    return share, math.hypot(to_x - share * way_x, to_y - share * way_y), way_x * to_y - way_y * to_x
