"""Write an occupancy grid as the pickle that the original's client loads. There is no reader, on purpose."""

import pickle
from pathlib import Path

from envs.assetto_corsa.tracks.occupancy import OccupancyGrid
from envs.assetto_corsa.whole_files import write_whole

ORIGINAL_CELL_M = 0.1
_PROTOCOL = 3  # names of modules stand in it as lines of text
_NUMPY_2, _NUMPY_1 = b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"


def write_pickled_grid(grid: OccupancyGrid, path: Path) -> None:
    """Write a dict of `cell_size`, the bounds and the flat `grid`; numpy 1 and 2 load it."""
    held = {
        "cell_size": grid.cell_m,
        "min_x": grid.min_x,
        "min_y": grid.min_y,
        "max_x": grid.max_x,
        "max_y": grid.max_y,
        "grid": grid.grid.ravel(),
    }
    # numpy 2 writes a module name that older ones lack, and knows theirs; a grid of 0 and 1 cannot contain either.
    write_whole(path, pickle.dumps(held, _PROTOCOL).replace(_NUMPY_2, _NUMPY_1))
