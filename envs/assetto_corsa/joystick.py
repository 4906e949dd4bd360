"""The plugin's local mode: it ignores what it is told, and the game reads a joystick of this machine.

The shipped control profile reads three axes and two buttons; resolution and codes are those that it was made for.
"""

import sys
from dataclasses import dataclass
from typing import Protocol

from envs.arguments import check_choice
from envs.assetto_corsa.controls import Controls
from envs.errors import SimulatorUnavailable

NONE, VJOY, UINPUT, AUTO = "none", "vjoy", "uinput", "auto"
JOYSTICKS = (AUTO, VJOY, UINPUT, NONE)
AXIS_MAX = 32768
SHIFT_UP_BIT, SHIFT_DOWN_BIT = 0x1, 0x2


@dataclass(frozen=True)
class JoystickState:
    """What the joystick's registers hold.

    Attributes:
        x: steering, 0 … 32768, 16384 straight on.
        y: throttle, 0 released.
        z: brake, 0 released.
        buttons: bits of those that are held.
    """

    x: int = AXIS_MAX // 2
    y: int = 0
    z: int = 0
    buttons: int = 0

    @classmethod
    def of(cls, controls: Controls) -> "JoystickState":
        """Return the state of controls, rounded down as the plugin does; what is out of range is clamped."""
        buttons = 0
        if controls.enable_gear_shift:
            buttons = SHIFT_UP_BIT if controls.shift_up else SHIFT_DOWN_BIT if controls.shift_down else 0
        return cls(
            int(AXIS_MAX // 2 * _clamped(controls.steer + 1.0, 2.0)),
            int(AXIS_MAX * _clamped((controls.acc + 1.0) / 2.0, 1.0)),
            int(AXIS_MAX * _clamped((controls.brake + 1.0) / 2.0, 1.0)),
            buttons,
        )


class JoystickSink(Protocol):
    """Where controls go in local mode."""

    def press(self, controls: Controls) -> None:
        """Hold the controls."""

    def close(self) -> None:
        """Centre everything and let go; a second call does nothing."""


class NullSink:
    """Move nothing: the plugin does, or a person."""

    def press(self, controls: Controls) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def joystick_sink(name: str) -> JoystickSink:
    """Return a joystick of this machine.

    Args:
        name: `vjoy` (Windows), `uinput` (Linux), `auto`: this system's, or `none`.

    Raises:
        ConfigError: there is none of this name.
        SimulatorUnavailable: it cannot be had; says what to install.
    """
    check_choice("joystick", name, JOYSTICKS)
    if name == AUTO:
        name = VJOY if sys.platform == "win32" else UINPUT if sys.platform.startswith("linux") else AUTO
    if name == NONE:
        return NullSink()
    if name == VJOY:
        from envs.assetto_corsa.vjoy import VJoySink  # loads a library of Windows

        return VJoySink()
    if name == UINPUT:
        from envs.assetto_corsa.uinput import UinputSink  # needs a package of Linux

        return UinputSink()
    raise SimulatorUnavailable(
        f"There is no virtual joystick for {sys.platform}: use the plugin's remote mode (env.mode=remote)."
    )


def _clamped(value: float, most: float) -> float:
    return min(max(value, 0.0), most)
