"""One look at the game: what presets, rewards and endings are given of a step."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.assetto_corsa.geometry.derived import Derived
from envs.assetto_corsa.state_keys import State
from envs.track.frames import FloatArray

STEER_DEG = 450.0  # of the wheel, that observations and rewards count as 1


@dataclass(frozen=True)
class Look:
    """A state and what was made of it.

    Attributes:
        state: as the plugin told it.
        derived: from it, on the env's track.
        commands: `(3,)` of the joystick that led here.
        picture: `(H, W, C)` uint8; None where none are taken.
    """

    state: State
    derived: Derived
    commands: FloatArray
    picture: npt.NDArray[np.uint8] | None = None

    @property
    def feedback(self) -> FloatArray:
        """Wheel, throttle and brake as the game says they are, `(3,)`, about -1 … 1."""
        state = self.state
        return np.array([state["steerAngle"] / STEER_DEG, state["accStatus"], state["brakeStatus"]])
