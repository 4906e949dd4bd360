"""Gymnasium's own CarRacing-v3, untouched, behind the suite's observations and actions: the peer of `CarRacingEnv`."""

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from envs import contract
from envs.arguments import check_choice, check_range, check_types
from envs.carracing import actions as action_spaces
from envs.carracing.preprocess import preprocess
from envs.carracing.track import road_edges

_FRAMES_PER_S = 50


class StockCarRacingEnv(gym.Env[npt.NDArray[np.uint8], Any]):
    """Drive `gymnasium.make("CarRacing-v3")` with action repeat and small images: to check scores, and to compare with.

    Args:
        image_size: S, pixels; the 96x96 picture is resized by area.
        grayscale: one grey channel instead of RGB.
        action_repeat: physics frames of 1/50 s in a decision; each of them is drawn.
        actions: `full`, `[steer, throttle, brake]`, or `pedal`, `[steer, pedal]`.
        continuous: as in Gymnasium; False: five discrete actions instead.
        training: changes nothing here.
        render_mode: Gymnasium's.

    Raises:
        ConfigError: an argument has the wrong type or value.
    """

    metadata = {"render_modes": ["human", "rgb_array", "state_pixels"], "render_fps": _FRAMES_PER_S}  # noqa: RUF012 (Gymnasium's declaration)

    def __init__(
        self,
        *,
        image_size: int = 96,
        grayscale: bool = False,
        action_repeat: int = 1,
        actions: str = action_spaces.FULL,
        continuous: bool = True,
        training: bool = False,
        render_mode: str | None = None,
    ) -> None:
        check_types(type(self), {name: value for name, value in locals().items() if name != "self"})
        check_choice("actions", actions, action_spaces.CHOICES)
        check_range("image_size", image_size, 8)
        check_range("action_repeat", action_repeat, 1)
        if render_mode is not None:
            check_choice("render_mode", render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        self._env = gym.make("CarRacing-v3", render_mode=render_mode)
        self._image_size, self._is_grayscale = image_size, grayscale
        self.action_repeat = action_repeat  # a server of this env changes it from step to step
        self._frames = 0
        self._seed: int | None = None
        self._is_running = False
        channels = 1 if grayscale else 3
        self.observation_space = spaces.Box(0, 255, (image_size, image_size, channels), np.uint8)
        self._actions = action_spaces.action_space(actions, continuous=continuous)
        self.action_space = self._actions

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode on the track of `seed`."""
        super().reset(seed=seed)
        picture, _ = self._env.reset(seed=seed, options=options)
        self._frames, self._seed = 0, seed
        self._is_running = True
        return self._observation(picture), self._info(frames=0)

    def step(self, action: Any) -> tuple[npt.NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Repeat `action` for the frames of one decision.

        Raises:
            ResetNeeded: there is no running episode.
            ValueError: the action has another shape, is not finite, or is none of the discrete ones.
        """
        if not self._is_running:
            raise ResetNeeded("StockCarRacingEnv has no running episode: call reset() before the first step.")
        controls = action_spaces.to_game(action, self._actions)
        total, frames, ended, is_lap = 0.0, 0, (False, False), False
        while frames < self.action_repeat and not any(ended):
            picture, reward, *flags, stock_info = self._env.step(controls)
            total += float(reward)
            frames += 1
            ended = bool(flags[0]), bool(flags[1])
            is_lap = bool(stock_info.get("lap_finished", False))
        self._frames += frames
        self._is_running = not any(ended)
        info = self._info(frames=frames)
        if is_lap:
            info |= {contract.LAP: 1, contract.LAP_TIME_S: self._frames / _FRAMES_PER_S}
        return self._observation(picture), total, *ended, info

    @property
    def road_edges(self) -> npt.NDArray[np.float64]:
        """The left and the right edge of this episode's road, `(2, N, 2)` metres."""
        stock: Any = self._env.unwrapped
        points = np.array(stock.track, np.float64)  # alpha, beta, x, y
        return road_edges(points[:, 1], points[:, 2:])

    def render(self) -> Any:
        """Return or show Gymnasium's picture."""
        return None if self.render_mode is None else self._env.render()

    def close(self) -> None:
        """Close Gymnasium's env; a second call does nothing."""
        self._is_running = False
        self._env.close()

    def _observation(self, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return preprocess(picture, self._image_size, grayscale=self._is_grayscale)

    def _info(self, *, frames: int) -> dict[str, Any]:
        stock: Any = self._env.unwrapped
        info = {
            contract.POSITION_M: np.array(stock.car.hull.position),
            contract.SPEED_MPS: float(stock.car.hull.linearVelocity.length),
            contract.PROGRESS: stock.tile_visited_count / len(stock.track),
            contract.LAP: 0,
            contract.OFF_TRACK: not any(wheel.tiles for wheel in stock.car.wheels),
            contract.FRAMES: frames,
        }
        return info if self._seed is None else {**info, contract.TRACK_SEED: self._seed}
