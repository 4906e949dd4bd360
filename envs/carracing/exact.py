"""CarRacing's pictures, byte for byte those of Gymnasium, drawn without what nobody sees."""

import os
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # pygame greets on stdout when it is imported

import pygame
from pygame import gfxdraw

from envs.carracing.camera import BAR_H, WINDOW_H, WINDOW_W, Camera
from envs.carracing.game import FRAMES_PER_S, CarRacingGame
from envs.carracing.indicators import COLOURS as INDICATOR_COLOURS
from envs.carracing.indicators import indicators, score_text
from envs.carracing.shapes import CAR_COLOURS, FIELD, GRASS, CarShape

PIXELS = 96  # height and width of an observation
VIDEO_SIZE = (600, 400)
_MARGIN = 2  # pixels that an outline's anti-aliasing may reach beyond its corners


class ExactRenderer:
    """Draw a game as Gymnasium does: at 1000x800, scaled down smoothly.

    What is off the screen or below the indicators' bar is left out; what is drawn goes through the same calls of pygame
    with the same whole-pixel coordinates, so that every byte is the same. One renderer serves any number of games: so
    its canvas stays in the caches.

    Source: gymnasium 1.2.2, envs/box2d/car_racing.py, `_render`, and car_dynamics.py, `Car.draw`.
    """

    def __init__(self) -> None:
        self._canvas = pygame.Surface((WINDOW_W, WINDOW_H))
        self._narrow = pygame.Surface((PIXELS, WINDOW_H))
        self._small = pygame.Surface((PIXELS, PIXELS))
        self._window: pygame.Surface | None = None
        self._clock: pygame.time.Clock | None = None

    def pixels(self, game: CarRacingGame, *, score: float | None = None) -> npt.NDArray[np.uint8]:
        """Return the small picture, `(96, 96, 3)` uint8 RGB.

        Args:
            game: a running game.
            score: what it shows; None: the observation's, from which the frame's 0.1 is not yet taken.
        """
        self._draw(game, score=game.score_when_drawn if score is None else score, marks=False)
        # pygame scales columns first, each row by itself: so only the narrow picture has to be turned over
        narrow = pygame.transform.smoothscale(self._canvas, (PIXELS, WINDOW_H), self._narrow)
        turned = pygame.transform.flip(narrow, flip_x=False, flip_y=True)
        return _as_array(pygame.transform.smoothscale(turned, (PIXELS, PIXELS), self._small))

    def picture(self, game: CarRacingGame) -> npt.NDArray[np.uint8]:
        """Return the picture for people, with skid marks, `(400, 600, 3)` uint8 RGB."""
        return _as_array(pygame.transform.smoothscale(self._full_picture(game), VIDEO_SIZE))

    def show(self, game: CarRacingGame) -> None:
        """Show the picture in a window of 1000x800, in real time."""
        if self._window is None:
            pygame.display.init()
            self._window = pygame.display.set_mode((WINDOW_W, WINDOW_H))
            self._clock = pygame.time.Clock()
        assert self._clock is not None
        picture = self._full_picture(game)
        pygame.event.pump()
        self._clock.tick(FRAMES_PER_S)
        self._window.blit(picture, (0, 0))
        pygame.display.flip()

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            pygame.display.quit()
            self._window = None

    def _full_picture(self, game: CarRacingGame) -> pygame.Surface:
        self._draw(game, score=game.score, marks=True)
        return pygame.transform.flip(self._canvas, flip_x=False, flip_y=True)

    def _draw(self, game: CarRacingGame, *, score: float, marks: bool) -> None:
        """Draw the game on the canvas, upside down."""
        camera = Camera(game)
        self._draw_field(game, camera)
        self._draw_track(game, camera)
        self._draw_car(game, camera, marks)
        self._draw_bar(game, score)

    def _draw_bar(self, game: CarRacingGame, score: float) -> None:
        self._canvas.fill((0, 0, 0), (0, 0, WINDOW_W, BAR_H))
        for (left, top, right, bottom), colour in zip(indicators(game).tolist(), INDICATOR_COLOURS, strict=True):
            if left == left:  # not NaN
                low, high = WINDOW_H - 1 - int(bottom), WINDOW_H - 1 - int(top)
                pygame.draw.polygon(self._canvas, colour, [(left, high), (right, high), (right, low), (left, low)])
        text, (left, top) = score_text(score)
        turned = pygame.transform.flip(text, flip_x=False, flip_y=True)
        self._canvas.blit(turned, (left, WINDOW_H - top - text.get_height()))

    def _draw_field(self, game: CarRacingGame, camera: Camera) -> None:
        assert game.colours is not None
        colours = game.colours
        field = camera.project(FIELD)
        if _covers_screen(field):
            # not Surface.fill, which writes past the caches that the polygons then miss
            pixels = pygame.surfarray.pixels2d(self._canvas)
            pixels[:, BAR_H:] = self._canvas.map_rgb(_whole(colours.background))
            del pixels  # unlocks the canvas
        else:
            self._canvas.fill((0, 0, 0))
            self._draw_polygon(field.tolist(), colours.background)
        patches = camera.project(GRASS)
        for corners in patches[_is_visible(patches)].tolist():
            self._draw_polygon(corners, colours.grass)

    def _draw_track(self, game: CarRacingGame, camera: Camera) -> None:
        assert game.track is not None
        polygons = camera.project(game.track.polygons)
        visible = _is_visible(polygons)
        shades = game.track_colours()[visible]
        for corners, colour in zip(polygons[visible].tolist(), shades.tolist(), strict=True):
            self._draw_polygon(corners, colour)

    def _draw_polygon(self, corners: Any, colour: Any) -> None:
        gfxdraw.aapolygon(self._canvas, corners, colour)
        gfxdraw.filled_polygon(self._canvas, corners, colour)

    def _draw_car(self, game: CarRacingGame, camera: Camera, marks: bool) -> None:
        assert game.car is not None
        if marks:
            for mark in game.car.particles:
                points = camera.project_exactly(mark.poly)
                pygame.draw.lines(self._canvas, mark.color, False, points, 2)
        shape = CarShape.of(game)
        pixels = camera.project(shape.corners)
        for corners, count, colour in zip(pixels.tolist(), shape.counts.tolist(), CAR_COLOURS, strict=True):
            if count:
                pygame.draw.polygon(self._canvas, colour, corners[:count])


