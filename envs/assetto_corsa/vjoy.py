"""A virtual joystick on Windows: device 1 of the driver vJoy, through its own library."""

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

from envs.assetto_corsa.controls import Controls
from envs.assetto_corsa.joystick import JoystickState
from envs.errors import SimulatorUnavailable

DEVICE = 1  # that the control profile names
_LIBRARY = Path("vJoy", "x64", "vJoyInterface.dll")
_CURE = (
    "Install vJoy (device 1 with axes X, Y, Z and 8 buttons) and end other programs that hold it, or use the plugin's "
    "remote mode (env.mode=remote)."
)


class VJoyPosition(ctypes.Structure):
    """The record that vJoy takes: 1 byte, 18 LONG axes, LONG buttons, 4 DWORD hats, native alignment."""

    _fields_ = (
        ("device", ctypes.c_byte),
        *(
            (name, ctypes.c_int32)
            for name in (
                *("throttle", "rudder", "aileron", "x", "y", "z", "x_rotation", "y_rotation", "z_rotation", "slider"),
                *("dial", "wheel", "x_velocity", "y_velocity", "z_velocity", "x_brake", "y_brake", "z_brake"),
            )
        ),
        ("buttons", ctypes.c_int32),
        *((f"hat_{index}", ctypes.c_uint32) for index in range(4)),
    )


class VJoySink:
    """Move vJoy's device 1.

    Args:
        library: with vJoy's functions; None: the installed one.

    Raises:
        SimulatorUnavailable: vJoy is not there, or the device belongs to somebody else.
    """

    def __init__(self, library: Any = None) -> None:
        self._library = library or _installed()
        if not self._library.AcquireVJD(DEVICE):
            raise SimulatorUnavailable(f"vJoy's device {DEVICE} cannot be had. {_CURE}")
        self._is_open = True

    def press(self, controls: Controls) -> None:
        """Hold the controls."""
        if self._is_open:
            state = JoystickState.of(controls)
            position = VJoyPosition(device=DEVICE, x=state.x, y=state.y, z=state.z, buttons=state.buttons)
            self._library.UpdateVJD(DEVICE, ctypes.byref(position))

    def close(self) -> None:
        """Give the device back, as it was pressed last."""
        if self._is_open:
            self._is_open = False
            self._library.RelinquishVJD(DEVICE)


def _installed() -> Any:
    if sys.platform != "win32":
        raise SimulatorUnavailable(f"vJoy is a driver of Windows, this is {sys.platform}. {_CURE}")
    path = Path(os.environ.get("PROGRAMFILES", r"C:\Program Files")) / _LIBRARY
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise SimulatorUnavailable(f"vJoy's library {path} cannot be loaded ({error}). {_CURE}") from error
