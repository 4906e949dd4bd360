"""Eleven distances from a car to the borders, right to left: exact, for the original's coarse walls or for all."""

import math

import numpy as np

from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.track.frames import FloatArray
from envs.track.rays import RaySensor, ray_angles

NUM_RAYS = 11
MAX_RAY_M = 200.0
_EVERY = 10  # row of the borders that the original makes its walls from


class BorderRays:
    """Measure along rays from 90° to the right of a car's heading, every 18°, to 90° to the left.

    Args:
        track: whose borders are the walls.
        closed: all rows, and the way from the last to the first; else rows 0, 10, 20 … and the last, with a hole at the
            start line, which are the original's walls (of which it drops some by mistake: here none is).
    """

    def __init__(self, track: AcTrack, closed: bool) -> None:
        walls = [_closed(border) if closed else _thinned(border) for border in (track.left_m, track.right_m)]
        self.walls = walls
        self._rays = RaySensor(walls, angles_rad=ray_angles(NUM_RAYS, math.pi), max_range_m=MAX_RAY_M)

    def read(self, x_m: float, y_m: float, yaw_rad: float) -> FloatArray:
        """Return the distances `(11,)` that one car sees, metres; 200 where there is nothing nearer."""
        return self._rays.read(x_m, y_m, yaw_rad)

    def read_many(self, poses: FloatArray) -> FloatArray:
        """Return the distances `(B, 11)` from poses `(B, 3)` of x, y and yaw."""
        return self._rays.read_many(poses)


def _thinned(border: FloatArray) -> FloatArray:
    kept = border[::_EVERY]
    return kept if (len(border) - 1) % _EVERY == 0 else np.concatenate([kept, border[-1:]])


def _closed(border: FloatArray) -> FloatArray:
    return np.concatenate([border, border[:1]])