@njit(cache=True)
def _covers_screen(field: npt.NDArray[np.int32]) -> bool:
    """Whether the convex `(4, 2)` field, clockwise or not, covers the whole canvas, anti-aliased edges excluded."""
    least, most = np.inf, -np.inf
    for corner in range(4):
        x, y = field[corner]
        edge_x, edge_y = field[(corner + 1) % 4] - field[corner]
        length = np.hypot(edge_x, edge_y)
        for screen_x in (0, WINDOW_W):
            for screen_y in (0, WINDOW_H):
                distance = (edge_x * (screen_y - y) - edge_y * (screen_x - x)) / length
                least, most = min(least, distance), max(most, distance)
    return bool(most < -_MARGIN or least > _MARGIN)


@njit(cache=True)
def _is_visible(polygons: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Return `(M,)`: which of the `(M, 4, 2)` polygons reach into the part of the canvas above the bar."""
    visible = np.empty(len(polygons), np.bool_)
    for index in range(len(polygons)):
        x, y = polygons[index, :, 0], polygons[index, :, 1]
        is_inside_x = x.max() >= -_MARGIN and x.min() < WINDOW_W + _MARGIN
        visible[index] = is_inside_x and y.max() >= BAR_H - _MARGIN and y.min() < WINDOW_H + _MARGIN
    return visible


def _whole(colour: npt.NDArray[np.float64]) -> list[int]:
    return [int(value) for value in colour]


def _as_array(surface: pygame.Surface) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(pygame.surfarray.pixels3d(surface).transpose(1, 0, 2))
