"""`python -m envs.assetto_corsa.capture`: sends pictures of the game's window to envs, also over a network."""

import logging
import time
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from envs.app import OK, plain, run_app
from envs.arguments import check_choice, check_range
from envs.assetto_corsa.capture_server import CaptureServer
from envs.assetto_corsa.images import COLOR_MODES, GRAY
from envs.errors import SimulatorUnavailable
from envs.window_capture import WindowCapture


class WindowGrabber:
    """Grab the game's window, small; look for it again where it is not.

    Args:
        title: of the window.
        width: pixels.
        height: pixels.
        color_mode: `gray` or `bgr`.
    """

    def __init__(self, title: str, width: int, height: int, color_mode: str) -> None:
        check_choice("color_mode", color_mode, COLOR_MODES)
        check_range("width", width, 16, 4096)
        check_range("height", height, 16, 4096)
        self._title, self._size, self._is_gray = title, (width, height), color_mode == GRAY
        self._window: WindowCapture | None = None

    def grab(self) -> npt.NDArray[np.uint8]:
        """Return the picture, `(H, W, C)` uint8.

        Raises:
            SimulatorUnavailable: there is no window, or no way to grab it.
        """
        if self._window is None:
            self._window = WindowCapture(self._title)
        try:
            picture = self._window.screenshot()
        except SimulatorUnavailable:
            self._window = None
            raise
        small = cv2.resize(picture, self._size, interpolation=cv2.INTER_LINEAR)
        if self._is_gray:
            small = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)[:, :, np.newaxis]
        return np.ascontiguousarray(small, dtype=np.uint8)


def main(config: Any) -> int:
    """Serve until ctrl-C."""
    section = plain(config)
    logging.getLogger("envs").setLevel(logging.INFO)
    grabber = WindowGrabber(
        section["window_title"], int(section["width"]), int(section["height"]), str(section["color_mode"])
    )
    server = CaptureServer(
        grabber.grab, host=section["host"], port=int(section["port"]), rate_hz=float(section["rate_hz"])
    )
    try:
        host, port = server.address
        print(f"Pictures of {section['window_title']!r} at {host}:{port}. Ctrl-C ends it.", flush=True)
        until = None if section["seconds"] is None else time.monotonic() + float(section["seconds"])
        while until is None or time.monotonic() < until:
            time.sleep(0.2)
    finally:
        server.close()
    return OK


if __name__ == "__main__":
    run_app(main, config_name="assetto_corsa_capture")
