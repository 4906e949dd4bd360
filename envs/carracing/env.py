"""CarRacing as the suite trains on it: action repeat, two or three actions, small images, early ends in training."""

from collections.abc import Mapping
from typing import Any

import cv2
import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from envs import contract
from envs.arguments import check_choice, check_range, check_types
from envs.carracing import actions as action_spaces
from envs.carracing.early_end import EarlyEnd
from envs.carracing.game import FRAMES_PER_S, PIXELS, CarRacingGame
from envs.seeds import FIRST_TRAINING_SEED, LAST_TRAINING_SEED

MAX_FRAMES = 1000  # the time limit with which Gymnasium registers CarRacing-v3

cv2.setNumThreads(0)  # images are tiny and runners many: OpenCV's threads would only fight each other


class CarRacingEnv(gym.Env[npt.NDArray[np.uint8], npt.NDArray[np.float32]]):
    """Drive Gymnasium's CarRacing-v3. With the defaults it is the stock env, time limit included.

    A step repeats its action for up to `action_repeat` physics frames of 1/50 s and sums their stock rewards; it ends
    early where the episode ends. Only the last frame is drawn. Observations are `(S, S, 1)` or `(S, S, 3)` uint8.

    Args:
        obs: `image`.
        image_size: S, pixels; the game's 96x96 are resized by area.
        grayscale: one grey channel instead of RGB.
        action_repeat: physics frames in a decision.
        actions: `full`, `[steer, throttle, brake]`, or `pedal`, `[steer, pedal]` with throttle above 0, brake below.
        domain_randomize: other colours in every episode, as in Gymnasium.
        lap_complete_percent: share of tiles that makes a lap, as in Gymnasium.
        early_end: `stuck_frames`, `grass_frames`, `penalty`, see `EarlyEnd`. Applies in training only, and then counts
            as `terminated`.
        training: whether `early_end` applies; without it the stock task runs.
        render_mode: None, `rgb_array` (400x600x3) or `human` (a window, in real time).

    Raises:
        ConfigError: an argument has the wrong type or value.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": FRAMES_PER_S}  # noqa: RUF012 (Gymnasium's declaration)

    def __init__(
        self,
        *,
        obs: str = "image",
        image_size: int = PIXELS,
        grayscale: bool = False,
        action_repeat: int = 1,
        actions: str = action_spaces.FULL,
        domain_randomize: bool = False,
        lap_complete_percent: float = 0.95,
        early_end: Mapping[str, float | None] | None = None,
        training: bool = False,
        render_mode: str | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name != "self"}
        check_types(type(self), given)
        check_choice("obs", obs, ("image",))
        check_choice("actions", actions, action_spaces.CHOICES)
        check_range("image_size", image_size, 8)
        check_range("action_repeat", action_repeat, 1, MAX_FRAMES)
        check_range("lap_complete_percent", lap_complete_percent, 0.0, 1.0)
        if render_mode is not None:
            check_choice("render_mode", render_mode, self.metadata["render_modes"])
        rules = EarlyEnd.from_config(early_end)
        self.render_mode = render_mode
        self._early_end = rules if training else None
        self._action_repeat = action_repeat
        self._image_size = image_size
        self._is_grayscale = grayscale
        self._game = CarRacingGame(
            render_mode=render_mode, lap_complete_percent=lap_complete_percent, domain_randomize=domain_randomize
        )
        self._frames = 0
        self._track_seed = 0
        self._is_running = False
        channels = 1 if grayscale else 3
        self.observation_space = spaces.Box(0, 255, (image_size, image_size, channels), np.uint8)
        self._actions = action_spaces.action_space(actions)
        self.action_space = self._actions

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode on the track of `seed`, or on one drawn from the env's generator, away from evaluation's.

        Args:
            seed: makes the same track as in the stock env.
            options: `randomize`, as in Gymnasium (with `domain_randomize`).
        """
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(FIRST_TRAINING_SEED, LAST_TRAINING_SEED, endpoint=True))
        self._track_seed = seed
        self._game.reset(seed=seed, options=options)
        self._frames = 0
        self._is_running = True
        if self._early_end:
            self._early_end.reset(self._game.tile_visited_count)
        return self._observation(), self._info(frames=0)

    def step(self, action: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Repeat `action` for the frames of one decision.

        Args:
            action: `(2,)` or `(3,)`, clipped to the action space.

        Raises:
            ResetNeeded: there is no running episode.
            ValueError: the action has another shape or is not finite.
        """
        if not self._is_running:
            raise ResetNeeded("CarRacingEnv has no running episode: call reset() before the first step and after ends.")
        controls = action_spaces.to_game(action, self._actions)
        reward, frames = 0.0, 0
        terminated = truncated = False
        extra: dict[str, Any] = {}
        while frames < self._action_repeat and not (terminated or truncated):
            frame_reward, terminated, extra = self._frame(controls)
            reward += frame_reward
            frames += 1
            truncated = self._frames >= MAX_FRAMES
        self._is_running = not (terminated or truncated)
        return self._observation(), reward, terminated, truncated, {**self._info(frames=frames), **extra}

    def render(self) -> Any:
        """Return the game's `(400, 600, 3)` uint8 picture with `rgb_array`, show it with `human`, else None."""
        return None if self.render_mode is None else self._game.render()

    def close(self) -> None:
        """Close the window, if there is one; a second call does nothing."""
        self._is_running = False
        self._game.close()

    def _frame(self, controls: npt.NDArray[np.float32]) -> tuple[float, bool, dict[str, Any]]:
        """Simulate one physics frame; return its reward, whether the episode ended, and what `info` gains by it."""
        _, reward, terminated, _, stock_info = self._game.step(controls)
        self._frames += 1
        if stock_info.get("lap_finished", False):
            return float(reward), True, {contract.LAP: 1, contract.LAP_TIME_S: self._frames / FRAMES_PER_S}
        if self._early_end and not terminated:
            tiles, is_off_track = self._game.tile_visited_count, self._game.is_off_track
            cause = self._early_end.update(tiles=tiles, is_off_track=is_off_track)
            if cause:
                return float(reward) - self._early_end.penalty, True, {contract.EARLY_END: cause}
        return float(reward), bool(terminated), {}

    def _observation(self) -> npt.NDArray[np.uint8]:
        return preprocess(self._game.pixels(), self._image_size, grayscale=self._is_grayscale)

    def _info(self, *, frames: int) -> dict[str, Any]:
        return {
            contract.SPEED_MPS: self._game.speed_mps,
            contract.PROGRESS: self._game.progress,
            contract.LAP: 0,
            contract.OFF_TRACK: self._game.is_off_track,
            contract.FRAMES: frames,
            contract.TRACK_SEED: self._track_seed,
        }


def preprocess(pixels: npt.NDArray[np.uint8], image_size: int, *, grayscale: bool) -> npt.NDArray[np.uint8]:
    """Return the game's `(H, H, 3)` uint8 RGB as `(S, S, 1)` luma (ITU-R BT.601) or `(S, S, 3)`, resized by area."""
    image: Any = np.ascontiguousarray(pixels)  # OpenCV's stubs are wider than what it returns
    if grayscale:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if image.shape[0] != image_size:
        image = cv2.resize(image, (image_size, image_size), interpolation=cv2.INTER_AREA)
    observation: npt.NDArray[np.uint8] = image[..., np.newaxis] if grayscale else image
    return observation
