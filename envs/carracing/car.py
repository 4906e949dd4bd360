"""The car of CarRacing: Gymnasium's dynamics with the same floats, in half the time."""

import math
from collections.abc import Sequence
from typing import Any

import Box2D
import numpy as np
from gymnasium.envs.box2d import car_dynamics
from gymnasium.envs.box2d.car_dynamics import (
    ENGINE_POWER,
    FRICTION_LIMIT,
    HULL_POLY1,
    HULL_POLY2,
    HULL_POLY3,
    HULL_POLY4,
    SIZE,
    WHEEL_COLOR,
    WHEEL_MOMENT_OF_INERTIA,
    WHEEL_R,
    WHEEL_W,
    WHEELPOS,
)

_GRASS_LIMIT = FRICTION_LIMIT * 0.6
_STIFFNESS = 205000 * SIZE * SIZE  # cuts oscillations within a few steps
_BRAKE_FORCE = 15  # radians per second
_AXIS = Box2D.b2Vec2(1, 0)


def _polygon(corners: Sequence[tuple[float, float]]) -> Any:
    return Box2D.b2PolygonShape(vertices=[(x * SIZE, y * SIZE) for x, y in corners])


_HULL_SHAPES = [_polygon(corners) for corners in (HULL_POLY1, HULL_POLY2, HULL_POLY3, HULL_POLY4)]
_WHEEL_SHAPE = _polygon([(-WHEEL_W, WHEEL_R), (WHEEL_W, WHEEL_R), (WHEEL_W, -WHEEL_R), (-WHEEL_W, -WHEEL_R)])
_HULL = [Box2D.b2FixtureDef(shape=shape, density=1.0) for shape in _HULL_SHAPES]
_WHEEL = Box2D.b2FixtureDef(shape=_WHEEL_SHAPE, density=0.1, categoryBits=0x0020, maskBits=0x001, restitution=0.0)


