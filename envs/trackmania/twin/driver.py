"""A driver that finishes: along the centre line, as fast as its bends allow. For examples and tests."""

import math

import numpy as np

from envs.track.frames import to_car_frame
from envs.track.projection import NO_HINT
from envs.trackmania.twin.car import ROAD, eased_share
from envs.trackmania.twin.frame import Frame
from envs.trackmania.twin.road import Road

_AHEAD_M = np.arange(0.0, 160.0, 5.0)  # where bends are looked for
_GLANCE_M, _GLANCE_S = 6.0, 0.35  # the point to steer to


class CentreLineDriver:
    """Drive one car along a road.

    Args:
        road: of the game.
        top_mps: never faster.
        lateral_mps2: in bends.
        braking_mps2: before them.
    """

    def __init__(
        self, road: Road, *, top_mps: float = 80.0, lateral_mps2: float = 14.0, braking_mps2: float = 8.0
    ) -> None:
        self._road, self._hint = road, NO_HINT
        self._top, self._lateral, self._braking = top_mps, lateral_mps2, braking_mps2

    def action(self, frame: Frame) -> tuple[float, float, float]:
        """Return gas, brake and steer for what a frame shows."""
        centre, speed = self._road.centre, frame.speed_mps
        x, y, heading = frame.state[:3].tolist()
        place = centre.project(x, y, hint=self._hint)
        self._hint = place.segment
        glance = centre.position(np.array([place.s_m + _GLANCE_M + _GLANCE_S * speed]))
        ((ahead, left),) = to_car_frame(glance, np.array([x, y, heading]))
        angle = math.atan(ROAD.wheelbase_m * 2.0 * left / max(ahead**2 + left**2, 1e-6))
        steer = -angle / (ROAD.max_steer_rad * eased_share(speed))
        bends = np.maximum(np.abs(centre.curvature(place.s_m + _AHEAD_M)), 1e-5)
        allowed = float(np.sqrt(self._lateral / bends + 2.0 * self._braking * _AHEAD_M).min())
        excess = speed - min(allowed, self._top)
        return min(max(-0.3 * excess, 0.0), 1.0), min(max(0.2 * excess - 0.1, 0.0), 1.0), min(max(steer, -1.0), 1.0)
