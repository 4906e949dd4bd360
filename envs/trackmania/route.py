"""A line through space with arc lengths, and where a car is along it: searched near where it was, nowhere else.

`envs.track.centre_line` is flat and looks everywhere for a car that it has lost; here roads may cross above each other,
and a car that jumps must not be found again where it jumped to.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from envs.errors import ConfigError

FloatArray = npt.NDArray[np.float64]
_LEAST_M = 1e-6


class Place(NamedTuple):
    """Where a car is along a route.

    Attributes:
        s_m: arc length of the nearest point of the window.
        distance_m: from there to the car.
        is_inside: whether that point is not merely where the window ends, beyond which a nearer one may be.
    """

    s_m: float
    distance_m: float
    is_inside: bool


class Route:
    """An open polyline in space.

    Args:
        points: `(N, 3)` metres; points that repeat the one before are dropped.

    Attributes:
        points: `(M, 3)`.
        s_m: `(M,)` arc length at each point.
        length_m: of the whole line.

    Raises:
        ConfigError: there are fewer than two different points.
    """

    def __init__(self, points: npt.ArrayLike) -> None:
        line = np.array(points, np.float64, order="C")
        steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
        self.points = np.ascontiguousarray(line[np.concatenate([[True], steps > _LEAST_M])])
        if len(self.points) < 2:
            raise ConfigError(f"Expected a route with at least two different points, got {len(line)} in one place.")
        lengths = np.linalg.norm(np.diff(self.points, axis=0), axis=1)
        self.s_m = np.concatenate([[0.0], np.cumsum(lengths)])
        self.length_m = float(self.s_m[-1])

    def place(self, position_m: npt.ArrayLike, begin_m: float = -math.inf, end_m: float = math.inf) -> Place:
        """Return the nearest point to a car between two arc lengths; where the line ends is no end of the window."""
        x, y, z = np.asarray(position_m, np.float64)
        begin, end = max(begin_m, 0.0), min(end_m, self.length_m)
        s, distance = _nearest(self.points, self.s_m, x, y, z, begin, end)
        is_inside = (s > begin or begin <= 0.0) and (s < end or end >= self.length_m)
        return Place(s, distance, is_inside)

    def position(self, s_m: npt.ArrayLike) -> FloatArray:
        """Return the points `(..., 3)` at arc lengths `(...)`; beyond its ends the line stays where it ends."""
        s = np.asarray(s_m, np.float64)
        return np.stack([np.interp(s, self.s_m, self.points[:, axis]) for axis in range(3)], axis=-1)


@njit(cache=True)
def _nearest(
    points: FloatArray, knots: FloatArray, x: float, y: float, z: float, begin: float, end: float
) -> tuple[float, float]:
    """Return arc length and distance of the nearest point with an arc length in [begin, end]."""
    first = max(int(np.searchsorted(knots, begin, side="right")) - 1, 0)
    best, least = begin, np.inf
    for index in range(first, len(points) - 1):
        if knots[index] > end:
            break
        length = knots[index + 1] - knots[index]
        ax, ay, az = points[index]
        ux, uy, uz = (points[index + 1] - points[index]) / length
        along = (x - ax) * ux + (y - ay) * uy + (z - az) * uz
        along = min(max(along, 0.0, begin - knots[index]), length, end - knots[index])
        dx, dy, dz = x - ax - along * ux, y - ay - along * uy, z - az - along * uz
        squared = dx * dx + dy * dy + dz * dz
        if squared < least:
            best, least = knots[index] + along, squared
    return best, math.sqrt(least)
