"""A uniform grid over line segments, so that a ray looks only at those it may hit: the ground of `envs.track.rays`."""

import math
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from numba import njit

from envs.errors import ConfigError
from envs.track.frames import FloatArray

_MOST_CELLS = 1024  # along a side; a larger plane gets larger cells
_SLACK = 1e-6  # cells; by as much the cells overlap, against rounding


class SegmentGrid(NamedTuple):
    """Segments, and for each cell of a grid those that pass through it.

    Attributes:
        segments: `(M, 4)` x and y of the begin, x and y of the way to the end.
        starts: `(nx * ny + 1,)` where a cell's items begin, row by row from the lowest y.
        items: indices of segments.
        origin: `(2,)` the corner of least x and y.
        cell_m: side of a cell.
        num_x: cells along x.
        num_y: cells along y.
    """

    segments: FloatArray
    starts: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]
    origin: FloatArray
    cell_m: float
    num_x: int
    num_y: int

    @classmethod
    def of(cls, segments: FloatArray, cell_m: float) -> Self:
        """Sort `segments` `(M, 4)` into cells of about `cell_m`.

        Raises:
            ConfigError: there are none, or one is not finite.
        """
        if not len(segments) or not np.isfinite(segments).all():
            raise ConfigError(f"Expected one finite segment or more for a SegmentGrid, got {segments}.")
        segments = np.ascontiguousarray(segments, np.float64)
        ends = np.concatenate([segments[:, :2], segments[:, :2] + segments[:, 2:]])
        low, high = ends.min(axis=0), ends.max(axis=0)
        cell = max(cell_m, float((high - low).max()) / _MOST_CELLS)
        origin = low - _SLACK * cell
        num_x, num_y = (math.floor(span) + 1 for span in (high + _SLACK * cell - origin) / cell)
        counts = np.zeros(num_x * num_y, np.int64)
        _sort(segments, origin, cell, num_x, num_y, counts, np.empty(0, np.int64), False)
        starts = np.concatenate([[0], np.cumsum(counts)])
        items = np.empty(starts[-1], np.int64)
        _sort(segments, origin, cell, num_x, num_y, starts[:-1].copy(), items, True)
        return cls(segments, starts, items, origin, cell, num_x, num_y)


@njit(cache=True)
def _sort(
    segments: FloatArray,
    origin: FloatArray,
    cell: float,
    num_x: int,
    num_y: int,
    cursors: npt.NDArray[np.int64],
    items: npt.NDArray[np.int64],
    is_filling: bool,
) -> None:
    """Advance each cell's cursor by its segments, and write them into `items` when `is_filling`."""
    for index in range(len(segments)):
        x, y = (segments[index, 0] - origin[0]) / cell, (segments[index, 1] - origin[1]) / cell
        way_x, way_y = segments[index, 2] / cell, segments[index, 3] / cell
        first_x = max(math.floor(min(x, x + way_x) - _SLACK), 0)
        last_x = min(math.floor(max(x, x + way_x) + _SLACK), num_x - 1)
        first_y = max(math.floor(min(y, y + way_y) - _SLACK), 0)
        last_y = min(math.floor(max(y, y + way_y) + _SLACK), num_y - 1)
        # The line passes through a cell unless all four corners are on one side of it.
        reach = (0.5 + _SLACK) * (abs(way_x) + abs(way_y))
        for row in range(first_y, last_y + 1):
            for column in range(first_x, last_x + 1):
                if abs(way_x * (row + 0.5 - y) - way_y * (column + 0.5 - x)) <= reach:
                    place = row * num_x + column
                    if is_filling:
                        items[cursors[place]] = index
                    cursors[place] += 1
