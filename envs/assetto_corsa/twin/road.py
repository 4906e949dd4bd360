"""A track as the twin's compiled code reads it: segments of the line, borders beside them, a speed for every row."""

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.assetto_corsa.tracks.speed_profile import speed_profile
from envs.assetto_corsa.twin.car_model import CarModel
from envs.track.frames import FloatArray
from envs.track.projection import project_one

_GRIP_SHARE, _BRAKING_SHARE, _DRIVE_MPS2 = 0.75, 0.6, 4.0  # of what a car could do, that line drivers use
_GRAVITY_MPS2 = 9.81
_TOP_SHARE = 0.95
WINDOW_M, LOST_M = 40.0, 60.0  # of projections: beside the last place, and where the whole line is searched


class RoadArrays(NamedTuple):
    """What compiled code needs. Row i of all belongs together; after the last comes the first.

    Attributes:
        segments: `(N, 6)` of the line, as in `envs.track.projection`.
        left: `(N, 2)` border.
        right: `(N, 2)` border.
        speeds_mps: `(N,)` along the line, for drivers.
        length_m: of the closed line.
    """

    segments: FloatArray
    left: FloatArray
    right: FloatArray
    speeds_mps: FloatArray
    length_m: float


@functools.lru_cache(maxsize=16)
def road_arrays(track: AcTrack, model: CarModel) -> RoadArrays:
    """Return the arrays of a track, with speeds for a car of this model; made once for all games on it."""
    points = track.line_m
    steps = np.roll(points, -1, axis=0) - points
    lengths = np.hypot(steps[:, 0], steps[:, 1])
    begins = np.concatenate([[0.0], np.cumsum(lengths)])
    segments = np.column_stack([points, steps / lengths[:, np.newaxis], lengths, begins[:-1]])
    grip = _GRIP_SHARE * model.chassis.friction * _GRAVITY_MPS2
    speeds = track.target_speed_mps
    if speeds is None:
        speeds = speed_profile(
            track.closed_line,
            lateral_mps2=grip,
            acceleration_mps2=_DRIVE_MPS2,
            braking_mps2=_BRAKING_SHARE / _GRIP_SHARE * grip,
            top_speed_mps=_TOP_SHARE * model.top_mps[-1],
        )
    return RoadArrays(
        np.ascontiguousarray(segments),
        np.ascontiguousarray(track.left_m),
        np.ascontiguousarray(track.right_m),
        np.ascontiguousarray(speeds, np.float64),
        float(begins[-1]),
    )


def pose_along(track: AcTrack, s_m: float, left_m: float = 0.0) -> npt.NDArray[np.float64]:
    """Return the pose `(3,)` at an arc length of the line, so many metres to its left, along its tangent."""
    line = track.closed_line
    heading = float(line.heading(s_m))
    x, y = line.position(s_m).tolist()
    return np.array([x - left_m * np.sin(heading), y + left_m * np.cos(heading), heading])


@njit(cache=True, error_model="numpy")
def width_share(road: RoadArrays, x: float, y: float, segment: int) -> tuple[float, float]:
    """Return how far from the right to the left border a point is (0 … 1 is on the road), and the width there, metres.

    Args:
        road: with its borders.
        x: of the point.
        y: of the point.
        segment: of the line, near the point.
    """
    s, _, _, row = project_one(road.segments, True, x, y, segment, 8.0, 8.0, LOST_M)
    following = row + 1 if row + 1 < len(road.segments) else 0
    share = min(max((s - road.segments[row, 5]) / road.segments[row, 4], 0.0), 1.0)
    right_x = road.right[row, 0] + share * (road.right[following, 0] - road.right[row, 0])
    right_y = road.right[row, 1] + share * (road.right[following, 1] - road.right[row, 1])
    across_x = road.left[row, 0] + share * (road.left[following, 0] - road.left[row, 0]) - right_x
    across_y = road.left[row, 1] + share * (road.left[following, 1] - road.left[row, 1]) - right_y
    squared = across_x * across_x + across_y * across_y
    return ((x - right_x) * across_x + (y - right_y) * across_y) / squared, squared**0.5
