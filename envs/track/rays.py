"""Ray sensors: how far it is from a car to the borders, in several directions, exactly."""

import math
from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
from numba import njit

from envs.arguments import check_range
from envs.errors import ConfigError
from envs.track.frames import FloatArray
from envs.track.segment_grid import SegmentGrid
from envs.track.track import Track

_CELL_M = 5.0  # measured on roads 10 to 14 m wide: 2 to 8 m are within a tenth of each other
_ALONG = 1e-12  # sine of an angle at which rounding decides where a ray and a wall meet


class RaySensor:
    """Measure distances along rays from a car to the nearest wall.

    Args:
        walls: polylines `(K, 2)`, metres; a closed one repeats its first point at the end.
        angles_rad: `(N,)` of the rays against the car's heading, positive to the left.
        max_range_m: what a ray that meets nothing reports.
        cell_m: of the grid that the walls are sorted into; changes speed, not results.

    Raises:
        ConfigError: a number is out of range, or there are no walls.
    """

    def __init__(
        self,
        walls: Sequence[FloatArray],
        *,
        angles_rad: npt.ArrayLike,
        max_range_m: float,
        cell_m: float = _CELL_M,
    ) -> None:
        check_range("max_range_m", max_range_m, 1e-6)
        check_range("cell_m", cell_m, 1e-6)
        self.angles_rad = np.array(angles_rad, np.float64)
        self.max_range_m = float(max_range_m)
        if self.angles_rad.ndim != 1 or not np.isfinite(self.angles_rad).all():
            raise ConfigError(f"Expected angles_rad as finite numbers of shape (N,), got {self.angles_rad}.")
        self._grid = SegmentGrid.of(np.concatenate([_segments(wall) for wall in walls]), cell_m)

    @classmethod
    def of(cls, track: Track, *, angles_rad: npt.ArrayLike, max_range_m: float, cell_m: float = _CELL_M) -> Self:
        """Return a sensor of both borders of a track; those of an open one leave its ends open."""
        walls = [track.left, track.right]
        if track.centre.is_closed:
            walls = [np.concatenate([wall, wall[:1]]) for wall in walls]
        return cls(walls, angles_rad=angles_rad, max_range_m=max_range_m, cell_m=cell_m)

    def read(self, x_m: float, y_m: float, heading_rad: float) -> FloatArray:
        """Return the distances `(N,)` that one car sees, metres."""
        return self.read_many(np.array([[x_m, y_m, heading_rad]]))[0]

    def read_many(self, poses: FloatArray) -> FloatArray:
        """Return the distances `(B, N)` from poses `(B, 3)` of x, y and heading.

        Raises:
            ValueError: a pose is not finite.
        """
        return self._read(poses)[0]

    def read_hits(self, poses: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the distances `(B, N)` and how squarely each ray meets its wall.

        The second, `(B, N)`, is the dot product of the ray and the wall's normal that faces it: -1 if it meets the wall
        at right angles, near 0 if it grazes it, and 1 if it meets nothing.

        Raises:
            ValueError: a pose is not finite.
        """
        distances, hits = self._read(poses)
        way = self._grid.segments[hits, 2:]
        angles = np.asarray(poses, np.float64)[:, 2:] + self.angles_rad
        across = np.cos(angles) * way[..., 1] - np.sin(angles) * way[..., 0]
        return distances, np.where(hits < 0, 1.0, -np.abs(across) / np.hypot(way[..., 0], way[..., 1]))

    def _read(self, poses: FloatArray) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        poses = np.ascontiguousarray(poses, np.float64)
        grid = self._grid
        distances = np.empty((len(poses), len(self.angles_rad)))
        hits = np.empty(distances.shape, np.int64)
        broken = _cast(
            grid.segments,
            grid.starts,
            grid.items,
            grid.origin,
            grid.cell_m,
            grid.num_x,
            grid.num_y,
            poses,
            self.angles_rad,
            self.max_range_m,
            distances,
            hits,
        )
        if broken >= 0:
            raise ValueError(f"Expected a finite pose x, y, heading, got {poses[broken]} (car {broken}).")
        return distances, hits


def ray_angles(count: int, spread_rad: float) -> FloatArray:
    """Return `(N,)` equally spaced angles from the right to the left: 19 over π are -90°, -80° … +90°."""
    check_range("count", count, 1)
    return np.linspace(-0.5 * spread_rad, 0.5 * spread_rad, count) if count > 1 else np.zeros(1)


def _segments(wall: FloatArray) -> FloatArray:
    return np.column_stack([wall[:-1], np.diff(wall, axis=0)])


@njit(cache=True)
def _cast(
    segments: FloatArray,
    starts: npt.NDArray[np.int64],
    items: npt.NDArray[np.int64],
    origin: FloatArray,
    cell: float,
    num_x: int,
    num_y: int,
    poses: FloatArray,
    angles: FloatArray,
    max_range: float,
    distances: FloatArray,
    hits: npt.NDArray[np.int64],
) -> int:
    """Fill `distances` and `hits` (the segments met, -1: none); return -1, or the first pose that is not finite."""
    for car in range(len(poses)):
        x, y, heading = poses[car]
        if not (math.isfinite(x) and math.isfinite(y) and math.isfinite(heading)):
            return car
        # Cells are counted from the origin, in units of cells; distances along a ray stay metres.
        cell_x, cell_y = (x - origin[0]) / cell, (y - origin[1]) / cell
        for ray in range(len(angles)):
            ahead_x, ahead_y = math.cos(heading + angles[ray]), math.sin(heading + angles[ray])
            enter, leave = _inside(cell_x, cell_y, ahead_x, ahead_y, num_x, num_y)
            enter, leave = enter * cell, min(leave * cell, max_range)
            nearest, hit = max_range, -1
            if enter <= leave:
                column = min(max(math.floor(cell_x + enter / cell * ahead_x), 0), num_x - 1)
                row = min(max(math.floor(cell_y + enter / cell * ahead_y), 0), num_y - 1)
                step_x, step_y = (1 if ahead_x > 0.0 else -1), (1 if ahead_y > 0.0 else -1)
                per_x = cell / abs(ahead_x) if ahead_x != 0.0 else np.inf  # metres along the ray between columns
                per_y = cell / abs(ahead_y) if ahead_y != 0.0 else np.inf
                edge_x, edge_y = column + (step_x > 0) - cell_x, row + (step_y > 0) - cell_y
                next_x = edge_x * step_x * per_x if ahead_x != 0.0 else np.inf
                next_y = edge_y * step_y * per_y if ahead_y != 0.0 else np.inf
                while 0 <= column < num_x and 0 <= row < num_y:
                    place = row * num_x + column
                    for item in range(starts[place], starts[place + 1]):
                        distance = _hit(segments, items[item], x, y, ahead_x, ahead_y)
                        if distance < nearest:
                            nearest, hit = distance, items[item]
                    # Nothing in a later cell is nearer than where this one ends.
                    if min(next_x, next_y) >= min(nearest, leave):
                        break
                    if next_x < next_y:
                        column, next_x = column + step_x, next_x + per_x
                    else:
                        row, next_y = row + step_y, next_y + per_y
            distances[car, ray], hits[car, ray] = nearest, hit
    return -1


@njit(cache=True, inline="always")
def _inside(x: float, y: float, ahead_x: float, ahead_y: float, num_x: int, num_y: int) -> tuple[float, float]:
    """Return where a ray enters and leaves the box from (0, 0) to (num_x, num_y); it misses it if enter > leave."""
    enter, leave = 0.0, np.inf
    for start, ahead, size in ((x, ahead_x, num_x), (y, ahead_y, num_y)):
        if ahead == 0.0:
            if start < 0.0 or start > size:
                return 1.0, 0.0
        else:
            one, other = -start / ahead, (size - start) / ahead
            enter, leave = max(enter, min(one, other)), min(leave, max(one, other))
    return enter, leave


@njit(cache=True, inline="always")
def _hit(segments: FloatArray, index: int, x: float, y: float, ahead_x: float, ahead_y: float) -> float:
    """Return how far along the ray it meets the segment; inf if it does not, or if both lie in one line."""
    offset_x, offset_y = segments[index, 0] - x, segments[index, 1] - y
    way_x, way_y = segments[index, 2], segments[index, 3]
    across = ahead_x * way_y - ahead_y * way_x
    if abs(across) <= _ALONG * (abs(way_x) + abs(way_y)):
        return np.inf
    distance = (offset_x * way_y - offset_y * way_x) / across
    share = (offset_x * ahead_y - offset_y * ahead_x) / across
    # The slack keeps a ray from slipping through the point that two segments share.
    return distance if distance >= 0.0 and -1e-9 <= share <= 1.0 + 1e-9 else np.inf
