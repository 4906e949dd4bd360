"""CarRacing's pictures drawn straight at low resolution: what training looks at."""

import functools
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt
import pygame

from envs.carracing import raster
from envs.carracing.camera import BAR_H, WINDOW_W, Camera
from envs.carracing.colours import Colours
from envs.carracing.game import CarRacingGame
from envs.carracing.indicators import COLOURS as INDICATOR_COLOURS
from envs.carracing.indicators import indicators, score_text
from envs.carracing.raster import PIXELS
from envs.carracing.shapes import CAR_COLOURS, FIELD, GRASS, CarShape

_BAR_TOP = PIXELS - PIXELS // 8  # rows of the picture above the bar
_TEXT_COLUMNS = 12  # pixels from the left that the score may reach
_SMOOTHSCALE_LOSS = np.uint8(2)  # levels that an even area loses in Gymnasium's two passes of integer arithmetic
_FIELD_RADIUS, _PATCH_RADIUS = 1000.0, 24.0  # metres from a corner to any other, at most


class FastRenderer:
    """Draw a game at 96x96, in colour or in grey, within about one level in the mean of what Gymnasium shows.

    Shapes, order and camera are Gymnasium's; each pixel is the mean of 5x4 samples instead of 10x8 pixels.

    One renderer serves any number of games.

    Args:
        grayscale: draw luma (ITU-R BT.601) instead of RGB.
    """

    def __init__(self, *, grayscale: bool) -> None:
        self._is_grayscale = grayscale
        self._canvas = np.empty((raster.ROWS, raster.COLUMNS), np.uint8)
        self._known: weakref.WeakKeyDictionary[CarRacingGame, tuple[Any, Any, Any]] = weakref.WeakKeyDictionary()
        self._car_shades = self._shades(np.array(CAR_COLOURS, np.uint8))
        self._bar_shades = self._shades(np.array(INDICATOR_COLOURS, np.uint8))

    def pixels(self, game: CarRacingGame) -> npt.NDArray[np.uint8]:
        """Return the observation, `(96, 96, 1)` or `(96, 96, 3)` uint8."""
        assert game.track is not None
        camera = Camera(game)
        view = np.array([camera.zoom, camera.cos, camera.sin, camera.x, camera.y])
        car, rectangles, text = CarShape.of(game), indicators(game), _score_pixels(game.score_when_drawn)
        field_shades, track_shades = self._scene_shades(game)
        planes = np.empty((1 if self._is_grayscale else 3, PIXELS, PIXELS), np.uint8)
        for plane, picture in enumerate(planes):
            self._canvas[: raster.BAR_ROW] = 0
            raster.draw_quads(self._canvas, FIELD[np.newaxis], field_shades[plane, :1], view, _FIELD_RADIUS)
            raster.draw_quads(self._canvas, GRASS, field_shades[plane, 1:], view, _PATCH_RADIUS)
            raster.draw_quads(self._canvas, game.track.polygons, track_shades[plane], view, game.track.reach)
            raster.draw_bodies(self._canvas, car.corners, car.counts, self._car_shades[plane], view)
            raster.draw_bar(self._canvas, rectangles, self._bar_shades[plane])
            raster.average(self._canvas, picture)
            picture[_BAR_TOP:, :_TEXT_COLUMNS] = text
        return planes.transpose(1, 2, 0)

    def _scene_shades(self, game: CarRacingGame) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Return the shades of background and grass patches, and of the track's polygons, a row for each plane."""
        assert game.track is not None
        assert game.colours is not None
        paint, field, track = self._known.get(game, (None, None, None))
        if paint is not game.paint:  # a new episode
            field = self._shades(_field_colours(game.colours))
            track = np.stack([self._shades(colours) for colours in game.paint])
            self._known[game] = game.paint, field, track
        return field, np.where(game.touched[game.track.owners], track[1], track[0])

    def _shades(self, colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return `(1, M)` luma, or `(3, M)` red, green and blue, of `(M, 3)` colours as they come out."""
        colours = np.maximum(colours, _SMOOTHSCALE_LOSS) - _SMOOTHSCALE_LOSS
        if not self._is_grayscale:
            return np.ascontiguousarray(colours.T)
        luma = colours @ np.array([0.299, 0.587, 0.114])
        return np.rint(luma).astype(np.uint8)[np.newaxis]


def _field_colours(colours: Colours) -> npt.NDArray[np.uint8]:
    """Return `(401, 3)`: the background's and each grass patch's colour."""
    patches = np.broadcast_to(colours.grass, (len(GRASS), 3))
    return np.concatenate([colours.background[np.newaxis], patches]).astype(np.uint8)


def _score_pixels(score: float) -> npt.NDArray[np.uint8]:
    return _text_pixels(int(score))


@functools.lru_cache(maxsize=2048)  # more than there are scores
def _text_pixels(score: int) -> npt.NDArray[np.uint8]:
    """Return the score as it stands in the lower left corner of the picture, `(12, 12)`."""
    corner = pygame.Surface((WINDOW_W * _TEXT_COLUMNS // PIXELS, BAR_H))
    text, (left, top) = score_text(score)
    corner.blit(text, (left, top - 7 * BAR_H))
    small = pygame.transform.smoothscale(corner, (_TEXT_COLUMNS, PIXELS - _BAR_TOP))
    return pygame.surfarray.pixels3d(small)[..., 0].T.copy()
