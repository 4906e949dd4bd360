"""Where a car is beside a racing line, and what the line does ahead: as the original has it, or without its defects."""

import numpy as np
import numpy.typing as npt

from envs.arguments import check_range
from envs.assetto_corsa.geometry.compatible_gap import IntArray, compatible_gaps
from envs.assetto_corsa.geometry.line_curvature import spline_curvature, windowed_curvature
from envs.assetto_corsa.geometry.look_ahead import CyclicTable, MetreTable
from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.errors import ConfigError
from envs.track.frames import FloatArray


class ReferenceLine:
    """Measure against the line of a track.

    | | compatible | fixed |
    |---|---|---|
    | gap | at the nearest vertex, seam open | to the nearest point of the closed line |
    | lap distance | share of the game's length | share of the closed line's length |
    | ahead | metre table, jumps back at its end | cyclic |
    | curvature, without a column | smoothing splines | turn within 10 m |

    Args:
        track: whose line it is.
        fixed: without the original's defects.
        length_m: of a lap, as the game told it; the track's own by default. Only the compatible lap distance uses it.

    Raises:
        ConfigError: the line is too short to look 300 m ahead.
    """

    def __init__(self, track: AcTrack, fixed: bool = False, *, length_m: float | None = None) -> None:
        self.track, self.is_fixed = track, fixed
        self.length_m = track.closed_length_m if fixed else track.length_m if length_m is None else length_m
        check_range("length_m", self.length_m, 1.0)
        self._line = np.ascontiguousarray(track.line_m)
        if track.curvature is not None:
            curvature = track.curvature
        else:
            curvature = windowed_curvature(track.closed_line) if fixed else spline_curvature(track.line_m)
        self._curvature = self._table(curvature)
        self._speed = None if track.target_speed_mps is None else self._table(track.target_speed_mps)

    def gap(self, x_m: float, y_m: float) -> tuple[float, int]:
        """Return how far a car is to the right of the line, negative to the left, metres, and the line's row there."""
        gaps, rows = self.gap_many(np.array([[x_m, y_m]]))
        return float(gaps[0]), int(rows[0])

    def gap_many(self, points_m: FloatArray) -> tuple[FloatArray, IntArray]:
        """Return gaps `(B,)` and rows `(B,)` for cars at `(B, 2)`; otherwise as `gap`."""
        points = np.ascontiguousarray(points_m, np.float64)
        if not self.is_fixed:
            return compatible_gaps(self._line, points)
        found = self.track.closed_line.project_many(points)
        return -found.left_m, found.segment

    def lap_dist(self, spline_position: npt.ArrayLike) -> FloatArray:
        """Return metres since the start line `(...)` for the game's `NormalizedSplinePosition` `(...)`."""
        return np.asarray(spline_position, np.float64) * self.length_m

    def curvature_ahead(self, lap_dist_m: npt.ArrayLike) -> FloatArray:
        """Return curvatures `(..., 12)` 0, 25 … 275 m ahead, per metre, positive to the left."""
        return self._curvature.at(lap_dist_m)

    def target_speed_ahead(self, lap_dist_m: npt.ArrayLike) -> FloatArray:
        """Return target speeds `(..., 12)` 0, 25 … 275 m ahead, m/s.

        Raises:
            ConfigError: the track's line has none.
        """
        if self._speed is None:
            raise ConfigError(
                f"Expected a target_speed column in the line of {self.track.full_name}, and it has none. Make one with "
                "python -m envs.assetto_corsa.tracks (synthetic.has_target_speed=true), or leave target speeds out."
            )
        return self._speed.at(lap_dist_m)

    def _table(self, values: FloatArray) -> MetreTable | CyclicTable:
        if not self.is_fixed:
            return MetreTable(self.track.line_m, values)
        line = self.track.closed_line
        return CyclicTable(line.s_m, values, line.length_m)
