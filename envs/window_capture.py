"""Pictures of a game's window: found by its title, grabbed with the optional package mss.

What is grabbed is the client area, measured from the system, not assumed: scaled desktops and window decorations shift
it. Importing this module needs neither Windows nor a screen.
"""

import ctypes
import importlib
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.errors import SimulatorUnavailable


@dataclass(frozen=True)
class Region:
    """A part of the screen, physical pixels.

    Attributes:
        left: of its left edge.
        top: of its upper edge.
        width: pixels.
        height: pixels.
    """

    left: int
    top: int
    width: int
    height: int


class WindowCapture:
    """Grab the client area of a game's window.

    Args:
        title: of the window, exactly (Windows) or a part of it (Linux).
        find: returns the region of a window; None: this system's.
        grab: returns the picture of a region, `(H, W, 3 or 4)` uint8, blue first; None: mss.

    Raises:
        SimulatorUnavailable: there is no such window, no way to look for it, or no mss.
    """

    def __init__(self, title: str, *, find: Any = None, grab: Any = None) -> None:
        self._title = title
        self._find = find or _finder()
        self._grab = grab or _grabber()
        self.region = self._find(title)

    def screenshot(self) -> npt.NDArray[np.uint8]:
        """Return the window's picture, `(H, W, 3)` uint8, blue, green, red.

        Raises:
            SimulatorUnavailable: the window is gone or minimised.
        """
        picture = np.asarray(self._grab(self.region), np.uint8)[:, :, :3]
        if picture.size == 0:
            raise SimulatorUnavailable(f"The window {self._title!r} shows nothing: is it minimised?")
        return np.ascontiguousarray(picture)

    def refresh(self) -> None:
        """Look where the window is now, as after a person moved it.

        Raises:
            SimulatorUnavailable: it is gone or minimised.
        """
        self.region = self._find(self._title)

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""


def _grabber() -> Any:
    try:
        mss = importlib.import_module("mss")
    except ImportError as error:
        raise SimulatorUnavailable(f"Pictures of the game need the package mss ({error}): pip install mss.") from error
    screens = threading.local()  # on Windows mss works only in the thread that made it; resets and steps have two

    def grab(region: Region) -> npt.NDArray[np.uint8]:
        area = {"left": region.left, "top": region.top, "width": region.width, "height": region.height}
        try:
            if not hasattr(screens, "screen"):
                screens.screen = mss.mss()
            return np.asarray(screens.screen.grab(area))
        except mss.ScreenShotError as error:
            raise SimulatorUnavailable(
                f"The screen could not be read ({error}). Is the desktop locked, or is there no display?"
            ) from error

    return grab


def _finder() -> Any:
    if sys.platform == "win32":
        return _find_on_windows
    if sys.platform.startswith("linux"):
        if shutil.which("xdotool") is None:
            raise SimulatorUnavailable("To find the game's window on Linux, install the program xdotool.")
        return _find_on_linux
    raise SimulatorUnavailable(f"Pictures of the game are taken on Windows and Linux, not on {sys.platform}.")


def _find_on_linux(title: str) -> Region:
    found = subprocess.run(
        ["xdotool", "search", "--name", title, "getwindowgeometry", "--shell"],
        capture_output=True,
        text=True,
        timeout=5.0,
        check=False,
    )
    values = dict(line.split("=", 1) for line in found.stdout.splitlines() if "=" in line)
    if not {"X", "Y", "WIDTH", "HEIGHT"} <= set(values):
        raise _not_found(title)
    return Region(int(values["X"]), int(values["Y"]), int(values["WIDTH"]), int(values["HEIGHT"]))


class _Rectangle(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_long) for name in ("left", "top", "right", "bottom"))


class _Point(ctypes.Structure):
    _fields_ = (("x", ctypes.c_long), ("y", ctypes.c_long))


def _find_on_windows(title: str) -> Region:
    windows: Any = ctypes
    user = windows.windll.user32
    user.SetProcessDPIAware()  # else Windows tells scaled pixels, and another part of the screen is grabbed
    window = user.FindWindowW(None, title)
    if not window:
        raise _not_found(title)
    area, corner = _Rectangle(), _Point(0, 0)
    user.GetClientRect(window, ctypes.byref(area))
    user.ClientToScreen(window, ctypes.byref(corner))
    if area.right <= 0 or area.bottom <= 0:
        raise SimulatorUnavailable(f"The window {title!r} has no area: is it minimised?")
    return Region(corner.x, corner.y, area.right, area.bottom)


def _not_found(title: str) -> SimulatorUnavailable:
    return SimulatorUnavailable(
        f"There is no window named {title!r}. Start the game in a window (env.window_title if it is called otherwise), "
        "or choose env.obs=edges, which needs no picture."
    )
