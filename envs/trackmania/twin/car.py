"""The twin's car: the shared vehicle model with power and grip. A stand-in, no claim about the game's physics."""

import math

import numpy as np

from envs.track.bicycle import HEADING_RAD, STATE_SIZE, VELOCITY_X_MPS, VELOCITY_Y_MPS, step_cars
from envs.track.frames import FloatArray
from envs.track.vehicle_parameters import VehicleParameters
from envs.trackmania.twin.gearbox import FIRST, IDLE_RPM, shifted

ROAD = VehicleParameters(
    engine_power_w=650e3,  # with the drag: 100 m/s at most
    engine_force_n=13000.0,
    drag_kgpm=0.6,
    downforce_kgpm=1.0,
    downforce_front_share=0.48,
    friction=2.5,
    gravity_height_m=0.15,
    drive_front_share=0.4,
    brake_force_n=40000.0,
    max_steer_rad=0.5,
    steer_rate_radps=4.0,
)
GRASS = ROAD.changed(friction=0.9, rolling_n=3000.0)
_EASED_MPS = 18.0  # at which full steer is half of what it is at rest: on a pad, fast cars stay drivable
_STANDING_MPS = 0.5  # below which the brake becomes the reverse gear's throttle


def eased_share(speed_mps: float) -> float:
    """Return which share of the wheels' lock full steer gives at a speed."""
    return 1.0 / (1.0 + (speed_mps / _EASED_MPS) ** 2)


class Car:
    """One car.

    Attributes:
        state: `(STATE_SIZE,)`, columns named in `envs.track.bicycle`.
        gear: -1 for reverse, else 1 … 5.
        rpm: revolutions of the engine a minute.
    """

    def __init__(self) -> None:
        self._states = np.zeros((1, STATE_SIZE))
        self.state: FloatArray = self._states[0]
        self._actions = np.zeros((1, 3))
        self._surfaces = GRASS.record(), ROAD.record()
        self.gear, self.rpm = FIRST, IDLE_RPM

    @property
    def ahead_mps(self) -> float:
        """Velocity along the car."""
        heading = self.state[HEADING_RAD]
        return float(math.cos(heading) * self.state[VELOCITY_X_MPS] + math.sin(heading) * self.state[VELOCITY_Y_MPS])

    @property
    def speed_mps(self) -> float:
        """Speed over ground."""
        return math.hypot(self.state[VELOCITY_X_MPS], self.state[VELOCITY_Y_MPS])

    def place(self, pose: FloatArray, speed_mps: float = 0.0) -> None:
        """Put the car at pose `(3,)` x, y and heading in the plane, wheels straight, rolling ahead."""
        self.state[:] = 0.0
        self.state[: HEADING_RAD + 1] = pose
        self.state[VELOCITY_X_MPS], self.state[VELOCITY_Y_MPS] = (
            speed_mps * math.cos(pose[2]),
            speed_mps * math.sin(pose[2]),
        )
        self.gear, self.rpm = shifted(FIRST, speed_mps)

    def drive(self, gas: float, brake: float, steer: float, duration_s: float, *, is_on_road: bool) -> None:
        """Drive on; gas and brake in 0 … 1, steer in -1 … 1, positive to the right."""
        action = self._actions[0]
        action[0] = steer * eased_share(self.speed_mps)
        action[1], action[2] = gas, brake
        if brake > 0.0 and gas == 0.0 and self.ahead_mps < _STANDING_MPS:
            action[1], action[2] = -brake, 0.0
        step_cars(self._states, self._actions, duration_s, self._surfaces[is_on_road])
        self.gear, self.rpm = shifted(self.gear, self.ahead_mps)
