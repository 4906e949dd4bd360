"""Who draws CarRacing: the choice of renderer, on the way from a game to an observation or to a window."""

import threading
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from envs.carracing.exact import ExactRenderer
from envs.carracing.fast import FastRenderer
from envs.carracing.game import CarRacingGame
from envs.carracing.preprocess import preprocess

EXACT, FAST = "exact", "fast"
RENDERERS = (EXACT, FAST)


class Renderer(Protocol):
    """Draws a game as it is now."""

    def pixels(self, game: CarRacingGame) -> npt.NDArray[np.uint8]:
        """Return `(96, 96, 3)` RGB, or `(96, 96, 1)` grey, uint8."""


class _OfThread(threading.local):
    """The renderers of a thread: all its games are drawn on the same canvas, for many would not fit the caches."""

    def __init__(self) -> None:
        self.renderers: dict[tuple[str, bool], Renderer] = {}


_OF_THREAD = _OfThread()


class Painter:
    """Make image observations; any thread may ask for one.

    Args:
        renderer: `exact` or `fast`.
        image_size: S, pixels.
        grayscale: one grey channel instead of RGB.
    """

    def __init__(self, renderer: str, image_size: int, *, grayscale: bool) -> None:
        self._kind = (renderer, grayscale and renderer == FAST)
        self._image_size, self._is_grayscale = image_size, grayscale
        self.space = spaces.Box(0, 255, (image_size, image_size, 1 if grayscale else 3), np.uint8)

    def observe(self, game: CarRacingGame) -> npt.NDArray[np.uint8]:
        """Return `(S, S, 1)` or `(S, S, 3)` uint8."""
        return preprocess(self._renderer().pixels(game), self._image_size, grayscale=self._is_grayscale)

    def _renderer(self) -> Renderer:
        renderers = _OF_THREAD.renderers
        if self._kind not in renderers:
            name, is_grey = self._kind
            renderers[self._kind] = ExactRenderer() if name == EXACT else FastRenderer(grayscale=is_grey)
        return renderers[self._kind]


class Screen:
    """Show the game in Gymnasium's own pictures."""

    def __init__(self) -> None:
        self._renderer: ExactRenderer | None = None

    def render(self, game: CarRacingGame, mode: str) -> Any:
        """Return `(400, 600, 3)` for `rgb_array` and `(96, 96, 3)` for `state_pixels`; show a window for `human`."""
        self._renderer = self._renderer or ExactRenderer()
        if mode == "human":
            return self._renderer.show(game)
        return self._renderer.picture(game) if mode == "rgb_array" else self._renderer.pixels(game, score=game.score)

    def close(self) -> None:
        """Close the window, if there is one; a second call does nothing."""
        if self._renderer is not None:
            self._renderer.close()
