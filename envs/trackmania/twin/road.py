"""The road of a race: a centre line of one width, a start, checkpoints and a finish gate. Plane of `envs.track`."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from envs.arguments import check_range
from envs.errors import ConfigError
from envs.track.centre_line import CentreLine
from envs.track.frames import FloatArray
from envs.track.synthetic import synthetic_track
from envs.trackmania.twin.world_frame import to_plane, to_world

HALF_WIDTH_M = 12.8  # half of the median distance of the edges on TMRL's own map
SPACING_M = 0.1  # of the points that a reward is made of
_FLOOR_M = 10.0  # height of the flat maps
_LENGTH_M, _RADIUS_M, _CORNERS, _MARGIN_M = 2000.0, 30.0, 10, 8.0  # of synthetic roads
_POINTS_M = 2.0  # between points of the centre line
_BEFORE_START_M = 30.0  # where a circuit's finish gate is: the lap ends short of the start line
_CORNER_M = 100.0  # least x and z of a synthetic road, so that positions are positive, as the game's are
_CHECKPOINTS = 4
_LEAST_M = 10.0


@dataclass(frozen=True, eq=False)
class Road:
    """Where cars race once, from the begin of the line to the gate.

    Attributes:
        centre: in the plane, the start at arc length 0. Closed or open.
        heights_m: `(N,)` of the centre's points.
        gate_m: arc length of the finish.
        half_width_m: from the centre line to each edge.
        checkpoints_m: arc lengths of the gates that must be passed, in order, before the finish counts.
    """

    centre: CentreLine
    heights_m: FloatArray
    gate_m: float
    half_width_m: float = HALF_WIDTH_M
    checkpoints_m: tuple[float, ...] = field(init=False)

    def __post_init__(self) -> None:
        between = np.linspace(0.0, self.gate_m, _CHECKPOINTS + 2)[1:-1]
        object.__setattr__(self, "checkpoints_m", tuple(between.tolist()))

    @cached_property  # asked for at every frame
    def is_flat(self) -> bool:
        """Whether all of it has one height."""
        return bool(np.ptp(self.heights_m) == 0.0)

    def height(self, s_m: npt.ArrayLike) -> FloatArray:
        """Return heights for arc lengths `(...)`, metres."""
        s = self.centre.wrapped(s_m)
        return np.interp(s, self.centre.s_m, self.heights_m)

    def trajectory(self) -> FloatArray:
        """Return the drive along the centre line, start to gate: `(N, 3)` x, y, z, `SPACING_M` apart."""
        s = SPACING_M * np.arange(int(self.gate_m / SPACING_M + 1e-9) + 1)
        return to_world(self.centre.position(s), self.height(s))

    def edges(self) -> FloatArray:
        """Return the left and the right edge, start to gate: `(2, N, 3)` x, y, z, 2 m apart."""
        s = np.append(np.arange(0.0, self.gate_m, _POINTS_M), self.gate_m)
        heading = self.centre.heading(s)
        left = self.half_width_m * np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
        middle, height = self.centre.position(s), self.height(s)
        return np.stack([to_world(middle + left, height), to_world(middle - left, height)])


def synthetic_road(seed: int) -> Road:
    """Return the flat circuit of a seed, 2 km long, as wide as the roads of TMRL's map."""
    track = synthetic_track(
        seed,
        length_m=_LENGTH_M,
        min_width_m=2 * HALF_WIDTH_M,
        max_width_m=2 * HALF_WIDTH_M,
        min_radius_m=_RADIUS_M,
        num_corners=_CORNERS,
        margin_m=_MARGIN_M,
        spacing_m=_POINTS_M,
    )
    world = to_world(track.centre.points, 0.0)
    world += _CORNER_M - to_world(track.edges.reshape(-1, 2), 0.0).min(axis=0)
    centre = CentreLine(to_plane(world))
    return Road(centre, np.full(len(world), _FLOOR_M), gate_m=centre.length_m - _BEFORE_START_M)


def road_along(trajectory: npt.ArrayLike, *, half_width_m: float = HALF_WIDTH_M) -> Road:
    """Return a road with a recorded drive as its centre line; the gate is at its end.

    Args:
        trajectory: `(N, 3)` x, y up, z, metres, in driving order.
        half_width_m: of the road.

    Raises:
        ConfigError: it is no drive: another shape, not finite, or too short.
    """
    points = np.asarray(trajectory, np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < 2 or not np.isfinite(points).all():
        raise ConfigError(f"Expected a trajectory (N, 3) of finite x, y, z with N of at least 2, got {points.shape}.")
    check_range("half_width_m", half_width_m, 1.0, 100.0)
    flat = to_plane(points)
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(flat, axis=0), axis=1))])
    check_range("the trajectory's length in metres", float(way[-1]), _LEAST_M)
    s = np.linspace(0.0, way[-1], max(round(way[-1] / _POINTS_M), 3) + 1)
    columns = [np.interp(s, way, column) for column in (flat[:, 0], flat[:, 1], points[:, 1])]
    centre = CentreLine(np.stack(columns[:2], axis=-1), closed=False)
    return Road(centre, columns[2], gate_m=centre.length_m - 0.5 * SPACING_M, half_width_m=half_width_m)
