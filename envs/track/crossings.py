"""Whether a road runs into itself: crossings of polylines, and how near a line comes to another part of itself."""

import math

import numpy as np
from numba import njit

from envs.track.frames import FloatArray


def first_crossing(one: FloatArray, other: FloatArray, *, closed: bool) -> tuple[int, int] | None:
    """Return the rows at which the first two segments begin that cross, one of each polyline; None if none do.

    Args:
        one: `(N, 2)` points.
        other: `(M, 2)` points; `one` itself asks for crossings of a line with itself.
        closed: whether the last points lead back to the first.
    """
    row, other_row = _first_crossing(one, other, closed, one is other)
    return None if row < 0 else (int(row), int(other_row))


@njit(cache=True)
def nearest_approach(points: FloatArray, s: FloatArray, length: float, apart: float) -> float:
    """Return the least distance of two points of a closed line that are `apart` or more along it; inf without any.

    Args:
        points: `(N, 2)`.
        s: `(N,)` arc lengths.
        length: of the line.
        apart: metres along the line, the shorter way round.
    """
    longest = _longest(points)
    least = np.inf
    for here in range(len(points)):
        there = here + 1
        while there < len(points):
            distance = math.hypot(points[there, 0] - points[here, 0], points[there, 1] - points[here, 1])
            along = s[there] - s[here]
            if min(along, length - along) >= apart:
                least = min(least, distance)
            # The next points cannot be nearer than the line takes them back.
            there += 1 if distance <= least else max(1, int((distance - least) / longest))
    return least


@njit(cache=True)
def _first_crossing(one: FloatArray, other: FloatArray, is_closed: bool, is_same: bool) -> tuple[int, int]:
    num = len(one) if is_closed else len(one) - 1
    num_other = len(other) if is_closed else len(other) - 1
    longest = _longest(other)
    for row in range(num):
        a, b = one[row], one[(row + 1) % len(one)]
        reach = longest + math.hypot(b[0] - a[0], b[1] - a[1])
        other_row = row + 2 if is_same else 0
        while other_row < num_other:
            c, d = other[other_row], other[(other_row + 1) % len(other)]
            distance = math.hypot(c[0] - a[0], c[1] - a[1])
            is_neighbour = is_same and is_closed and row == 0 and other_row == num_other - 1  # they share a point
            if distance <= reach and not is_neighbour and _cross(a, b, c, d):
                return row, other_row
            # The next segments cannot cross before the line has come within reach.
            other_row += max(1, int((distance - reach) / longest))
    return -1, -1


@njit(cache=True)
def _longest(points: FloatArray) -> float:
    """Return the length of the longest segment, the closing one included."""
    longest = 0.0
    for row in range(len(points)):
        longest = max(longest, math.hypot(points[row, 0] - points[row - 1, 0], points[row, 1] - points[row - 1, 1]))
    return longest


@njit(cache=True)
def _cross(a: FloatArray, b: FloatArray, c: FloatArray, d: FloatArray) -> bool:
    """Return whether the segments from a to b and from c to d have a point in common."""
    if max(c[0], d[0]) < min(a[0], b[0]) or min(c[0], d[0]) > max(a[0], b[0]):
        return False
    if max(c[1], d[1]) < min(a[1], b[1]) or min(c[1], d[1]) > max(a[1], b[1]):
        return False
    return _side(a, b, c) * _side(a, b, d) <= 0.0 and _side(c, d, a) * _side(c, d, b) <= 0.0


@njit(cache=True)
def _side(begin: FloatArray, end: FloatArray, point: FloatArray) -> float:
    """Return above 0 if the point is to the left of the way from begin to end, below 0 if to the right."""
    return (end[0] - begin[0]) * (point[1] - begin[1]) - (end[1] - begin[1]) * (point[0] - begin[0])
