"""A virtual XBox 360 gamepad, through the optional package vgamepad (Windows: ViGEmBus; Linux: /dev/uinput)."""

import importlib
import time
from collections.abc import Callable
from typing import Any

from envs.errors import SimulatorUnavailable
from envs.trackmania.controls import PadState
from envs.trackmania.sinks import PadSink

_CURE = (
    "Install it (pip install vgamepad). On Windows it brings the driver ViGEmBus; on Linux the user must be allowed to "
    "write /dev/uinput. env.controls=keyboard needs neither."
)


class GamepadSink(PadSink):
    """Press a virtual gamepad. The game must have the focus.

    Args:
        sleep: waits for seconds.

    Raises:
        SimulatorUnavailable: there is no package, or no driver.
    """

    def __init__(self, *, sleep: Callable[[float], None] = time.sleep) -> None:
        try:
            self._pad: Any = importlib.import_module("vgamepad").VX360Gamepad()
        except ImportError as error:
            raise SimulatorUnavailable(f"env.controls=gamepad needs the package vgamepad ({error}). {_CURE}") from error
        except Exception as error:  # its errors have no common class, and are about the driver
            raise SimulatorUnavailable(f"vgamepad could not make a gamepad ({error}). {_CURE}") from error
        super().__init__(self._apply, sleep=sleep)

    def _apply(self, state: PadState) -> None:
        pad = self._pad
        pad.reset()
        pad.right_trigger(value=state.right_trigger)
        pad.left_trigger(value=state.left_trigger)
        pad.left_joystick(x_value=state.stick_x, y_value=0)
        if state.buttons:
            pad.press_button(button=state.buttons)
        pad.update()
