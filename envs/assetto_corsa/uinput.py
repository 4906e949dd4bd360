"""A virtual joystick on Linux, for the game under Wine or Proton: an XBox 360 pad made with the package evdev."""

import importlib
from typing import Any

from envs.assetto_corsa.controls import Controls
from envs.assetto_corsa.joystick import AXIS_MAX, SHIFT_DOWN_BIT, SHIFT_UP_BIT, JoystickState
from envs.errors import SimulatorUnavailable

NAME = "Microsoft X-Box 360 pad"  # the game's profile looks for a device whose name contains "X-Box 360"
STEER_CODE, GAS_CODE, BRAKE_CODE = 0, 1, 3  # ABS_X, ABS_Y, ABS_RX
_BUTTON_CODES = ((SHIFT_UP_BIT, 0x130), (SHIFT_DOWN_BIT, 0x131))  # BTN_A, BTN_B: the profile's buttons 0 and 1
_MOST = 32767
_EV_KEY, _EV_ABS = 1, 3  # of the kernel's input events
_CURE = (
    "Install evdev (pip install evdev) and let the user write /dev/uinput (a udev rule, or the group input), or use "
    "the plugin's remote mode (env.mode=remote)."
)


def axis_value(raw: int) -> int:
    """Return the event's value for an axis at 0 … 32768: -32767 … 32767."""
    return min(max(int((raw / AXIS_MAX * 2.0 - 1.0) * _MOST), -_MOST), _MOST)


class UinputSink:
    """Press a pad of its own.

    Args:
        device: with evdev's `write` and `syn`; None: a new one.

    Raises:
        SimulatorUnavailable: there is no evdev, or no right to make devices.
    """

    def __init__(self, device: Any = None) -> None:
        self._device = device or _made()
        self._is_open = True

    def press(self, controls: Controls) -> None:
        """Hold the controls."""
        if not self._is_open:
            return
        state = JoystickState.of(controls)
        for code, raw in ((STEER_CODE, state.x), (GAS_CODE, state.y), (BRAKE_CODE, state.z)):
            self._device.write(_EV_ABS, code, axis_value(raw))
        for bit, code in _BUTTON_CODES:
            self._device.write(_EV_KEY, code, int(bool(state.buttons & bit)))
        self._device.syn()

    def close(self) -> None:
        """Unplug the pad, which stays as it was pressed last."""
        if self._is_open:
            self._is_open = False
            self._device.close()


def _made() -> Any:
    try:
        evdev: Any = importlib.import_module("evdev")
    except ImportError as error:
        raise SimulatorUnavailable(f"A joystick on Linux needs the package evdev ({error}). {_CURE}") from error
    pedals = (GAS_CODE, BRAKE_CODE)
    axes = [
        (code, evdev.AbsInfo(-_MOST if code in pedals else 0, min=-_MOST, max=_MOST, fuzz=0, flat=0, resolution=0))
        for code in (STEER_CODE, GAS_CODE, 2, BRAKE_CODE, 4, 5)
    ]
    capabilities = {_EV_KEY: [code for _, code in _BUTTON_CODES], _EV_ABS: axes}
    try:
        return evdev.UInput(capabilities, name=NAME, vendor=0x045E, product=0x028E, version=0x110)
    except Exception as error:  # evdev's own errors and OSError have no common class
        raise SimulatorUnavailable(f"A virtual joystick could not be made ({error}). {_CURE}") from error
