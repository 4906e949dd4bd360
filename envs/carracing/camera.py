"""CarRacing's camera: it follows the car, turns with it, and zooms in during the first second."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pygame
from numba import njit

from envs.carracing.game import CarRacingGame

WINDOW_W, WINDOW_H = 1000, 800  # pixels of the full picture
BAR_H = WINDOW_H // 8  # pixels of the indicators' bar, at the bottom
_SCALE = 6.0
_ZOOM = 2.7
_AXIS = pygame.math.Vector2(1, 0)


class Camera:
    """The linear map from metres to pixels of the full picture, y upwards: `zoom` · rotation · point + translation.

    Args:
        game: a running game; the camera looks at its car as it is now.

    Source: gymnasium 1.2.2, envs/box2d/car_racing.py, `_render`; the same doubles.
    """

    def __init__(self, game: CarRacingGame) -> None:
        assert game.car is not None
        time_s, hull = game.time_s, game.car.hull
        position, angle = hull.position, -hull.angle
        self.zoom = 0.1 * _SCALE * max(1 - time_s, 0) + _ZOOM * _SCALE * min(time_s, 1)
        self.cos, self.sin = _AXIS.rotate_rad(angle)
        scroll = pygame.math.Vector2(-position.x * self.zoom, -position.y * self.zoom).rotate_rad(angle)
        self.x, self.y = WINDOW_W / 2 + scroll.x, WINDOW_H / 4 + scroll.y

    def project_exactly(self, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        """Return pixels with their fractions for points in metres."""
        turned = [(self.cos * x - self.sin * y, self.sin * x + self.cos * y) for x, y in points]
        return [(x * self.zoom + self.x, y * self.zoom + self.y) for x, y in turned]

    def project(self, points: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        """Return whole pixels, cut towards zero, `(…, 2)` for points in metres `(…, 2)`."""
        flat = np.ascontiguousarray(points, np.float64).reshape(-1, 2)
        return _project(flat, self.cos, self.sin, self.zoom, self.x, self.y).reshape(points.shape)


@njit(cache=True)
def _project(
    points: npt.NDArray[np.float64], cos: float, sin: float, zoom: float, shift_x: float, shift_y: float
) -> npt.NDArray[np.int32]:
    pixels = np.empty(points.shape, np.int32)
    for index in range(len(points)):
        x, y = points[index]
        pixels[index, 0] = int((cos * x - sin * y) * zoom + shift_x)
        pixels[index, 1] = int((sin * x + cos * y) * zoom + shift_y)
    return pixels
