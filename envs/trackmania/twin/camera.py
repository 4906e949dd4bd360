"""Cameras that look at a road: `lidar` from the cockpit, as the interface's ray algorithm needs it, `full` from behind.

`lidar` is a road brighter than that algorithm's threshold between darker borders; `full` is a landscape with the car.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from envs.arguments import check_range
from envs.errors import ConfigError
from envs.track.bicycle import HEADING_RAD, X_M, Y_M
from envs.trackmania.twin.frame import Frame
from envs.trackmania.twin.ground import Ground
from envs.trackmania.twin.perspective import Picture, draw_ground
from envs.trackmania.twin.road import Road
from envs.trackmania.twin.scenery import draw_car, draw_gate

FULL, LIDAR = "full", "lidar"
_SMALLEST, _LARGEST = 16, 4096
_FINER = 2  # samples a pixel of a landscape, along each side


class View(NamedTuple):
    """Where a camera is and what it sees, in shares of the picture's height where pixels are meant.

    Attributes:
        height_m: above the ground.
        behind_m: behind the car's centre of gravity.
        focal: focal length.
        horizon: from the top.
    """

    height_m: float
    behind_m: float
    focal: float
    horizon: float


# A fit that was published for the cockpit: 1.514 m high, the horizon in the middle, and the rays' origin 2.1 m ahead.
COCKPIT = View(height_m=1.514, behind_m=0.0, focal=267 / 488, horizon=0.5)
CHASE = View(height_m=4.2, behind_m=8.5, focal=0.85, horizon=0.36)


class Camera:
    """Draw one kind of picture.

    Args:
        ground: to look at.
        size: width and height, pixels.
        is_plain: whether only road and borders are drawn, from the cockpit.

    Raises:
        ConfigError: the size is out of range.
    """

    def __init__(self, ground: Ground, *, size: Sequence[int], is_plain: bool) -> None:
        if len(size) != 2:
            raise ConfigError(f"Expected the size of a screenshot as [width, height], got {size}.")
        for name, pixels in zip(("width", "height"), size, strict=True):
            check_range(f"the {name} of a screenshot", pixels, _SMALLEST, _LARGEST)
        self.size = int(size[0]), int(size[1])
        self._ground, self._is_plain = ground, is_plain
        self._view = COCKPIT if is_plain else CHASE

    def draw(self, x_m: float, y_m: float, heading_rad: float, wheel_rad: float = 0.0) -> Picture:
        """Return the picture `(H, W, 3)` uint8, blue, green, red.

        Args:
            x_m: of the car, in the plane.
            y_m: of the car.
            heading_rad: of the car.
            wheel_rad: angle of its front wheels, positive to the right.
        """
        width, height = self.size
        finer = 1 if self._is_plain else _FINER
        grid, road, view = self._ground.grid, self._ground.road, self._view
        cos, sin = math.cos(heading_rad), math.sin(heading_rad)
        pose = np.array([x_m - view.behind_m * cos, y_m - view.behind_m * sin, cos, sin])
        picture = np.empty((finer * height, finer * width, 3), np.uint8)
        lens = np.array([view.focal * len(picture), view.horizon * len(picture), view.height_m])
        draw_ground(
            picture,
            grid.distance_m,
            grid.along_m,
            grid.origin,
            grid.cell_m,
            pose,
            lens,
            road.half_width_m,
            road.gate_m,
            self._is_plain,
        )
        if self._is_plain:
            return picture
        draw_gate(picture, road, pose, lens)
        draw_car(picture, lens, view.behind_m, wheel_rad)
        return np.asarray(cv2.resize(picture, self.size, interpolation=cv2.INTER_AREA), np.uint8)


class Screen:
    """What the game's window shows, in pictures of two kinds.

    Args:
        road: to look at.
        full_size: width and height of `full`, pixels.
        lidar_size: of `lidar`.

    Raises:
        ConfigError: a size is out of range.
    """

    def __init__(self, road: Road, *, full_size: Sequence[int], lidar_size: Sequence[int]) -> None:
        ground = Ground(road)
        self._cameras = {
            FULL: Camera(ground, size=full_size, is_plain=False),
            LIDAR: Camera(ground, size=lidar_size, is_plain=True),
        }

    def draw(self, frame: Frame, kind: str) -> Picture:
        """Return a picture of a frame, `(H, W, 3)` uint8; may run in another thread than the game.

        Raises:
            ValueError: another kind than `full` and `lidar`.
        """
        if kind not in self._cameras:
            raise ValueError(f"Expected a screenshot of {', '.join(self._cameras)}, got {kind!r}.")
        x, y, heading = frame.state[[X_M, Y_M, HEADING_RAD]].tolist()
        return self._cameras[kind].draw(x, y, heading, frame.wheel_rad)
