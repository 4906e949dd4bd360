"""One rendered frame of the game: what records and screenshots are made of."""

import math
from typing import NamedTuple

from envs.track.bicycle import (
    AHEAD_MPS2,
    FRONT_SLIP_RAD,
    HEADING_RAD,
    REAR_SLIP_RAD,
    STEER_RAD,
    VELOCITY_X_MPS,
    VELOCITY_Y_MPS,
    X_M,
    Y_M,
    YAW_RATE_RADPS,
)
from envs.track.frames import FloatArray
from envs.trackmania.twin.world_frame import LEFT_X, yaw_of

_FULL_SLIP_RAD = 0.5  # of a wheel that counts as sliding entirely


class Frame(NamedTuple):
    """What the game shows at one moment.

    Attributes:
        number: of the frame, from 0.
        time_us: on the game's clock, microseconds.
        state: `(STATE_SIZE,)` of the car, columns named in `envs.track.bicycle`.
        height_m: y.
        distance_m: driven since the restart.
        gas: as pressed, 0 … 1.
        brake: as pressed, 0 … 1.
        steer: as pressed, -1 … 1, positive to the right.
        gear: -1 for reverse, else 1 … 5.
        rpm: of the engine.
        is_finished: the flag that the user interface shows, which may be stale.
        race_time_s: negative in the countdown, standing after the finish.
        checkpoints: passed.
        is_on_road: whether the car is between the edges.
        jerk_mps3: change of the acceleration along the car since the last frame.
        is_signed: whether the speed is told as negative in reverse.
    """

    number: int
    time_us: int
    state: FloatArray
    height_m: float
    distance_m: float
    gas: float
    brake: float
    steer: float
    gear: int
    rpm: float
    is_finished: bool
    race_time_s: float
    checkpoints: int
    is_on_road: bool
    jerk_mps3: float
    is_signed: bool

    @property
    def position(self) -> tuple[float, float, float]:
        """Place in the world: x, y, z, metres."""
        return LEFT_X * float(self.state[Y_M]), self.height_m, float(self.state[X_M])

    @property
    def velocity(self) -> tuple[float, float, float]:
        """Velocity in the world: x, y, z, m/s."""
        return LEFT_X * float(self.state[VELOCITY_Y_MPS]), 0.0, float(self.state[VELOCITY_X_MPS])

    @property
    def direction(self) -> tuple[float, float, float]:
        """Where the car points: a unit vector x, y, z."""
        heading = float(self.state[HEADING_RAD])
        return LEFT_X * math.sin(heading), 0.0, math.cos(heading)

    @property
    def yaw_rad(self) -> float:
        """Yaw, 0 facing +z."""
        return yaw_of(float(self.state[HEADING_RAD]))

    @property
    def speed_mps(self) -> float:
        """Speed over ground, without direction unless it is signed."""
        speed = math.hypot(self.state[VELOCITY_X_MPS], self.state[VELOCITY_Y_MPS])
        return -speed if self.is_signed and self.ahead_mps < 0.0 else speed

    @property
    def ahead_mps(self) -> float:
        """Velocity along the car."""
        heading = self.state[HEADING_RAD]
        return float(math.cos(heading) * self.state[VELOCITY_X_MPS] + math.sin(heading) * self.state[VELOCITY_Y_MPS])

    @property
    def right_mps(self) -> float:
        """Velocity across the car, positive to the driver's right."""
        heading = self.state[HEADING_RAD]
        return float(math.sin(heading) * self.state[VELOCITY_X_MPS] - math.cos(heading) * self.state[VELOCITY_Y_MPS])

    @property
    def acceleration_mps2(self) -> float:
        """Acceleration along the car."""
        return float(self.state[AHEAD_MPS2])

    @property
    def wheel_rad(self) -> float:
        """Angle of the front wheels, positive to the right."""
        return float(self.state[STEER_RAD])

    @property
    def slips(self) -> tuple[float, float, float, float]:
        """How much each wheel slides, 0 … 1: front left, front right, rear left, rear right."""
        front, rear = (min(abs(float(self.state[c])) / _FULL_SLIP_RAD, 1.0) for c in (FRONT_SLIP_RAD, REAR_SLIP_RAD))
        return front, front, rear, rear


def shown(state: FloatArray, late_s: float) -> FloatArray:
    """Return a copy of a car's state `late_s` after its tick: pictures move between ticks, the physics does not."""
    copy = state.copy()
    if late_s > 0.0:
        copy[X_M] += copy[VELOCITY_X_MPS] * late_s
        copy[Y_M] += copy[VELOCITY_Y_MPS] * late_s
        copy[HEADING_RAD] += copy[YAW_RATE_RADPS] * late_s
    return copy
