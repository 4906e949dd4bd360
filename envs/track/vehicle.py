"""Cars that drive: one, or many at a time, by the same compiled model (`envs.track.bicycle`)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.track.bicycle import (
    AHEAD_MPS2,
    HEADING_RAD,
    LEFT_MPS2,
    STATE_SIZE,
    STEER_RAD,
    VELOCITY_X_MPS,
    VELOCITY_Y_MPS,
    X_M,
    YAW_RATE_RADPS,
    step_cars,
)
from envs.track.frames import FloatArray
from envs.track.vehicle_parameters import VehicleParameters


class Vehicles:
    """B cars of one kind.

    Args:
        count: B.
        parameters: of the kind; may be exchanged between two steps, as for other grounds.

    Attributes:
        states: `(B, STATE_SIZE)`, columns named in `envs.track.bicycle`. Changed in place by every step.
    """

    def __init__(self, count: int, parameters: VehicleParameters | None = None) -> None:
        self.states = np.zeros((count, STATE_SIZE))
        self.parameters = parameters or VehicleParameters()

    @property
    def parameters(self) -> VehicleParameters:
        """What the cars are made of."""
        return self._parameters

    @parameters.setter
    def parameters(self, parameters: VehicleParameters) -> None:
        self._parameters, self._record = parameters, parameters.record()

    @property
    def poses(self) -> FloatArray:
        """Poses `(B, 3)` as x, y and heading; a view of the states."""
        return self.states[:, X_M : HEADING_RAD + 1]

    @property
    def velocities_mps(self) -> FloatArray:
        """Velocities `(B, 2)` ahead and to the left, in the cars' frames."""
        cos, sin = np.cos(self.states[:, HEADING_RAD]), np.sin(self.states[:, HEADING_RAD])
        x, y = self.states[:, VELOCITY_X_MPS], self.states[:, VELOCITY_Y_MPS]
        return np.stack([cos * x + sin * y, cos * y - sin * x], axis=-1)

    def place(self, poses: FloatArray, speeds_mps: npt.ArrayLike = 0.0, *, cars: Any = slice(None)) -> None:
        """Put cars at rest in themselves, wheels straight, rolling ahead.

        Args:
            poses: `(B, 3)` x, y and heading, or as many as `cars` selects.
            speeds_mps: a number or one each.
            cars: an index, slice or mask of cars.
        """
        poses = np.asarray(poses, np.float64)
        placed = np.zeros((*poses.shape[:-1], STATE_SIZE))
        placed[..., X_M : HEADING_RAD + 1] = poses
        placed[..., VELOCITY_X_MPS] = speeds_mps * np.cos(poses[..., 2])
        placed[..., VELOCITY_Y_MPS] = speeds_mps * np.sin(poses[..., 2])
        self.states[cars] = placed

    def step(self, actions: npt.NDArray[np.floating[Any]], duration_s: float) -> None:
        """Drive on.

        Args:
            actions: `(B, 3)`, `[steer, throttle, brake]` as `envs.contract` has them, clipped to its ranges; a throttle
                below 0 drives backwards.
            duration_s: of the step; divided into parts of at most 5 ms.

        Raises:
            ValueError: the actions have another shape, or one is NaN; or the duration is not above 0.
        """
        numbers: FloatArray = np.ascontiguousarray(actions, np.float64)
        if numbers.shape != (len(self.states), 3) or not 0.0 < duration_s < np.inf:
            raise ValueError(
                f"Expected actions of shape {(len(self.states), 3)} and a duration above 0 s, "
                f"got {numbers.shape} and {duration_s} s."
            )
        car = step_cars(self.states, numbers, duration_s, self._record)
        if car >= 0:
            raise ValueError(
                f"Expected actions that are numbers, got {numbers[car]} (car {car}). Has the policy diverged?"
            )


class Vehicle:
    """One car; `Vehicles` of one, with names for what it is doing."""

    def __init__(self, parameters: VehicleParameters | None = None) -> None:
        self._cars = Vehicles(1, parameters)

    @property
    def parameters(self) -> VehicleParameters:
        """What the car is made of; may be exchanged between two steps."""
        return self._cars.parameters

    @parameters.setter
    def parameters(self, parameters: VehicleParameters) -> None:
        self._cars.parameters = parameters

    @property
    def state(self) -> FloatArray:
        """State `(STATE_SIZE,)`, columns named in `envs.track.bicycle`; a view."""
        return self._cars.states[0]

    @property
    def pose(self) -> tuple[float, float, float]:
        """Return x and y in metres and the heading in -π … π."""
        x, y, heading = self.state[X_M : HEADING_RAD + 1].tolist()
        return x, y, heading

    @property
    def velocity_mps(self) -> tuple[float, float]:
        """Velocity ahead and to the left."""
        ahead, left = self._cars.velocities_mps[0].tolist()
        return ahead, left

    @property
    def speed_mps(self) -> float:
        """Speed over ground, without direction."""
        return float(np.hypot(self.state[VELOCITY_X_MPS], self.state[VELOCITY_Y_MPS]))

    @property
    def yaw_rate_radps(self) -> float:
        """Rate of the heading, anticlockwise."""
        return float(self.state[YAW_RATE_RADPS])

    @property
    def steer_rad(self) -> float:
        """Angle of the front wheels, positive to the right."""
        return float(self.state[STEER_RAD])

    @property
    def acceleration_mps2(self) -> tuple[float, float]:
        """Acceleration ahead and to the left, as felt in the car."""
        return float(self.state[AHEAD_MPS2]), float(self.state[LEFT_MPS2])

    def place(self, pose: npt.ArrayLike, speed_mps: float = 0.0) -> None:
        """Put the car at pose `(3,)`, wheels straight, rolling ahead."""
        self._cars.place(np.asarray(pose, np.float64)[np.newaxis], speed_mps)

    def step(self, action: npt.NDArray[np.floating[Any]], duration_s: float) -> None:
        """Drive on with `action` `(3,)`; as `Vehicles.step`."""
        self._cars.step(np.reshape(action, (1, -1)), duration_s)
