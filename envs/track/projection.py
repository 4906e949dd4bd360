"""Exact projection of points onto a polyline: the compiled core of `envs.track.centre_line`.

A segment is a row of `(M, 6)`: x and y of its begin, x and y of its unit direction, its length, and the arc length at
its begin.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from envs.track.frames import FloatArray

IntArray = npt.NDArray[np.int64]
NO_HINT = -1


class Projection(NamedTuple):
    """Where a point is along a line. Floats for one point, arrays `(B,)` for many.

    Attributes:
        s_m: arc length of the nearest point of the line, in [0, length) on a closed line, [0, length] on an open one.
        left_m: how far the point is to the left of the line, negative to the right. On an open line a point before
            the begin or past the end is measured against the line's straight continuation.
        distance_m: from the nearest point of the line; `abs(left_m)`, except beside an open line's ends.
        segment: index of the segment, the hint for the next projection.
    """

    s_m: float
    left_m: float
    distance_m: float
    segment: int


class Projections(NamedTuple):
    """Where B points are along a line: each field of a `Projection` as `(B,)`."""

    s_m: FloatArray
    left_m: FloatArray
    distance_m: FloatArray
    segment: IntArray


@njit(cache=True)
def project_one(
    segments: FloatArray, is_closed: bool, x: float, y: float, hint: int, back_m: float, ahead_m: float, lost_m: float
) -> tuple[float, float, float, int]:
    """Return the fields of a `Projection`.

    With a hint, segments within `back_m` and `ahead_m` along the line are searched first, so that another stretch of
    road nearby is not taken for the own. All are searched if none of those is within `lost_m`, or if the nearest
    point is where the window ends: the car has left it.
    """
    count = len(segments)
    if 0 <= hint < count:
        first, num = _window(segments, is_closed, hint, back_m, ahead_m)
        if num < count:
            nearest, along, squared = _nearest(segments, x, y, first, num)
            last = (first + num - 1) % count
            is_at_begin = nearest == first and along <= 0.0 and (is_closed or first > 0)
            is_at_end = nearest == last and along >= segments[last, 4] and (is_closed or last < count - 1)
            if squared <= lost_m * lost_m and not is_at_begin and not is_at_end:
                return _measure(segments, is_closed, x, y, nearest, along, squared)
    nearest, along, squared = _nearest(segments, x, y, 0, count)
    if not squared < np.inf:
        return np.nan, np.nan, np.nan, hint  # the point is not finite; the next one is looked for where the last was
    return _measure(segments, is_closed, x, y, nearest, along, squared)


@njit(cache=True)
def project_many(
    segments: FloatArray,
    is_closed: bool,
    points: FloatArray,
    hints: IntArray,
    back_m: float,
    ahead_m: float,
    lost_m: float,
) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
    """Return the fields of `Projections` for `points` `(B, 2)` and `hints` `(B,)`; `NO_HINT` searches all segments."""
    count = len(points)
    s, left, distance = np.empty(count), np.empty(count), np.empty(count)
    segment = np.empty(count, np.int64)
    for index in range(count):
        s[index], left[index], distance[index], segment[index] = project_one(
            segments, is_closed, points[index, 0], points[index, 1], hints[index], back_m, ahead_m, lost_m
        )
    return s, left, distance, segment


@njit(cache=True)
def _window(segments: FloatArray, is_closed: bool, hint: int, back_m: float, ahead_m: float) -> tuple[int, int]:
    """Return the first segment, and the number of segments, that reach at least so far back and ahead of the hint."""
    count = len(segments)
    first, num, reach = hint, 1, 0.0
    while reach < back_m and num < count and (is_closed or first > 0):
        first = first - 1 if first > 0 else count - 1
        reach += segments[first, 4]
        num += 1
    last, reach = hint, 0.0
    while reach < ahead_m and num < count and (is_closed or last < count - 1):
        last = last + 1 if last < count - 1 else 0
        reach += segments[last, 4]
        num += 1
    return first, num


@njit(cache=True)
def _nearest(segments: FloatArray, x: float, y: float, first: int, num: int) -> tuple[int, float, float]:
    """Return the nearest of `num` segments, the metres along it and the squared distance; the first of equals."""
    count = len(segments)
    nearest, nearest_along, least = first, 0.0, np.inf
    for step in range(num):
        index = first + step
        if index >= count:
            index -= count
        offset_x, offset_y = x - segments[index, 0], y - segments[index, 1]
        unit_x, unit_y = segments[index, 2], segments[index, 3]
        along = min(max(offset_x * unit_x + offset_y * unit_y, 0.0), segments[index, 4])
        rest_x, rest_y = offset_x - along * unit_x, offset_y - along * unit_y
        squared = rest_x * rest_x + rest_y * rest_y
        if squared < least:
            nearest, nearest_along, least = index, along, squared
    return nearest, nearest_along, least


@njit(cache=True)
def _measure(
    segments: FloatArray, is_closed: bool, x: float, y: float, index: int, along: float, squared: float
) -> tuple[float, float, float, int]:
    count = len(segments)
    x0, y0, unit_x, unit_y, length, s0 = segments[index]
    distance = math.sqrt(squared)
    at_begin, at_end = along <= 0.0, along >= length
    if not is_closed and ((at_begin and index == 0) or (at_end and index == count - 1)):
        left = unit_x * (y - y0) - unit_y * (x - x0)
    else:
        side_x, side_y = unit_x, unit_y
        # At a corner both segments are equally near; the side is that of their common tangent.
        if at_begin or at_end:
            neighbour = (index - 1 if at_begin else index + 1) % count
            side_x, side_y = unit_x + segments[neighbour, 2], unit_y + segments[neighbour, 3]
        across = side_x * (y - y0 - along * unit_y) - side_y * (x - x0 - along * unit_x)
        left = distance if across >= 0.0 else -distance
    s = s0 + along
    if is_closed and at_end and index == count - 1:
        s = 0.0
    return s, left, distance, index
