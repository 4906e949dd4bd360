"""A road: a centre line between a left and a right border. Flat: no banking, no hills."""

import functools
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError
from envs.track.centre_line import CentreLine
from envs.track.crossings import first_crossing
from envs.track.frames import FloatArray
from envs.track.projection import Projection, Projections


@dataclass(frozen=True, eq=False)
class Track:
    """A road whose borders cross neither themselves nor each other. Row i of all three belongs together.

    Attributes:
        centre: N points; the start line is at the first.
        left: `(N, 2)` border to the left of the driving direction, metres.
        right: `(N, 2)` border to the right.

    Raises:
        ConfigError: borders have another shape, are not finite, are on the wrong side, turn back (a bend is narrower
            than the road), or cross; names the rows.
    """

    centre: CentreLine
    left: FloatArray
    right: FloatArray

    def __post_init__(self) -> None:
        for name, side in (("left", 1.0), ("right", -1.0)):
            border = np.array(getattr(self, name), np.float64, order="C")
            border.setflags(write=False)
            object.__setattr__(self, name, border)
            self._check_border(name, border, side)
        for one, other in (("left", "left"), ("right", "right"), ("left", "right")):
            rows = first_crossing(getattr(self, one), getattr(self, other), closed=self.centre.is_closed)
            if rows:
                raise ConfigError(
                    f"Expected borders that do not cross, but the {one} border at row {rows[0]} crosses the {other} "
                    f"one at row {rows[1]}."
                )

    @classmethod
    def from_widths(
        cls, points: npt.ArrayLike, left_m: npt.ArrayLike, right_m: npt.ArrayLike, *, closed: bool = True
    ) -> Self:
        """Return the road along centre points, perpendicular to their tangents.

        Args:
            points: `(N, 2)` metres, in driving order, without a closing duplicate.
            left_m: from the centre line to the left border: a number or `(N,)`, above 0.
            right_m: to the right border.
            closed: whether it is a circuit.
        """
        centre = CentreLine(points, closed=closed)
        normals = np.stack([-np.sin(centre.headings_rad), np.cos(centre.headings_rad)], axis=-1)
        left, right = (np.broadcast_to(width, len(normals))[:, np.newaxis] for width in (left_m, right_m))
        return cls(centre, centre.points + left * normals, centre.points - right * normals)

    @functools.cached_property
    def edges(self) -> FloatArray:
        """Left and right border as `(2, N, 2)`, what envs offer as `envs.contract.ROAD_EDGES`."""
        return np.stack([self.left, self.right])

    @functools.cached_property
    def half_widths_m(self) -> FloatArray:
        """Distances `(2, N)` from the centre points to their left and right border points."""
        return np.linalg.norm(self.edges - self.centre.points, axis=2)

    @property
    def start_pose(self) -> FloatArray:
        """Pose `(3,)` x, y and heading of a car on the start line."""
        return self.pose_at(0.0)

    def pose_at(self, s_m: npt.ArrayLike, left_m: npt.ArrayLike = 0.0) -> FloatArray:
        """Return poses `(..., 3)` along the road at arc lengths `(...)`, so many metres left of the centre line."""
        heading = self.centre.heading(s_m)
        normal = np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
        place = self.centre.position(s_m) + np.asarray(left_m)[..., np.newaxis] * normal
        return np.concatenate([place, heading[..., np.newaxis]], axis=-1)

    def edges_at(self, s_m: npt.ArrayLike) -> FloatArray:
        """Return points `(2, ..., 2)` of the left and right border beside arc lengths `(...)` of the centre line."""
        segment, share = self.centre.places(s_m)
        here, there = self.edges[:, segment], self.edges[:, (segment + 1) % len(self.left)]
        return here + share[..., np.newaxis] * (there - here)

    def is_on_road(self, projection: Projection | Projections) -> Any:
        """Return whether projected points are between the borders: a bool, or `(B,)` for many."""
        widths, begins = self.half_widths_m, self.centre.s_m
        here, there = projection.segment, (projection.segment + 1) % len(begins)
        lap = self.centre.length_m if self.centre.is_closed else np.inf
        share = (projection.s_m - begins[here]) % lap / ((begins[there] - begins[here]) % lap)
        left, right = widths[:, here] + share * (widths[:, there] - widths[:, here])
        return (-right <= projection.left_m) & (projection.left_m <= left)

    def _check_border(self, name: str, border: FloatArray, side: float) -> None:
        points = self.centre.points
        if border.shape != points.shape or not np.isfinite(border).all():
            raise ConfigError(f"Expected a finite {name} border of shape {points.shape}, got shape {border.shape}.")
        headings = self.centre.headings_rad
        ahead = np.stack([np.cos(headings), np.sin(headings)], axis=-1)
        offset = border - points
        across = side * (ahead[:, 0] * offset[:, 1] - ahead[:, 1] * offset[:, 0])
        wrong = np.flatnonzero(across <= 0.0)
        if len(wrong):
            raise ConfigError(
                f"Expected the {name} border on the {name} of the centre line; at row {wrong[0]} it is not."
            )
        last = None if self.centre.is_closed else -1
        steps, along = ((np.roll(line, -1, axis=0) - line)[:last] for line in (border, points))
        back = np.flatnonzero((steps * along).sum(axis=1) <= 0.0)
        if len(back):
            raise ConfigError(
                f"Expected a {name} border that runs along with the centre line; at row {back[0]} it turns back: the "
                "bend is narrower than the road is wide there."
            )
