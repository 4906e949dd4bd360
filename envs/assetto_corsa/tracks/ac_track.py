"""A track as Assetto Corsa's Gym describes one: two borders and a racing line, row by row. In the plan frame."""

import functools
import hashlib
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.arguments import check_range
from envs.errors import ConfigError
from envs.track.centre_line import CentreLine
from envs.track.frames import FloatArray
from envs.track.track import Track

LEAST_ROWS = 30  # that make a closed line with look-ahead and rays
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")  # a part of file names and of a game's folder names


@dataclass(frozen=True, eq=False)
class AcTrack:
    """A closed track. Row i of all arrays belongs together; rows are in driving order, without a closing duplicate.

    The plan frame is right-handed and seen from above: x is the game's Z, y its X, metres; left of the driving
    direction is `(-t_y, t_x)` of its tangent.

    Attributes:
        name: as the game calls the track, such as `ks_barcelona`.
        configuration: its layout, such as `layout_gp`; empty for a track with one.
        left_m: `(N, 2)` left border.
        right_m: `(N, 2)` right border.
        line_m: `(N, 2)` the racing line that gaps and curvatures are measured against.
        curvature: `(N,)` of the line, per metre, positive to the left; None: computed from its points.
        target_speed_mps: `(N,)` along the line; None: unknown.
        length_m: of a lap as the game counts it; may differ by metres from the line's own length.

    Raises:
        ConfigError: shapes, names or numbers do not fit; names the rows. Plausibility is for `envs.…tracks.checks`.
    """

    name: str
    configuration: str
    left_m: FloatArray
    right_m: FloatArray
    line_m: FloatArray
    curvature: FloatArray | None
    target_speed_mps: FloatArray | None
    length_m: float

    def __post_init__(self) -> None:
        """Check and freeze."""
        for what, word in (("name", self.name), ("configuration", self.configuration or "-")):
            if not _NAME.fullmatch(word) and word != "-":
                raise ConfigError(
                    f"Expected the {what} of a track from letters, digits, _, - and dots, got {word!r}: it becomes a "
                    "file name."
                )
        for column in ("left_m", "right_m", "line_m"):
            self._freeze(column, (2,))
        for column in ("curvature", "target_speed_mps"):
            if getattr(self, column) is not None:
                self._freeze(column, ())
        check_range(f"length_m of {self.full_name}", self.length_m, 1.0, 1e6)
        object.__setattr__(self, "length_m", float(self.length_m))  # numpy's floats cannot be written as YAML

    @property
    def full_name(self) -> str:
        """The name with the configuration, as the original's client joins them."""
        return f"{self.name}-{self.configuration}" if self.configuration else self.name

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return len(self.line_m)

    @functools.cached_property
    def closed_line(self) -> CentreLine:
        """The racing line as a closed polyline with arc lengths and projection."""
        return CentreLine(self.line_m)

    @property
    def closed_length_m(self) -> float:
        """Of the racing line's polyline, the way from the last row to the first included."""
        return self.closed_line.length_m

    @functools.cached_property
    def widths_m(self) -> FloatArray:
        """Distances `(N,)` between the borders, row by row."""
        return np.asarray(np.linalg.norm(self.left_m - self.right_m, axis=1), np.float64)

    @functools.cached_property
    def road(self) -> Track:
        """The road between the borders, with their middle as its centre line.

        Raises:
            ConfigError: the borders cross or turn back; such a track has no middle that could be followed.
        """
        return Track(CentreLine(0.5 * (self.left_m + self.right_m)), self.left_m, self.right_m)

    @functools.cached_property
    def digest(self) -> str:
        """Hash of everything that derived channels depend on."""
        parts = [self.left_m, self.right_m, self.line_m, np.array([self.length_m])]
        parts += [column for column in (self.curvature, self.target_speed_mps) if column is not None]
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16]

    def reversed(self) -> "AcTrack":
        """Return the track driven the other way round, row 0 where it was; without target speeds."""

        def turned(rows: FloatArray) -> FloatArray:
            return np.roll(rows[::-1], 1, axis=0)

        curvature = None if self.curvature is None else -turned(self.curvature)
        return AcTrack(
            self.name,
            self.configuration,
            turned(self.right_m),
            turned(self.left_m),
            turned(self.line_m),
            curvature,
            None,
            self.length_m,
        )

    def _freeze(self, column: str, shape: tuple[int, ...]) -> None:
        """Replace a column by a read-only array of finite numbers in the shape it must have."""
        rows: npt.NDArray[np.float64] = np.array(getattr(self, column), np.float64, order="C")
        wanted = (len(np.atleast_1d(self.line_m)), *shape)
        if rows.shape != wanted or wanted[0] < LEAST_ROWS:
            raise ConfigError(
                f"Expected {column} of {self.full_name} with shape {('N', *shape)}, N of line_m and at least "
                f"{LEAST_ROWS}, got {rows.shape} beside {wanted[0]} rows."
            )
        broken = np.flatnonzero(~np.isfinite(rows.reshape(len(rows), -1)).all(axis=1))
        if len(broken):
            raise ConfigError(
                f"Expected finite {column} of {self.full_name}, got {rows[broken[0]]} at row {broken[0]}."
            )
        rows.setflags(write=False)
        object.__setattr__(self, column, rows)
