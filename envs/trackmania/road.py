"""The road ahead: a centre line and two edges in the plane, by arc length, also beyond the finish."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError
from envs.track.centre_line import CentreLine
from envs.track.frames import FloatArray
from envs.trackmania.plane import to_plane
from envs.trackmania.route import Route
from envs.trackmania.trajectory import resampled

SPACING_M = 1.0  # of its points
BACK_M, AHEAD_M = 10.0, 12.0  # what a car may drive between two looks: 120 m/s for 0.1 s
LOST_M = 40.0
_LEAST_M = 1e-3
HALF_WIDTH_M = 12.8  # where no edges are known; half of TMRL's test map


@dataclass(frozen=True, eq=False)
class Road:
    """A road from start to finish. Its edges need not be smooth, and may cross in narrow bends.

    Attributes:
        centre: an open line in the plane.
        left: `(N, 2)` edge point to the left of each of its points, metres.
        right: `(N, 2)` to the right.
        route: the same points in the game's frame, hills included.
    """

    centre: CentreLine
    left: FloatArray
    right: FloatArray
    route: Route

    @classmethod
    def along(cls, points: npt.ArrayLike, half_width_m: float = HALF_WIDTH_M) -> Self:
        """Return the road of equal width along a drive `(M, 3)`, in the game's frame."""
        line = _spaced(points)
        centre = CentreLine(to_plane(line), closed=False)
        normals = np.stack([-np.sin(centre.headings_rad), np.cos(centre.headings_rad)], axis=-1)
        return cls(centre, centre.points + half_width_m * normals, centre.points - half_width_m * normals, Route(line))

    @classmethod
    def between(cls, points: npt.ArrayLike, left: npt.ArrayLike, right: npt.ArrayLike) -> Self:
        """Return the road along a drive, with edges `(K, 3)` and `(L, 3)` that somebody drove or measured."""
        line = _spaced(points)
        one, other = (to_plane(_beside(line, Route(edge))) for edge in (left, right))
        return cls(CentreLine(to_plane(line), closed=False), one, other, Route(line))

    @property
    def length_m(self) -> float:
        """Of the centre line."""
        return self.centre.length_m

    @property
    def half_width_m(self) -> float:
        """Half of the distance between the edges, at the middle of all places."""
        return float(np.median(np.linalg.norm(self.left - self.right, axis=1))) / 2.0

    def place(self, position_m: npt.ArrayLike, before_m: float) -> tuple[float, float]:
        """Return a car's arc length, and how far it is to the left of the centre line.

        It is looked for near where it was, so that a section beside the own is not taken for it; only a car that is
        nowhere near is looked for everywhere.

        Args:
            position_m: `(3,)`, in the game's frame.
            before_m: its last arc length.
        """
        flat, steep = self.centre.s_m, self.route.s_m  # arc lengths of the same points, seen from above and driven
        before = float(np.interp(before_m, flat, steep))
        place = self.route.place(position_m, before - BACK_M, before + AHEAD_M)
        if place.distance_m > LOST_M:
            place = self.route.place(position_m)
        s = float(np.interp(place.s_m, steep, flat))
        offset = to_plane(position_m) - self.centre.position(s)
        heading = float(self.centre.heading(s))
        return s, float(offset[1] * math.cos(heading) - offset[0] * math.sin(heading))

    def edges_at(self, s_m: npt.ArrayLike) -> FloatArray:
        """Return edge points `(2, ..., 2)`, left and right, beside arc lengths `(...)`; past the ends straight on."""
        s = np.asarray(s_m, np.float64)
        inside = np.clip(s, 0.0, self.length_m)
        heading = self.centre.heading(inside)
        tangent = np.stack([np.cos(heading), np.sin(heading)], axis=-1)
        beyond = (s - inside)[..., np.newaxis] * tangent
        knots = self.centre.s_m
        sides = [
            np.stack([np.interp(inside, knots, edge[:, axis]) for axis in range(2)], axis=-1) + beyond
            for edge in (self.left, self.right)
        ]
        return np.stack(sides)


def load_road(points: npt.ArrayLike, edges: str | Path | None, half_width_m: float = HALF_WIDTH_M) -> Road:
    """Return the road along a drive, with the edges of an npz (`left` and `right`, `(K, 3)`) if there is one.

    Raises:
        ConfigError: the file does not hold edges, or not on their sides of the drive.
    """
    if edges is None:
        return Road.along(points, half_width_m)
    try:
        with np.load(edges, allow_pickle=False) as archive:
            left, right = (np.asarray(archive[name], np.float64) for name in ("left", "right"))
    except (OSError, BadZipFile, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"Expected env.edges to be an npz with left and right, got {edges} ({error}).") from error
    for name, edge in (("left", left), ("right", right)):
        if edge.ndim != 2 or edge.shape[1] != 3 or not np.isfinite(edge).all():
            raise ConfigError(f"Expected {name} of {edges} as finite points (K, 3), got shape {edge.shape}.")
    road = Road.between(points, left, right)
    _check_sides(road, edges)
    return road


def _check_sides(road: Road, file: str | Path) -> None:
    """Refuse edges that do not lie to the left and to the right of the drive, at the middle of all places."""
    headings = road.centre.headings_rad
    normals = np.stack([-np.sin(headings), np.cos(headings)], axis=-1)
    left_m, right_m = (
        float(np.median(((edge - road.centre.points) * normals).sum(axis=1))) for edge in (road.left, road.right)
    )
    if left_m > 0.0 > right_m:
        return
    seems = "they seem to be swapped" if left_m < 0.0 < right_m else "both lie on the same side"
    raise ConfigError(
        f"Expected left and right of {file} to the left and to the right of the drive, got them {left_m:+.1f} and "
        f"{right_m:+.1f} m to its left: {seems}. Where the car faces +z, +x lies to its left."
    )


def _spaced(points: npt.ArrayLike) -> FloatArray:
    """Return points of a drive `(N, 3)`, without those that lie above each other."""
    line = resampled(points, SPACING_M)
    steps = np.linalg.norm(np.diff(to_plane(line), axis=0), axis=1)
    return line[np.concatenate([[True], steps > _LEAST_M])]


def _beside(line: FloatArray, edge: Route) -> FloatArray:
    """Return the edge's points `(N, 3)` beside a line's, searched along the edge so that they never run back."""
    found, s = [], 0.0
    for index, point in enumerate(line):
        s = edge.place(point, s, s + 20.0 * SPACING_M if index else edge.length_m).s_m
        found.append(s)
    return edge.position(found)
