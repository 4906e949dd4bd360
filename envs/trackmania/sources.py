"""The three things that a game is to the env: telemetry to read, controls to press, a screen to look at.

The real game answers through a socket, a virtual gamepad and its window; a twin in lock-step through method calls.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from envs.trackmania.records import Record


class TelemetrySource(Protocol):
    """Where records come from."""

    @property
    def seen(self) -> int:
        """Records so far."""

    @property
    def skipped(self) -> int:
        """Sound records that were superseded before they were read."""

    @property
    def unsound(self) -> int:
        """Records that were not finite or out of range, and not delivered."""

    @property
    def connections(self) -> int:
        """How often there was a connection: the first one, and those after losses."""

    def open(self, timeout_s: float) -> None:
        """Begin, or begin again after a fault: return when there is a record to read.

        Raises:
            LinkFault: there is none within `timeout_s`.
        """

    def newest(self) -> Record:
        """Return the newest sound record.

        Raises:
            LinkFault: the link was lost since `open`, or the record is too old.
        """

    def listen(self, listener: Callable[[Record], None]) -> None:
        """Call `listener` with every sound record, also those that nobody reads; from any thread."""

    def close(self) -> None:
        """End; a second call does nothing."""


class ControlSink(Protocol):
    """Where controls go. Every method returns when what it does is done, pauses included."""

    def press(self, gas: float, brake: float, steer: float) -> None:
        """Hold the controls: gas and brake in [0, 1], steer in [-1, 1] with +1 full right."""

    def restart(self) -> None:
        """Let the race begin anew."""

    def close_popup(self) -> None:
        """Close what the game shows after a finish."""

    def close(self) -> None:
        """Release everything; a second call does nothing."""


class ScreenCapture(Protocol):
    """Where pictures come from."""

    def refresh(self) -> None:
        """Make sure that pictures can be taken, after whatever happened since the last one: before every reset.

        Raises:
            SimulatorUnavailable: they cannot.
        """

    def screenshot(self) -> npt.NDArray[np.uint8]:
        """Return the game's picture as it is now, `(H, W, 3)` uint8, channels blue, green, red."""

    def close(self) -> None:
        """End; a second call does nothing."""


@dataclass(frozen=True)
class GameParts:
    """What an interface drives.

    Attributes:
        source: of telemetry.
        sink: of controls.
        capture: of pictures; None where the preset needs none.
        renew: makes the game as it was at its very begin, for resets with a seed; None where that cannot be.
    """

    source: TelemetrySource
    sink: ControlSink
    capture: ScreenCapture | None
    renew: Callable[[], None] | None = None
