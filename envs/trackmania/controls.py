"""From an action to what a device gets: checked, clipped, quantised as a gamepad is.

Actions here are in the game's own order, `[gas, brake, steer]` in [-1, 1]; a pedal at 0 or below is released.
"""

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.trackmania.sources import ControlSink

BUTTON_A, BUTTON_B = 0x1000, 0x2000  # closes the finish's pop-up, restarts the race
PRESS_S = 0.1  # for which a button is held
_TRIGGER, _STICK = 255, 32767
_DATAGRAM = struct.Struct("<BBhH")


@dataclass(frozen=True)
class PadState:
    """What a gamepad's registers hold.

    Attributes:
        right_trigger: gas, 0 … 255.
        left_trigger: brake, 0 … 255.
        stick_x: of the left stick, -32767 … 32767, positive to the right.
        buttons: bits of those that are pressed.
    """

    right_trigger: int = 0
    left_trigger: int = 0
    stick_x: int = 0
    buttons: int = 0

    @classmethod
    def of(cls, gas: float, brake: float, steer: float) -> "PadState":
        """Return the nearest state to gas and brake in [0, 1] and steer in [-1, 1]."""
        return cls(round(_TRIGGER * gas), round(_TRIGGER * brake), round(_STICK * steer))

    @property
    def values(self) -> tuple[float, float, float]:
        """What the game reads: gas, brake, steer."""
        return self.right_trigger / _TRIGGER, self.left_trigger / _TRIGGER, self.stick_x / _STICK

    def datagram(self) -> bytes:
        """Return the 6 bytes that tell a twin of it."""
        return _DATAGRAM.pack(self.right_trigger, self.left_trigger, self.stick_x, self.buttons)

    @classmethod
    def from_datagram(cls, data: bytes) -> "PadState":
        """Return what `datagram` told; struct.error if it is none."""
        return cls(*_DATAGRAM.unpack(data))


class Controls:
    """What stands before a device: refuses what is no number, clips what is out of range, and counts it.

    Args:
        sink: the device.

    Attributes:
        clipped: actions of which a part was outside [-1, 1].
    """

    def __init__(self, sink: ControlSink) -> None:
        self._sink = sink
        self.clipped = 0

    def send(self, action: npt.ArrayLike | None) -> None:
        """Hold `[gas, brake, steer]` until the next action; None leaves the controls to whoever else drives.

        Raises:
            ValueError: the action has another shape, or is not finite; the device keeps what it had.
        """
        if action is None:
            return
        gas, brake, steer = checked(action)
        clipped = [min(max(value, -1.0), 1.0) for value in (gas, brake, steer)]
        self.clipped += clipped != [gas, brake, steer]
        self._sink.press(max(clipped[0], 0.0), max(clipped[1], 0.0), clipped[2])


def checked(action: Any) -> tuple[float, float, float]:
    """Return an action as three numbers.

    Raises:
        ValueError: it has another shape, or is not finite.
    """
    array = np.asarray(action, np.float64)
    if array.shape != (3,):
        raise ValueError(f"Expected an action [gas, brake, steer] of shape (3,), got {array.shape}: {action}.")
    gas, brake, steer = array.tolist()
    if not (math.isfinite(gas) and math.isfinite(brake) and math.isfinite(steer)):
        raise ValueError(f"Expected a finite action [gas, brake, steer], got {action}. Has the policy diverged?")
    return gas, brake, steer
