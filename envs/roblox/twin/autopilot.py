"""A scripted driver: along the centre line, slower before bends that are too narrow for the speed."""

import math

import numpy as np

from envs.roblox.twin.checkpoints import IntArray
from envs.roblox.twin.circuit import Circuit
from envs.roblox.twin.engine import TOP_SPEED
from envs.roblox.twin.fleet import Fleet
from envs.roblox.twin.motion import WHEELBASE
from envs.track.frames import FloatArray, to_car_frame

_GLANCE, _GLANCE_S = 12.0, 0.25  # the point to steer to: studs ahead, and seconds
_STEER_RAD, _EASE = math.radians(30.0), 0.3
_MOST_BEND = 0.018  # 1/studs, where it would lift: above it the car cannot turn at top speed


class Autopilot:
    """Drive cars of a fleet round and round.

    Args:
        fleet: whose cars.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def actions(self, circuit: Circuit, slots: IntArray) -> FloatArray:
        """Return throttle, steering and nitro `(K, 3)` for the cars in `slots` `(K,)`."""
        fleet, centre = self._fleet, circuit.track.centre
        poses, speeds = fleet.pose[slots], np.maximum(fleet.speed[slots], 0.0)
        places = centre.project_many(poses[:, :2], hints=fleet.segment[slots])
        glance = centre.position(places.s_m + _GLANCE + _GLANCE_S * speeds)
        points = to_car_frame(glance[:, np.newaxis], poses)[:, 0]
        ahead, left = points[:, 0], points[:, 1]
        angles = np.arctan(WHEELBASE * 2.0 * left / np.maximum(ahead**2 + left**2, 1e-6))
        # Behind the car, the point is reached by the tightest turn there is.
        angles = np.where(ahead > 0.0, angles, np.copysign(_STEER_RAD, left))
        steering = -angles / (_STEER_RAD * np.maximum(1.0 - _EASE * speeds / TOP_SPEED, 0.1))
        bends = np.abs(centre.curvature(places.s_m + speeds))
        throttle = np.where(bends > _MOST_BEND, 0.5, 1.0)
        return np.stack([throttle, np.clip(steering, -1.0, 1.0), np.full(len(slots), -1.0)], axis=1)
