"""The bar below CarRacing's picture: speed, wheels, steering, rotation, and the score."""

import functools
import math

import numpy as np
import numpy.typing as npt
import pygame
from numba import njit

from envs.carracing.camera import WINDOW_H, WINDOW_W
from envs.carracing.game import CarRacingGame

# speed, the four wheels, steering, rotation
COLOURS = ((255, 255, 255), (0, 0, 255), (0, 0, 255), (51, 0, 255), (51, 0, 255), (0, 255, 0), (255, 0, 0))
_PLACES = (5, 7, 8, 9, 10, 20, 30)  # in units, from the left
_GAINS = (0.02, 0.01, 0.01, 0.01, 0.01, -10.0, -0.8)
_NUM_VERTICAL = 5
_UNIT_W, _UNIT_H = WINDOW_W / 40.0, WINDOW_H / 40.0  # pixels
_TEXT_CENTRE = (60, WINDOW_H - WINDOW_H * 2.5 / 40.0)
_TEXT_SIZE = 42
_LEAST = 1e-4  # smaller values are not drawn


def indicators(game: CarRacingGame) -> npt.NDArray[np.float64]:
    """Return `(7, 4)`: left, top, right and bottom of each indicator, NaN where there is none.

    Pixels of the full picture, y downwards; a negative value makes a rectangle with its sides exchanged.

    Source: gymnasium 1.2.2, envs/box2d/car_racing.py, `_render_indicators`.
    """
    assert game.car is not None
    hull, wheels = game.car.hull, game.car.wheels
    velocity = hull.linearVelocity
    speed = math.sqrt(velocity.x * velocity.x + velocity.y * velocity.y)
    return _rectangles(
        np.array([speed, *(wheel.omega for wheel in wheels), wheels[0].joint.angle, hull.angularVelocity])
    )


@njit(cache=True)
def _rectangles(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    rectangles = np.full((len(values), 4), np.nan)
    for index in range(len(values)):
        length = _GAINS[index] * values[index]
        left = _PLACES[index] * _UNIT_W
        if abs(values[index]) <= _LEAST:
            continue
        if index < _NUM_VERTICAL:
            top = WINDOW_H - (_UNIT_H + _UNIT_H * length)
            rectangles[index] = left, top, left + _UNIT_W, WINDOW_H - _UNIT_H
        else:
            right = (_PLACES[index] + length) * _UNIT_W
            rectangles[index] = left, WINDOW_H - 4 * _UNIT_H, right, WINDOW_H - 2 * _UNIT_H
    return rectangles


def score_text(score: float) -> tuple[pygame.Surface, tuple[int, int]]:
    """Return the score's picture, white on black, and its upper left corner in the full picture."""
    text = _text("%04i" % score)  # noqa: UP031 (cuts towards zero as Gymnasium does)
    place = text.get_rect()
    place.center = _TEXT_CENTRE  # type: ignore[assignment]  # pygame cuts fractions off
    return text, place.topleft


@functools.lru_cache(maxsize=2048)  # more than there are scores
def _text(text: str) -> pygame.Surface:
    pygame.font.init()  # a font of before would not survive the pygame.quit() of another env that is closed
    font = pygame.font.Font(pygame.font.get_default_font(), _TEXT_SIZE)
    return font.render(text, True, (255, 255, 255), (0, 0, 0))
