"""The centre line of a road: arc lengths, headings, curvatures, projection. Conventions: `envs.track.frames`."""

import math
from typing import Self

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError
from envs.track.frames import FloatArray, wrap_angle
from envs.track.projection import NO_HINT, IntArray, Projection, Projections, project_many, project_one

BACK_M, AHEAD_M = 20.0, 60.0  # the window around a hint: what a car may move between two projections
LOST_M = 40.0  # farther from all of the window, the car is looked for along the whole line
_LEAST_M = 1e-6  # between two points


class CentreLine:
    """A polyline with arc lengths. Between its points, positions lie on the segments; headings and curvatures blend.

    On a closed line every arc length is meant modulo the length. An open line goes on straight beyond its ends.

    Args:
        points: `(N, 2)` metres, in driving order. A closed line does not repeat its first point at the end.
        closed: whether the last point leads back to the first.

    Attributes:
        points: `(N, 2)`, read-only.
        s_m: `(N,)` arc length at each point, read-only.
        length_m: of the whole line, the closing segment included.
        headings_rad: `(N,)` tangent at each point: that of the circle through it and its neighbours.
        curvatures: `(N,)` that circle's curvature, per metre, positive to the left; 0 at the ends of an open line.

    Raises:
        ConfigError: too few points, not finite, or the same point twice in a row; names the first such.
    """

    def __init__(self, points: npt.ArrayLike, *, closed: bool = True) -> None:
        self.points = _checked(points, closed)
        self.is_closed = closed
        steps = (np.roll(self.points, -1, axis=0) if closed else self.points[1:]) - self.points[
            : None if closed else -1
        ]
        lengths = np.hypot(steps[:, 0], steps[:, 1])
        self._knots = np.concatenate([[0.0], np.cumsum(lengths)])  # arc length at each point, and at the end
        self.length_m = float(self._knots[-1])
        self.s_m = self._knots[: len(self.points)]
        units = steps / lengths[:, np.newaxis]
        self._segments = np.column_stack([self.points[: len(steps)], units, lengths, self._knots[:-1]])
        self._turned, curvature = _bends(units, lengths, closed)
        self.headings_rad = wrap_angle(self._turned[: len(self.points)])
        self._curvature_at_knots = curvature
        self.curvatures = curvature[: len(self.points)]
        for array in (self.points, self._knots, self.s_m, self.headings_rad, self.curvatures):
            array.setflags(write=False)

    def resampled(self, spacing_m: float) -> Self:
        """Return the line with points at equal arc lengths, nearest to `spacing_m`, the first where it was."""
        num = max(round(self.length_m / spacing_m), 3)
        s = np.linspace(0.0, self.length_m, num + (0 if self.is_closed else 1), endpoint=not self.is_closed)
        return type(self)(self.position(s), closed=self.is_closed)

    def wrapped(self, s_m: npt.ArrayLike) -> FloatArray:
        """Return the same places as arc lengths in [0, length); on an open line as they came."""
        s = np.asarray(s_m, np.float64)
        if not self.is_closed:
            return s
        s = s % self.length_m
        return np.where(s < self.length_m, s, 0.0)  # a tiny negative number modulo the length is the length

    def position(self, s_m: npt.ArrayLike) -> FloatArray:
        """Return `(..., 2)` points on the line for arc lengths `(...)`."""
        segment, share = self.places(s_m)
        x0, y0, unit_x, unit_y, length, _ = np.moveaxis(self._segments[segment], -1, 0)
        return np.stack([x0 + share * length * unit_x, y0 + share * length * unit_y], axis=-1)

    def places(self, s_m: npt.ArrayLike) -> tuple[IntArray, FloatArray]:
        """Return for arc lengths `(...)` the segment, and the share of it that lies behind: 0..1.

        Beyond the ends of an open line it is below 0 on the first, or above 1 on the last segment.
        """
        s = self.wrapped(s_m)
        segment = np.clip(np.searchsorted(self._knots, s, side="right") - 1, 0, len(self._segments) - 1)
        return segment, (s - self._knots[segment]) / self._segments[segment, 4]

    def heading(self, s_m: npt.ArrayLike) -> FloatArray:
        """Return the tangents for arc lengths `(...)`, radians in -π … π."""
        return wrap_angle(self._turned_until(np.asarray(s_m, np.float64)))

    def curvature(self, s_m: npt.ArrayLike) -> FloatArray:
        """Return the curvatures for arc lengths `(...)`, per metre, positive to the left."""
        s = self.wrapped(s_m)
        outside = (s < 0.0) | (s > self.length_m)
        return np.where(outside, 0.0, np.interp(s, self._knots, self._curvature_at_knots))

    def curvature_ahead(self, s_m: npt.ArrayLike, edges_m: npt.ArrayLike) -> FloatArray:
        """Return mean curvatures of stretches of the line ahead: how much it turns over how long.

        Args:
            s_m: `(...)` arc lengths of cars.
            edges_m: `(K + 1,)` where the K stretches begin and end, metres ahead, increasing.

        Returns:
            `(..., K)` per metre, positive to the left.
        """
        edges = np.asarray(edges_m, np.float64)
        turned = self._turned_until(np.asarray(s_m, np.float64)[..., np.newaxis] + edges)
        return np.diff(turned, axis=-1) / np.diff(edges)

    def project(
        self,
        x_m: float,
        y_m: float,
        *,
        hint: int = NO_HINT,
        back_m: float = BACK_M,
        ahead_m: float = AHEAD_M,
        lost_m: float = LOST_M,
    ) -> Projection:
        """Return where a point is along the line.

        Args:
            x_m: of the point.
            y_m: of the point.
            hint: `segment` of the car's last projection: the line around it is searched first, and another stretch of
                road nearby is not taken for the own. Without one, the nearest point of the whole line is found.
            back_m: how far the window reaches behind the hint.
            ahead_m: how far it reaches ahead.
            lost_m: if all of the window is farther away, the whole line is searched.
        """
        return Projection(*project_one(self._segments, self.is_closed, x_m, y_m, hint, back_m, ahead_m, lost_m))

    def project_many(
        self,
        points: FloatArray,
        *,
        hints: IntArray | None = None,
        back_m: float = BACK_M,
        ahead_m: float = AHEAD_M,
        lost_m: float = LOST_M,
    ) -> Projections:
        """Return where `points` `(B, 2)` are along the line, with `hints` `(B,)`; otherwise as `project`."""
        places = np.ascontiguousarray(points, np.float64)
        known = np.full(len(places), NO_HINT) if hints is None else np.ascontiguousarray(hints, np.int64)
        return Projections(*project_many(self._segments, self.is_closed, places, known, back_m, ahead_m, lost_m))

    def _turned_until(self, s: FloatArray) -> FloatArray:
        """Return the heading without jumps at ±π, also over many laps."""
        if not self.is_closed:
            return np.interp(s, self._knots, self._turned)
        laps = np.floor(s / self.length_m)
        return np.interp(s - laps * self.length_m, self._knots, self._turned) + laps * (
            self._turned[-1] - self._turned[0]
        )