class Car(car_dynamics.Car):
    """Four wheels on a hull; rear-wheel drive.

    Wheels carry `omega` (radians per second), `phase` (radians), `gas`, `brake`, `steer` and `tiles`, the indices of
    the road tiles they touch.

    Source: gymnasium 1.2.2, envs/box2d/car_dynamics.py. The car is built as there, from fixtures that are defined once:
    Box2D's bindings never free the shape of one that is not kept, 3 KB a car. `step` does the same double-precision
    operations in the same order, with Python floats instead of NumPy scalars and half the calls into Box2D.
    """

    def __init__(self, world: Any, angle: float, x: float, y: float) -> None:
        self.world = world
        self.hull = world.CreateDynamicBody(position=(x, y), angle=angle, fixtures=_HULL)
        self.hull.color = (0.8, 0.0, 0.0)
        self.wheels = [self._wheel(angle, x, y, place) for place in WHEELPOS]
        self.drawlist = [*self.wheels, self.hull]
        self.particles = []
        self.fuel_spent = 0.0
        parts = [fixture.shape.vertices for fixture in self.hull.fixtures]
        corners = np.zeros((len(parts), max(map(len, parts)), 2), np.float32)
        for row, part in zip(corners, parts, strict=True):
            row[: len(part)] = part
        #: `(4, 8, 2)` float32 corners of the hull's convex parts in its own frame, and how many of each count
        self.hull_outline = corners, np.array([len(part) for part in parts])

    def _wheel(self, angle: float, x: float, y: float, place: tuple[float, float]) -> Any:
        """Make a wheel at `place` on the hull, and join it to it."""
        across, ahead = place[0] * SIZE, place[1] * SIZE
        wheel = self.world.CreateDynamicBody(position=(x + across, y + ahead), angle=angle, fixtures=_WHEEL)
        wheel.wheel_rad = WHEEL_R * SIZE
        wheel.color = WHEEL_COLOR
        wheel.gas = wheel.brake = wheel.steer = wheel.phase = wheel.omega = 0.0
        wheel.skid_start = wheel.skid_particle = None
        wheel.joint = self.world.CreateJoint(
            Box2D.b2RevoluteJointDef(
                bodyA=self.hull,
                bodyB=wheel,
                localAnchorA=(across, ahead),
                localAnchorB=(0, 0),
                enableMotor=True,
                enableLimit=True,
                maxMotorTorque=180 * 900 * SIZE * SIZE,
                motorSpeed=0,
                lowerAngle=-0.4,
                upperAngle=0.4,
            )
        )
        wheel.tiles = set()
        wheel.userData = wheel
        return wheel

    def control(self, steer: float, throttle: float, brake: float) -> None:
        """Set the pedals and the wheel's target, `steer` +1 to the right; the throttle rises by 0.1 a step at most."""
        front_left, front_right, rear_left, rear_right = self.wheels
        front_left.steer = front_right.steer = -steer
        throttle = min(max(throttle, 0.0), 1.0)
        for wheel in (rear_left, rear_right):
            wheel.gas += min(throttle - wheel.gas, 0.1)
        for wheel in self.wheels:
            wheel.brake = brake

    def step(self, dt: float) -> None:
        """Apply the forces of a step of `dt` seconds to the wheels."""
        for wheel in self.wheels:
            self._turn_axle(wheel)
            side = wheel.GetWorldVector(_AXIS)
            side_x, side_y = side.x, side.y
            velocity = wheel.linearVelocity
            velocity_x, velocity_y = velocity.x, velocity.y
            forward_speed = -side_y * velocity_x + side_x * velocity_y
            side_speed = side_x * velocity_x + side_y * velocity_y

            omega = wheel.omega
            gas = wheel.gas
            omega += dt * ENGINE_POWER * gas / WHEEL_MOMENT_OF_INERTIA / (abs(omega) + 5.0)
            self.fuel_spent += dt * ENGINE_POWER * gas
            omega = _braked(omega, wheel.brake)
            wheel.phase += omega * dt

            forward_force = (-forward_speed + omega * wheel.wheel_rad) * _STIFFNESS
            side_force = -side_speed * _STIFFNESS
            force = math.sqrt(forward_force * forward_force + side_force * side_force)
            limit = FRICTION_LIMIT if wheel.tiles else _GRASS_LIMIT
            self._leave_skid_mark(wheel, is_skidding=force > 2.0 * limit)
            if force > limit:
                forward_force = forward_force / force * limit
                side_force = side_force / force * limit
            wheel.omega = omega - dt * forward_force * wheel.wheel_rad / WHEEL_MOMENT_OF_INERTIA
            wheel.ApplyForceToCenter(
                (side_force * side_x + forward_force * -side_y, side_force * side_y + forward_force * side_x), True
            )

    @staticmethod
    def _turn_axle(wheel: Any) -> None:
        error = wheel.steer - wheel.joint.angle
        speed = min(50.0 * abs(error), 3.0)
        wheel.joint.motorSpeed = speed if error > 0 else -speed

    def _leave_skid_mark(self, wheel: Any, *, is_skidding: bool) -> None:
        if not is_skidding:
            wheel.skid_start = wheel.skid_particle = None
            return
        grass, mark = not wheel.tiles, wheel.skid_particle
        if mark and mark.grass == grass and len(mark.poly) < 30:
            mark.poly.append((wheel.position[0], wheel.position[1]))
        elif wheel.skid_start is None:
            wheel.skid_start = wheel.position
        else:
            wheel.skid_particle = self._create_particle(wheel.skid_start, wheel.position, grass)
            wheel.skid_start = None


def _braked(omega: float, brake: float) -> float:
    if brake >= 0.9:
        return 0.0
    if brake > 0:
        change = min(_BRAKE_FORCE * brake, abs(omega))
        return omega - change if omega > 0 else omega + change
    return omega
