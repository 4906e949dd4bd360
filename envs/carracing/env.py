"""CarRacing as the suite trains on it: action repeat, small images or telemetry, early ends in training."""

import logging
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.utils import EzPickle

from envs import contract
from envs.arguments import build_section, check_choice, check_range, check_types
from envs.carracing import actions as action_spaces
from envs.carracing import telemetry
from envs.carracing.early_end import EarlyEnd
from envs.carracing.exact import PIXELS
from envs.carracing.game import FRAMES_PER_S, CarRacingGame
from envs.carracing.renderers import EXACT, RENDERERS, Painter, Screen
from envs.carracing.shaping import Shaping
from envs.carracing.track import road_edges

MAX_FRAMES = 1000  # the time limit with which Gymnasium registers CarRacing-v3
LAP_FINISHED = "lap_finished"  # Gymnasium's name in the info of a termination: by a lap, or by leaving the field
IMAGE, TELEMETRY, BOTH = "image", "telemetry", "both"

log = logging.getLogger(__name__)


class CarRacingEnv(gym.Env[Any, Any], EzPickle):
    """Drive CarRacing-v3. With the defaults it is Gymnasium's env, time limit included, only faster.

    Tracks, physics, rewards and ends are Gymnasium's, float for float. A step repeats its action for up to
    `action_repeat` physics frames of 1/50 s and sums their rewards; it ends early where the episode ends. Only the last
    frame is drawn. `info` has, beside the suite's names, those of `envs.carracing.telemetry`. A pickled copy is built
    anew from its arguments, without the episode, as in Gymnasium.

    Args:
        obs: `image`: `(S, S, 1)` or `(S, S, 3)` uint8; `telemetry`: `(23,)` float32, see `telemetry.observation`, and
            nothing is drawn; `both`: a Dict of the two.
        renderer: `exact`, Gymnasium's pixels byte for byte, or `fast`, within about one level of them.
        image_size: S, pixels; the 96x96 picture is resized by area.
        grayscale: one grey channel instead of RGB.
        action_repeat: physics frames in a decision.
        actions: `full`, `[steer, throttle, brake]`, or `pedal`, `[steer, pedal]` with throttle above 0, brake below.
        continuous: as in Gymnasium; False: five discrete actions instead.
        domain_randomize: other colours in every episode, as in Gymnasium.
        lap_complete_percent: share of tiles that makes a lap, as in Gymnasium.
        max_frames: physics frames after which an episode is truncated; Gymnasium's limit is the default.
        early_end: `stuck_frames`, `grass_frames`, `penalty`, see `EarlyEnd`. Applies in training only, and then counts
            as `terminated`.
        shaping: `missed_tile`, `first_missed_tile`, `grass`, `time`: points that rewards lose in training, see
            `Shaping`.
        training: whether `early_end` and `shaping` apply; without it the stock task runs.
        verbose: log each track's number of tiles.
        render_mode: None, `rgb_array` (400x600x3), `state_pixels` (96x96x3) or `human` (a window, in real time).

    Raises:
        ConfigError: an argument has the wrong type or value.
    """

    served_as = "CarRacing-v3"  # its name to clients of a server
    vector_env = "envs.carracing.vector.CarRacingVectorEnv"  # what steps many, see envs.factory.make_vector_env
    metadata = {"render_modes": ["human", "rgb_array", "state_pixels"], "render_fps": FRAMES_PER_S}  # noqa: RUF012 (Gymnasium's declaration)

    def __init__(
        self,
        *,
        obs: str = IMAGE,
        renderer: str = "exact",
        image_size: int = PIXELS,
        grayscale: bool = False,
        action_repeat: int = 1,
        actions: str = action_spaces.FULL,
        continuous: bool = True,
        domain_randomize: bool = False,
        lap_complete_percent: float = 0.95,
        max_frames: int = MAX_FRAMES,
        early_end: Mapping[str, float | None] | None = None,
        shaping: Mapping[str, float | None] | None = None,
        training: bool = False,
        verbose: bool = False,
        render_mode: str | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name != "self"}
        check_types(type(self), given)
        check_choice("obs", obs, (IMAGE, TELEMETRY, BOTH))
        check_choice("renderer", renderer, RENDERERS)
        check_choice("actions", actions, action_spaces.CHOICES)
        check_range("image_size", image_size, 8)
        check_range("max_frames", max_frames, 1)
        check_range("action_repeat", action_repeat, 1, max_frames)
        check_range("lap_complete_percent", lap_complete_percent, 0.0, 1.0)
        if render_mode is not None:
            check_choice("render_mode", render_mode, self.metadata["render_modes"])
        rules: EarlyEnd = build_section(EarlyEnd, early_end)
        costs: Shaping = build_section(Shaping, shaping)
        EzPickle.__init__(self, **given)
        self.render_mode = render_mode
        self._obs = obs
        self._early_end = rules if training else None
        self._shaping = costs if training and costs.costs else None
        self._max_frames = max_frames
        self.action_repeat = action_repeat  # a server of this env changes it from step to step
        self._verbose = verbose
        self._game = CarRacingGame(lap_complete_percent=lap_complete_percent, domain_randomize=domain_randomize)
        self._painter = None if obs == TELEMETRY else Painter(renderer, image_size, grayscale=grayscale)
        self._screen = Screen()
        self._frames = 0
        self._track_seed: int | None = None
        self._is_running = False
        self.observation_space = self._space()
        self._actions = action_spaces.action_space(actions, continuous=continuous)
        self.action_space = self._actions

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode on the track of `seed`, or on the next one of the env's generator, as in Gymnasium.

        Args:
            seed: makes the same track as in Gymnasium; `info` then has it as `track_seed`.
            options: `randomize`, as in Gymnasium (with `domain_randomize`): False keeps the last episode's colours.
        """
        super().reset(seed=seed)
        self._track_seed = seed
        self._game.reset(self.np_random, randomize=(options or {}).get("randomize", True))
        if self._verbose:
            log.info("Track of seed %s: %d tiles.", seed, len(self._game.visited))
        assert self._game.track is not None
        self._sensor = telemetry.TelemetrySensor(self._game.track.beta, self._game.track.centre)
        self._frames = 0
        self._is_running = True
        if self._early_end:
            self._early_end.reset(self._game.tile_visited_count)
        if self._shaping:
            self._shaping.reset(self._game.visited)
        self._show()
        reading = self._sensor.read(self._game.car)
        return self._observation(reading), self._info(reading, frames=0)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Repeat `action` for the frames of one decision.

        Args:
            action: `(2,)` or `(3,)`, clipped to the action space, or a whole number with `continuous=False`.

        Raises:
            ResetNeeded: there is no running episode.
            ValueError: the action has another shape, is not finite, or is none of the discrete ones.
        """
        return self.step_controls(action_spaces.to_game(action, self._actions))

    def step_controls(self, controls: npt.NDArray[np.floating[Any]]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step with `(3,)`, `[steer, throttle, brake]`, whatever the action space is."""
        if not self._is_running:
            raise ResetNeeded("CarRacingEnv has no running episode: call reset() before the first step and after ends.")
        reward, frames = 0.0, 0
        terminated = truncated = False
        extra: dict[str, Any] = {}
        while frames < self.action_repeat and not (terminated or truncated):
            frame_reward, terminated, extra = self._frame(controls)
            reward += frame_reward
            frames += 1
            truncated = self._frames >= self._max_frames
            self._show()
        self._is_running = not (terminated or truncated)
        reading = self._sensor.read(self._game.car)
        info = {**self._info(reading, frames=frames), **extra}
        return self._observation(reading), reward, terminated, truncated, info

    @property
    def road_edges(self) -> npt.NDArray[np.float64]:
        """The left and the right edge of this episode's road, `(2, N, 2)` metres."""
        assert self._game.track is not None, "road_edges before the first reset"
        return road_edges(self._game.track.beta, self._game.track.centre)

    def stock_view(self) -> npt.NDArray[np.uint8]:
        """Return what Gymnasium's env observes now, `(96, 96, 3)` uint8, whatever this one does."""
        return Painter(EXACT, PIXELS, grayscale=False).observe(self._game)

    def game_telemetry(self) -> dict[str, Any]:
        """Return car and tiles in Box2D's units and signs, see `telemetry.of_game`."""
        return telemetry.of_game(self._game)

    def render(self) -> Any:
        """Return a picture, `(400, 600, 3)` or `(96, 96, 3)` uint8, or show it in the window; None without a mode."""
        if self.render_mode is None or self._game.car is None:
            return None
        return self._screen.render(self._game, self.render_mode)

    def close(self) -> None:
        """Close the window, if there is one; a second call does nothing."""
        self._is_running = False
        self._screen.close()

    def _frame(self, controls: npt.NDArray[np.floating[Any]]) -> tuple[float, bool, dict[str, Any]]:
        """Simulate one physics frame; return its reward, whether the episode ended, and what `info` gains by it."""
        reward, terminated, is_lap = self._game.step(controls)
        self._frames += 1
        tiles, is_off_track = self._game.tile_visited_count, self._game.is_off_track
        if self._shaping:
            reward -= self._shaping.update(tiles=tiles, is_off_track=is_off_track)
        if is_lap:
            lap_time_s = self._frames / FRAMES_PER_S
            return reward, True, {LAP_FINISHED: True, contract.LAP: 1, contract.LAP_TIME_S: lap_time_s}
        if terminated:
            return reward, True, {LAP_FINISHED: False}
        if self._early_end:
            cause = self._early_end.update(tiles=tiles, is_off_track=is_off_track)
            if cause:
                return reward - self._early_end.penalty, True, {contract.EARLY_END: cause}
        return reward, False, {}

    def _show(self) -> None:
        if self.render_mode == "human":
            self.render()

    def _space(self) -> spaces.Space[Any]:
        if self._painter is None:
            return telemetry.SPACE
        if self._obs == IMAGE:
            return self._painter.space
        return spaces.Dict({IMAGE: self._painter.space, TELEMETRY: telemetry.SPACE})

    def _observation(self, reading: telemetry.Reading) -> Any:
        vector = None if self._obs == IMAGE else telemetry.observation(reading, self._game.progress)
        if self._painter is None:
            return vector
        image = self._painter.observe(self._game)
        return image if vector is None else {IMAGE: image, TELEMETRY: vector}

    def _position(self) -> npt.NDArray[np.float64]:
        assert self._game.car is not None
        return np.array(self._game.car.hull.position)

    def _info(self, reading: telemetry.Reading, *, frames: int) -> dict[str, Any]:
        seed = {} if self._track_seed is None else {contract.TRACK_SEED: self._track_seed}
        return {
            **seed,
            **telemetry.by_name(reading),
            contract.POSITION_M: self._position(),
            contract.PROGRESS: self._game.progress,
            contract.LAP: 0,
            contract.OFF_TRACK: self._game.is_off_track,
            contract.FRAMES: frames,
        }
