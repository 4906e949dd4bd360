"""Checks 10 and 11: is there a picture, and does the lidar see a road in it."""

from collections.abc import Iterator

import numpy as np

from envs.errors import SimulatorUnavailable
from envs.findings import PROBLEM, SKIPPED, WARNING, Finding
from envs.trackmania.env import TrackmaniaEnv
from envs.trackmania.lidar import PixelLidar

WINDOW, LIDAR = "10 window", "11 lidar"


def screen_checks(env: TrackmaniaEnv, place: str) -> Iterator[Finding]:
    """Yield the two findings; no telemetry is needed for them."""
    capture = None
    try:
        capture = env.game.capture()
        picture = None if capture is None else capture.screenshot()
    except SimulatorUnavailable as error:
        cure = "Start the game in a window, set the desktop's scaling to 100 %, and do not minimise it."
        yield Finding(place, WINDOW, str(error), PROBLEM, cure)
        yield Finding(place, LIDAR, "not reached: there is no picture", SKIPPED)
        return
    finally:
        if capture is not None:
            capture.close()
    if picture is None:
        yield Finding(place, WINDOW, "this observation needs no picture", SKIPPED)
        yield Finding(place, LIDAR, "this observation needs no picture", SKIPPED)
        return
    height, width = picture.shape[:2]
    if picture.max() == 0:
        yield Finding(place, WINDOW, f"{width} x {height} pixels, all black", PROBLEM, "Is the window minimised?")
    else:
        yield Finding(place, WINDOW, f"{width} x {height} pixels, mean brightness {picture.mean():.0f}")
    if not env.sees_lidar:
        yield Finding(place, LIDAR, "this observation has none", SKIPPED)
        return
    rays = PixelLidar(height, width).read(picture)
    lopsided = float(np.abs(rays - rays[::-1]).mean() / max(rays.mean(), 1.0))
    found = f"{rays.min():.0f} to {rays.max():.0f} pixels, left and right differ by {100 * lopsided:.0f} %"
    if np.ptp(rays) == 0 or lopsided > 0.5:
        cure = (
            "Choose the cockpit camera (key 3), hide the car, drive on plain road with black borders, start straight."
        )
        yield Finding(place, LIDAR, found, WARNING, cure)
    else:
        yield Finding(place, LIDAR, found)
