"""A recorded drive from a file: `.npy`, or `.npz` with an array `points`. Nothing is unpickled."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError

_LARGEST = 64 << 20  # bytes
_KEY = "points"


def as_trajectory(trajectory: npt.ArrayLike | str | os.PathLike[str]) -> npt.ArrayLike:
    """Return an array as it came, and a file's array `(N, 3)`.

    Raises:
        ConfigError: the file is missing, too large, or holds no such array.
    """
    if not isinstance(trajectory, str | os.PathLike):
        return trajectory
    path = Path(trajectory)
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigError(f"Expected a trajectory of at most {_LARGEST:,} bytes, {path} has more.")
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return np.asarray(loaded[_KEY])
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(
            f"Expected a trajectory in {path}: .npy, or .npz with an array {_KEY!r} of x, y, z ({error})."
        ) from error
