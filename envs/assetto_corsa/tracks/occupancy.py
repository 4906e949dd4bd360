"""A grid that says where the road is: made from borders, kept as npz (`pickled_grid` writes the original's format)."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numba import njit

from envs.arguments import check_range
from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.errors import ConfigError
from envs.track.frames import FloatArray

CELL_M = 0.5
MARGIN_M = 1.0  # around the borders, so that no corner of the grid is road
MAX_CELLS = 1 << 30
_FORMAT = 1
_BOUNDS = ("min_x", "min_y", "max_x", "max_y")


@dataclass(frozen=True, eq=False)
class OccupancyGrid:
    """Cells of a plane: 1 where their point is road. Cell `[row, column]` stands for min + cell_m · (column, row).

    Attributes:
        cell_m: between two cells.
        min_x: of the grid, metres; likewise the others.
        min_y: as min_x.
        max_x: no point of a cell is there or beyond.
        max_y: as max_x.
        grid: `(ny, nx)` uint8 of 0 and 1; its row-major order is the flat one of the original's files.

    Raises:
        ConfigError: numbers that do not fit, or road in a corner, where all points beyond the grid are looked up.
    """

    cell_m: float
    min_x: float
    min_y: float
    max_x: float
    max_y: float
    grid: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Check."""
        shape = (len(self.points_y()), len(self.points_x()))
        if self.grid.shape != shape or self.grid.dtype != np.uint8 or min(shape) < 2:
            raise ConfigError(
                f"Expected a uint8 grid of shape {shape} between ({self.min_x}, {self.min_y}) and ({self.max_x}, "
                f"{self.max_y}) with cells of {self.cell_m} m, got {self.grid.dtype} {self.grid.shape}."
            )
        if self.grid[:: shape[0] - 1, :: shape[1] - 1].any():
            raise ConfigError(
                "Expected an occupancy grid with no road in its corners: leave a margin around the borders."
            )

    def points_x(self) -> FloatArray:
        """Return x `(nx,)` of the cells' points."""
        return np.arange(self.min_x, self.max_x, self.cell_m)

    def points_y(self) -> FloatArray:
        """Return y `(ny,)` of the cells' points."""
        return np.arange(self.min_y, self.max_y, self.cell_m)

    def is_on_road(self, points_m: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Return `(...)` for points `(..., 2)` whether their cell is road. Points beyond the grid are not."""
        points = np.asarray(points_m, np.float64)
        low, high = np.array([self.min_x, self.min_y]), np.array([self.max_x, self.max_y])
        inside = np.clip(points, low, high - self.cell_m)
        cells = np.round((inside - low) / self.cell_m).astype(np.int64)  # to the even one of two, as the original does
        return np.asarray(self.grid[cells[..., 1], cells[..., 0]] > 0)

    def save(self, path: Path) -> None:
        """Write an npz."""
        bounds = {name: np.float64(getattr(self, name)) for name in _BOUNDS}
        np.savez_compressed(
            path,
            format_version=np.int64(_FORMAT),
            cell_size=np.float64(self.cell_m),
            grid=self.grid,
            **bounds,  # type: ignore[arg-type]
        )


def occupancy_grid(track: AcTrack, cell_m: float = CELL_M) -> OccupancyGrid:
    """Return the grid of a track: the quads between neighbouring rows of its borders, the closing one included.

    Raises:
        ConfigError: cells are so small that there are more than 2^30.
    """
    check_range("cell_m", cell_m, 0.01, 10.0)
    borders = np.concatenate([track.left_m, track.right_m])
    low, high = borders.min(axis=0) - MARGIN_M, borders.max(axis=0) + MARGIN_M
    if np.prod((high - low) / cell_m) > MAX_CELLS:
        raise ConfigError(f"Expected at most 2^30 cells, got more with cell_m={cell_m:g} on {track.full_name}.")
    points_x, points_y = (np.arange(low[axis], high[axis], cell_m) for axis in (0, 1))
    grid = np.zeros((len(points_y), len(points_x)), np.uint8)
    _fill(track.left_m, track.right_m, points_x, points_y, cell_m, grid)
    return OccupancyGrid(cell_m, float(low[0]), float(low[1]), float(high[0]), float(high[1]), grid)


def load_occupancy_grid(path: str | Path) -> OccupancyGrid:
    """Read our npz. The original's pickles are refused: reading one may run what it contains.

    Raises:
        ConfigError: the file is not there, is a pickle, or holds something else.
    """
    file = Path(path)
    if not file.is_file() or not zipfile.is_zipfile(file):
        raise ConfigError(
            f"Expected {file} to be an npz of python -m envs.assetto_corsa.tracks kind=grid. Pickles are not read: "
            "make the grid anew from the track's borders."
        )
    try:
        with np.load(file, allow_pickle=False) as data:
            if int(data["format_version"]) != _FORMAT:
                raise ValueError(f"its format_version is {data['format_version']}")
            low_x, low_y, high_x, high_y = (float(data[name]) for name in _BOUNDS)
            return OccupancyGrid(float(data["cell_size"]), low_x, low_y, high_x, high_y, data["grid"])
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{file} holds no occupancy grid of format {_FORMAT} ({error}).") from error


@njit(cache=True)
def _fill(
    left: FloatArray, right: FloatArray, xs: FloatArray, ys: FloatArray, cell: float, grid: npt.NDArray[np.uint8]
) -> None:
    """Set the cells whose points lie in a quad or on its edge; a quad is two triangles."""
    corners = np.empty((3, 2))
    for row in range(len(left)):
        after = (row + 1) % len(left)
        for half in range(2):
            corners[0] = left[row]
            corners[1] = right[row] if half == 0 else right[after]
            corners[2] = right[after] if half == 0 else left[after]
            first_x = max(int((corners[:, 0].min() - xs[0]) / cell), 0)
            last_x = min(int((corners[:, 0].max() - xs[0]) / cell) + 1, len(xs) - 1)
            first_y = max(int((corners[:, 1].min() - ys[0]) / cell), 0)
            last_y = min(int((corners[:, 1].max() - ys[0]) / cell) + 1, len(ys) - 1)
            for line in range(first_y, last_y + 1):
                for column in range(first_x, last_x + 1):
                    if _is_inside(corners, xs[column], ys[line]):
                        grid[line, column] = 1


@njit(cache=True, inline="always")
def _is_inside(corners: FloatArray, x: float, y: float) -> bool:
    """Return whether a point is on the same side of all three edges, or on one."""
    has_left, has_right = False, False
    for one in range(3):
        other = (one + 1) % 3
        side = (corners[other, 0] - corners[one, 0]) * (y - corners[one, 1]) - (corners[other, 1] - corners[one, 1]) * (
            x - corners[one, 0]
        )
        has_left = has_left or side > 0.0
        has_right = has_right or side < 0.0
    return not (has_left and has_right)
