"""What a race is made of, and who keeps what happened in it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from envs.assetto_corsa.actions import ActionMap
from envs.assetto_corsa.course import Course
from envs.assetto_corsa.driving import Drive
from envs.assetto_corsa.endings import Ending, Endings
from envs.assetto_corsa.images import ImageScaler, ImageSource
from envs.assetto_corsa.look import Look
from envs.assetto_corsa.opponents_client import CarSource
from envs.assetto_corsa.presets import Preset
from envs.assetto_corsa.rewards import Reward


class Recorder(Protocol):
    """Keeps what happened; `envs.assetto_corsa.recording` writes it down."""

    def row(
        self,
        look: Look,
        *,
        action: npt.NDArray[np.float64],
        reward: float,
        ending: Ending | None,
        is_going_backwards: bool,
        missing: int,
    ) -> None:
        """Keep the state that a step led to."""

    def finish(self, *, outcome: str, course: Course, is_terminated: bool) -> None:
        """Write the episode down, if there was any."""


@dataclass(frozen=True)
class RaceParts:
    """What a race is made of.

    Attributes:
        drive: of the game.
        actions: to the joystick.
        gears: which kind of shifts actions hold.
        preset: what is observed.
        reward: what is paid.
        endings: when it is over.
        images: where pictures come from; None where none are needed. Called once, at the first reset.
        scaler: of pictures.
        has_extras: whether `info` has the raw channels.
        cars: returns what tells where the other cars are; None where nobody asks. Called once, at the first reset.
    """

    drive: Drive
    actions: ActionMap
    gears: str
    preset: Preset
    reward: Reward
    endings: Endings
    images: Callable[[], ImageSource] | None = None
    scaler: ImageScaler | None = None
    has_extras: bool = False
    cars: Callable[[], CarSource] | None = None
