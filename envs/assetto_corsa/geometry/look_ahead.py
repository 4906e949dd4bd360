"""Values of a line at places ahead of a car, as the original samples them, and cyclically exact."""

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError
from envs.track.frames import FloatArray

AHEAD_M = 300.0
NUM_AHEAD = 12
STEP_M = AHEAD_M / NUM_AHEAD
_BEYOND_M = 3.0  # which the original adds behind the last row but one


class MetreTable:
    """The original's table: a value a metre along the open polyline, of whose rows the last is left out.

    Beyond the last row but one it goes on straight for three metres, and then begins anew at 0; the closing segment is
    not known to it.

    Args:
        line_m: `(N, 2)` points.
        values: `(N,)` at them.

    Raises:
        ConfigError: the line is shorter than what is looked ahead.
    """

    def __init__(self, line_m: FloatArray, values: FloatArray) -> None:
        steps = np.linalg.norm(np.diff(line_m, axis=0), axis=1)
        places, known = np.concatenate([[0.0], np.cumsum(steps)])[:-1], values[:-1]
        metres = np.arange(0.0, places[-1] + _BEYOND_M)
        if len(metres) <= AHEAD_M:
            raise ConfigError(
                f"Expected a line of more than {AHEAD_M:g} m to look so far ahead, got {places[-1]:.1f} m."
            )
        slope = (known[-1] - known[-2]) / (places[-1] - places[-2])
        beyond = known[-1] + slope * (metres - places[-1])
        self._table = np.where(metres <= places[-1], np.interp(metres, places, known), beyond)

    def at(self, lap_dist_m: npt.ArrayLike) -> FloatArray:
        """Return `(..., 12)` values 0, 25 … 275 m ahead of lap distances `(...)`."""
        begin = np.asarray(lap_dist_m, np.float64)
        last = len(self._table) - 1
        end = begin + AHEAD_M
        first = np.maximum(np.ceil(begin), 0.0).astype(np.int64)
        num = np.maximum(np.minimum(np.floor(end), last).astype(np.int64) - first + 1, 0)
        wrapped = np.where(end > last, np.minimum(np.floor(end - last), last).astype(np.int64) + 1, 0)
        places = ((num + wrapped) // NUM_AHEAD)[..., np.newaxis] * np.arange(NUM_AHEAD)
        num, first = num[..., np.newaxis], first[..., np.newaxis]
        return np.asarray(self._table[np.where(places < num, first + places, places - num)], np.float64)


class CyclicTable:
    """Values along the closed polyline, in between by straight lines.

    Args:
        s_m: `(N,)` arc lengths, from 0.
        values: `(N,)` at them.
        length_m: of the closed line.
    """

    def __init__(self, s_m: FloatArray, values: FloatArray, length_m: float) -> None:
        self._s, self._length = np.append(s_m, length_m), length_m
        self._values = np.append(values, values[0])
        self._offsets = STEP_M * np.arange(NUM_AHEAD)

    def at(self, lap_dist_m: npt.ArrayLike) -> FloatArray:
        """Return `(..., 12)` values 0, 25 … 275 m ahead of lap distances `(...)`, which may be of any lap."""
        places = np.asarray(lap_dist_m, np.float64)[..., np.newaxis] + self._offsets
        return np.asarray(np.interp(places % self._length, self._s, self._values), np.float64)
