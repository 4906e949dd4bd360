"""Gymnasium's CarRacing whose 96x96 pixels are drawn on demand, not in every physics step."""

import os
from typing import Any

import numpy as np
import numpy.typing as npt

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # pygame greets on stdout when it is imported

from gymnasium.envs.box2d import car_racing

FRAMES_PER_S = car_racing.FPS
PIXELS = car_racing.STATE_H  # height and width of what `pixels` returns


class CarRacingGame(car_racing.CarRacing):
    """The stock game, continuous, which draws an observation only when `pixels` asks for it.

    Drawing takes 98 % of a stock step, and of the frames of an action repeat only the last is seen. `reset` and `step`
    return None as observation. Without `render_mode="human"` no display is opened, so none needs to exist.

    Source: gymnasium 1.2.2, envs/box2d/car_racing.py. Physics, rewards and ends are untouched.
    """

    _score_when_drawn = 0.0

    def pixels(self) -> npt.NDArray[np.uint8]:
        """Return the `(96, 96, 3)` uint8 that the stock game would have returned from its last step or reset."""
        # The stock step draws before it subtracts the frame's 0.1, so the score in the corner is an older one.
        score, self.reward = self.reward, self._score_when_drawn
        try:
            pixels: npt.NDArray[np.uint8] = super()._render("state_pixels")
        finally:
            self.reward = score
        return pixels

    def _render(self, mode: str) -> Any:
        if mode != "state_pixels":
            return super()._render(mode)
        self._score_when_drawn = self.reward
        return None

    @property
    def speed_mps(self) -> float:
        """Speed of the hull; Box2D's unit of length is the metre (the car is 5 long)."""
        return float(self._hull.linearVelocity.length)

    @property
    def progress(self) -> float:
        """Share of the track's tiles that were visited, 0..1."""
        return float(self.tile_visited_count / len(self.track))

    @property
    def is_off_track(self) -> bool:
        """Whether no wheel touches a road tile."""
        return self.car is not None and not any(wheel.tiles for wheel in self.car.wheels)

    @property
    def _hull(self) -> Any:
        if self.car is None:
            raise RuntimeError("CarRacingGame has no car before reset().")
        return self.car.hull
