"""A scripted driver of CarRacing that knows the track: a teacher for policies, and a score that the physics must allow.

It follows the racing line by pure pursuit. Steering and pedals are what gives the tyres the slip against the road that
makes the wanted forces: a tyre pushes with 82 N per m/s of slip up to the friction limit, and skids beyond.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.envs.box2d.car_dynamics import ENGINE_POWER, FRICTION_LIMIT, SIZE, WHEEL_MOMENT_OF_INERTIA, WHEEL_R

from envs.carracing.game import FRAMES_PER_S
from envs.carracing.racing_line import RacingLine
from envs.carracing.telemetry import COLUMNS, SLIP, SPEED, WHEEL_SPEEDS, YAW_RATE, TelemetrySensor

# The car's
_WHEEL_RADIUS = WHEEL_R * SIZE  # metres
_FRONT, _REAR = 1.6, 1.64  # metres from the hull's origin to the axles
_STIFFNESS = 205000 * SIZE * SIZE  # newtons per m/s of slip
_SKID = FRICTION_LIMIT / _STIFFNESS  # m/s of slip, the most that still pushes more
_KG = 7.3  # hull and wheels
_ROLLING_KG = 18.3  # the same, with the inertia of the front wheels, which throttle must turn as well
_BRAKE_RADPS = 15.0  # what the full brake takes from a wheel's speed in a frame
_HARDEST_BRAKE = 0.89  # 0.9 blocks the wheels
_COOLING_RADPS = 5.0  # the engine gives power / (wheel's speed + this)

# Chosen, as the racing line's, on tracks 20000 to 20099 and 30000 to 30299
_LEAD_S = 0.05  # where the car will be before it answers
_LOOK_M, _LOOK_S = 2.0, 0.12  # how far ahead on the line it aims: metres, and seconds at its speed
_SPEED_S = 0.05  # until when it is to have the line's speed there
_YAW_GAIN = 400.0  # newtons at the front axle per rad/s that the car turns too slowly
_PURSUIT_MPS2 = 220.0  # lateral acceleration for which it slows down on its way to the line
_CRAWL_MPS = 3.0  # below it, angles of slip mean nothing


class PursuitDriver:
    """Drive lap after lap of one track, in this package's game or Gymnasium's own, from wherever the car is.

    Args:
        beta: `(N,)` direction of the track at each point, radians from +y, anticlockwise.
        centre: `(N, 2)` points of the centre line, metres.
    """

    def __init__(self, beta: npt.NDArray[np.float64], centre: npt.NDArray[np.float64]) -> None:
        self._sensor = TelemetrySensor(beta, centre)
        self._line = RacingLine(beta, centre)

    def act(self, car: Any) -> npt.NDArray[np.float32]:
        """Return `(3,)`, steer -1..1 (right positive), throttle 0..1 and brake 0..1, for the next frame of `car`."""
        reading = self._sensor.read(car).tolist()
        speed, slip, yaw_rate = reading[COLUMNS[SPEED]], reading[COLUMNS[SLIP]], reading[COLUMNS[YAW_RATE]]
        hull, line, near = car.hull, self._line, self._sensor.nearest
        forward = hull.GetLocalVector(hull.linearVelocity).y
        soon = hull.position + _LEAD_S * hull.linearVelocity
        x, y, _ = line.at(line.locate(soon.x, soon.y, near) + _LOOK_M + _LOOK_S * speed)
        curvature = _arc(
            hull.GetLocalVector((x - soon.x, y - soon.y)), math.atan2(slip, forward) if speed > _CRAWL_MPS else 0.0
        )
        _, _, top_speed = line.at(line.locate(hull.position.x, hull.position.y, near) + _SPEED_S * speed)
        top_speed = min(top_speed, math.sqrt(_PURSUIT_MPS2 / max(abs(curvature), 1e-6)))
        throttle, brake = _pedals(
            (top_speed - speed) / _SPEED_S, forward, slip - _REAR * yaw_rate, max(reading[COLUMNS[WHEEL_SPEEDS]][2:])
        )
        return np.array([_steer(curvature, forward, slip, yaw_rate), throttle, brake], np.float32)


def _arc(target: Any, course: float) -> float:
    """Return the curvature, per metre, right positive, of the arc to a target that begins in the direction of travel.

    Args:
        target: metres to the right of the car (x) and ahead (y).
        course: radians by which the car travels to the right of where it points.
    """
    angle = (math.atan2(target.x, target.y) - course + math.pi) % (2 * math.pi) - math.pi
    return 2 * math.sin(_clip(angle, math.pi / 2)) / math.hypot(target.x, target.y)


def _steer(curvature: float, forward: float, slip: float, yaw_rate: float) -> float:
    """Return the angle, radians, of front wheels that bend the way so: as the front axle moves, plus an angle of slip.

    What turns too fast gets less, so that a tail that breaks out is caught.
    """
    speed = max(forward, _CRAWL_MPS)
    wanted_yaw_rate = curvature * speed
    force = _KG / 2 * wanted_yaw_rate * speed + _YAW_GAIN * (wanted_yaw_rate - yaw_rate)
    front_slip = _clip(force / (2 * _STIFFNESS), _SKID)
    angle = math.atan2(slip + _FRONT * yaw_rate, speed) + math.atan2(front_slip, speed)
    return _clip(angle, 1.0)


def _pedals(acceleration: float, forward: float, rear_slip: float, wheel_speed: float) -> tuple[float, float]:
    """Return throttle and brake that give the wheels the slip of an acceleration, or what the rear tyres have left.

    Args:
        acceleration: wanted, m/s².
        forward: speed of the hull, m/s.
        rear_slip: of the rear axle, sideways, m/s.
        wheel_speed: of the faster rear wheel where it touches the road, m/s.
    """
    force = acceleration * (_ROLLING_KG / 2 if acceleration > 0 else _KG / 4)  # newtons of a wheel
    slip = _clip(force / _STIFFNESS, math.sqrt(max(_SKID**2 - rear_slip**2, 0.0)))
    wheel_acceleration = _clip(forward - wheel_speed, _SKID) * _STIFFNESS * _WHEEL_RADIUS / WHEEL_MOMENT_OF_INERTIA
    change = (forward + slip - wheel_speed) / _WHEEL_RADIUS - wheel_acceleration / FRAMES_PER_S  # rad/s, by the pedals
    if acceleration <= 0:
        return 0.0, min(max(-change / _BRAKE_RADPS, 0.0), _HARDEST_BRAKE)
    full = ENGINE_POWER / WHEEL_MOMENT_OF_INERTIA / (abs(wheel_speed) / _WHEEL_RADIUS + _COOLING_RADPS) / FRAMES_PER_S
    return min(max(change / full, 0.0), 1.0), 0.0


def _clip(value: float, limit: float) -> float:
    return min(max(value, -limit), limit)