def _checked(points: npt.ArrayLike, closed: bool) -> FloatArray:
    line = np.array(points, np.float64, order="C")
    least = 3 if closed else 2
    if line.ndim != 2 or line.shape[1] != 2 or len(line) < least:
        raise ConfigError(f"Expected a centre line of shape (N, 2) with N of at least {least}, got {line.shape}.")
    broken = np.flatnonzero(~np.isfinite(line).all(axis=1))
    if len(broken):
        raise ConfigError(f"Expected finite points of a centre line, got {line[broken[0]]} at row {broken[0]}.")
    gaps = np.linalg.norm((np.roll(line, -1, axis=0) - line)[: None if closed else -1], axis=1)
    twice = np.flatnonzero(gaps < _LEAST_M)
    if len(twice):
        raise ConfigError(
            f"Expected a centre line without the same point twice in a row, got {line[twice[0]]} at row {twice[0]} "
            "and after it. A closed line does not repeat its first point at the end: drop the last row."
        )
    return line


def _bends(units: FloatArray, lengths: FloatArray, closed: bool) -> tuple[FloatArray, FloatArray]:
    """Return at each knot the heading without jumps and the curvature, of the circle through it and its neighbours."""
    into, out = np.roll(units, 1, axis=0), units
    before = np.roll(lengths, 1)
    turns = np.arctan2(into[:, 0] * out[:, 1] - into[:, 1] * out[:, 0], (into * out).sum(axis=1))
    chords = np.linalg.norm(into * before[:, np.newaxis] + out * lengths[:, np.newaxis], axis=1)
    if not closed:
        turns[0], chords[0] = 0.0, 1.0
    first = math.atan2(units[0, 1], units[0, 0])
    along = first + np.concatenate([[0.0], np.cumsum(turns[1:])])  # of each segment
    at_begin = along - turns * lengths / (before + lengths)
    curvature = 2.0 * np.sin(turns) / np.maximum(chords, _LEAST_M)
    if closed:
        return np.append(at_begin, at_begin[0] + turns.sum()), np.append(curvature, curvature[0])
    return np.append(at_begin, along[-1]), np.append(curvature, 0.0)
