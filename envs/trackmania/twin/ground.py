"""The ground around a road as a grid: how far each place is from the centre line, and where along it."""

import functools
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from envs.track.frames import FloatArray
from envs.trackmania.twin.road import Road

CELL_M = 1.0  # distances are interpolated between cells
REACH_M = 40.0  # from the centre line; what is farther away is at this distance
_PAST_ENDS_M = 60.0  # an open road goes on so far
_MOST_CELLS = 4096  # along a side; a larger plane gets larger cells

FloatGrid = npt.NDArray[np.float32]


class Grid(NamedTuple):
    """Cells with their lowest x and y first.

    Attributes:
        distance_m: `(nx, ny)` float32, from the centre line.
        along_m: `(nx, ny)` float32, arc length of the nearest point.
        origin: `(2,)` of the first cell.
        cell_m: between two.
    """

    distance_m: FloatGrid
    along_m: FloatGrid
    origin: FloatArray
    cell_m: float


class Ground:
    """The ground of a road; the grid is made when it is first looked at, 20 ms for 2 km.

    Args:
        road: whose half width and gate pictures need, too.
    """

    def __init__(self, road: Road) -> None:
        self.road = road

    @functools.cached_property
    def grid(self) -> Grid:
        """The cells."""
        centre = self.road.centre
        if centre.is_closed:
            s = np.append(centre.s_m, centre.length_m)
            line = np.concatenate([centre.points, centre.points[:1]])
        else:
            s = np.concatenate([[-_PAST_ENDS_M], centre.s_m, [centre.length_m + _PAST_ENDS_M]])
            line = centre.position(s)
        low, high = line.min(axis=0) - REACH_M, line.max(axis=0) + REACH_M
        cell = max(CELL_M, float((high - low).max()) / _MOST_CELLS)
        size = tuple(int(n) + 2 for n in (high - low) / cell)
        grid = Grid(np.full(size, REACH_M, np.float32), np.zeros(size, np.float32), low, cell)
        _fill(grid.distance_m, grid.along_m, low, cell, line, s)
        return grid


@njit(cache=True, nogil=True)
def _fill(
    distance: FloatGrid, along: FloatGrid, origin: FloatArray, cell: float, line: FloatArray, s: FloatArray
) -> None:
    """Write the nearest distance of each cell, looking only around each segment."""
    for row in range(len(line) - 1):
        x0, y0 = line[row]
        way_x, way_y = line[row + 1, 0] - x0, line[row + 1, 1] - y0
        length = math.hypot(way_x, way_y)
        if length == 0.0:
            continue
        first_x = max(int((min(x0, x0 + way_x) - REACH_M - origin[0]) / cell), 0)
        first_y = max(int((min(y0, y0 + way_y) - REACH_M - origin[1]) / cell), 0)
        last_x = min(int((max(x0, x0 + way_x) + REACH_M - origin[0]) / cell) + 1, len(distance) - 1)
        last_y = min(int((max(y0, y0 + way_y) + REACH_M - origin[1]) / cell) + 1, distance.shape[1] - 1)
        for column in range(first_x, last_x + 1):
            x = origin[0] + column * cell - x0
            for line_ in range(first_y, last_y + 1):
                y = origin[1] + line_ * cell - y0
                share = min(max((x * way_x + y * way_y) / (length * length), 0.0), 1.0)
                away = math.hypot(x - share * way_x, y - share * way_y)
                if away < distance[column, line_]:
                    distance[column, line_] = away
                    along[column, line_] = s[row] + share * length
