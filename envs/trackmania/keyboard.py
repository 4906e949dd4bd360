"""Keys instead of a gamepad: all or nothing, through SendInput on Windows and xdotool on Linux."""

import ctypes
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from envs.errors import SimulatorUnavailable
from envs.trackmania.controls import PRESS_S

GAS, BRAKE, LEFT, RIGHT, RESTART = "gas", "brake", "left", "right", "restart"
STEER_LEAST = 0.5  # beyond which a steering key is pressed
WINDOWS_SCAN_CODES: Mapping[str, int] = {GAS: 0x11, BRAKE: 0x1F, RIGHT: 0x20, LEFT: 0x1E, RESTART: 0xD3}
LINUX_KEYS: Mapping[str, str] = {GAS: "Up", BRAKE: "Down", LEFT: "Left", RIGHT: "Right", RESTART: "BackSpace"}
_KEY_UP, _SCAN_CODE, _KEYBOARD = 0x0002, 0x0008, 1  # of Windows' KEYBDINPUT


class KeyboardSink:
    """Press the game's default keys. The game must have the focus.

    The finish's pop-up has no key: it is left open, and the restart closes it.

    Args:
        change: is called with a key's name and whether it is to be pressed; None: this system's.
        sleep: waits for seconds.

    Raises:
        SimulatorUnavailable: this system has no way to press keys.
    """

    def __init__(
        self, change: Callable[[str, bool], None] | None = None, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._change = change or _of_this_system()
        self._sleep = sleep
        self._held: frozenset[str] = frozenset()

    def press(self, gas: float, brake: float, steer: float) -> None:
        """Hold the keys of the pedals that are pressed at all, and of a steer beyond half."""
        wanted = {GAS: gas > 0.0, BRAKE: brake > 0.0, RIGHT: steer > STEER_LEAST, LEFT: steer < -STEER_LEAST}
        self._hold(frozenset(key for key, is_wanted in wanted.items() if is_wanted))

    def restart(self) -> None:
        """Press and release the key that begins the race anew."""
        self._hold(frozenset([RESTART]))
        self._sleep(PRESS_S)
        self._hold(frozenset())

    def close_popup(self) -> None:
        """Do nothing: see the class."""

    def close(self) -> None:
        """Release all keys."""
        self._hold(frozenset())

    def _hold(self, keys: frozenset[str]) -> None:
        for key in sorted(self._held - keys):
            self._change(key, False)
        for key in sorted(keys - self._held):
            self._change(key, True)
        self._held = keys


def _of_this_system() -> Callable[[str, bool], None]:
    if sys.platform == "win32":
        return _windows_change
    if sys.platform.startswith("linux"):
        if shutil.which("xdotool") is None:
            raise SimulatorUnavailable("env.controls=keyboard needs the program xdotool on Linux: install it.")
        return _linux_change
    raise SimulatorUnavailable(f"env.controls=keyboard knows Windows and Linux, not {sys.platform}.")


def _linux_change(key: str, is_down: bool) -> None:
    subprocess.run(["xdotool", "keydown" if is_down else "keyup", LINUX_KEYS[key]], check=True, timeout=1.0)


class _KeyboardInput(ctypes.Structure):
    _fields_ = (
        ("key", ctypes.c_ushort),
        ("scan_code", ctypes.c_ushort),
        ("flags", ctypes.c_ulong),
        ("time", ctypes.c_ulong),
        ("extra", ctypes.c_void_p),
        ("padding", ctypes.c_ubyte * 8),  # the union's largest member is a mouse's
    )


class _Input(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_ulong), ("keyboard", _KeyboardInput))


def _windows_change(key: str, is_down: bool) -> None:
    flags = _SCAN_CODE | (0 if is_down else _KEY_UP)
    event = _Input(_KEYBOARD, _KeyboardInput(0, WINDOWS_SCAN_CODES[key], flags, 0, None))
    windows: Any = ctypes
    windows.windll.user32.SendInput(1, ctypes.byref(event), ctypes.sizeof(event))
