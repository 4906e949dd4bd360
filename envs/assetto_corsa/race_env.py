"""A race as Gymnasium's env: two halves of a step, and a car that is left safe whatever is raised."""

import contextlib
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.error import ResetNeeded

from envs.assetto_corsa.games import Game
from envs.assetto_corsa.race import Race, Step


class RaceEnv(gym.Env[Any, Any]):
    """Drive episodes of a race.

    Attributes:
        game: what is driven.
        race: how.
    """

    game: Game
    race: Race

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Put the car back; with a seed, a twin in lock-step begins anew, where the seed (or `twin_game`) says.

        Raises:
            SimulatorUnavailable: the game does not answer.
            GameMismatchError: it is set up otherwise; a ConfigError too.
            ProtocolError: it says something else than the plugin does.
        """
        super().reset(seed=seed)
        if seed is not None and self.game.renew is not None:
            self.game.renew(seed)
        return self.race.start()

    def step(self, action: Any) -> Step:
        """Send the action, and return the newest state that came after it.

        Raises:
            ResetNeeded: there is no running episode.
            ValueError: the action has another shape, or is not finite.
            ProtocolError: a state is not sound.
        """
        self.send_action(action)
        return self.receive()

    def send_action(self, action: Any) -> None:
        """Do the first half of a step: from now on the action is held.

        Raises:
            ResetNeeded: there is no running episode.
            ValueError: the action has another shape, or is not finite; the car is left safe.
        """
        if not self.race.is_running:
            raise ResetNeeded("Cannot call env.step() before calling env.reset(), or after an episode has ended.")
        with self._leaving():
            self.race.send(action)

    def receive(self) -> Step:
        """Do the second half: wait for a state, and make a step of it."""
        with self._leaving():
            return self.race.receive()

    def render(self) -> npt.NDArray[np.uint8] | None:  # type: ignore[override]
        """Return the newest picture, `(H, W, 3)` uint8, red first, with `render_mode="rgb_array"`, else None."""
        if self.render_mode is None or self.race.sight.frame is None:
            return None
        image = self.race.sight.frame.image
        return np.ascontiguousarray(np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image[:, :, ::-1])

    def close(self) -> None:
        """Leave the car safe and hang up; a second call does nothing."""
        if hasattr(self, "race"):
            self.race.close()
            self.game.end()

    @contextlib.contextmanager
    def _leaving(self) -> Iterator[None]:
        """Leave the car safe if anything is raised."""
        try:
            yield
        except BaseException:
            self.race.leave()
            raise
