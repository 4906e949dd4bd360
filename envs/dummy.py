"""A tiny steering task for tests and first runs: stay in a lane whose bends change, and keep moving."""

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from envs import contract
from envs.arguments import check_choice, check_range, check_types
from envs.dummy_actions import CHOICES, CONTINUOUS, FIVE, action_space, to_controls
from envs.dummy_picture import draw_lane

# Lengths are in half lane widths, speed is a share of the top speed, time is in decisions.
STEER_RATE = 0.25  # sideways shift of a decision at full lock and top speed
SPEED_RATE = 0.2  # change of speed at full pedal
BEND_MIN, BEND_MAX = 0.08, 0.16  # shift by a bend at top speed: below STEER_RATE, so that every bend can be driven
BEND_CHANGE = 0.05  # chance per decision that another bend begins: one lasts 20 decisions in the mean
START_SPEED = 0.5
START_OFFSET = 0.3
LOOKAHEAD = 4.0  # the upper half of the image shows the lane as many decisions ahead at top speed
CUE_PERIOD = 16  # decisions after which a cue is repeated: so far back must a policy remember
TOP_SPEED_MPS = 30.0


class DummyEnv(gym.Env[Any, Any]):
    """Steer a car along a lane; each decision is worth its speed times its closeness to the lane's centre, 0..1.

    Actions are `[steer, pedal]` in [-1, 1]: steer +1 moves right, pedal above 0 accelerates, below 0 brakes; or one of
    five: nothing, right, left, accelerate, brake, each in full. Leaving the lane terminates, `num_decisions` truncate.
    `optimal_action` earns above 0.9 of the maximum, `num_decisions`, of the five above 0.85; a uniformly random policy
    below 0.2.

    Observations, each sufficient by itself:

    * `image`: `(S, S, 1)` uint8. A bright bar shows the lane, seen from the car: below at the car, above further
      ahead; a grey bar at the bottom shows the speed.
    * `vector`: `(3,)` float32: the car's offset from the lane's centre (-2..2 half lane widths, the lane is -1..1),
      the speed (0..1 of top speed), the bend (-1..1).

    With `cue_steps` above 0 it is a task for memories. Observations are cues, shown in the first `cue_steps` decisions
    of every bend and again whenever it has lasted another `CUE_PERIOD`; between cues they are zeros. The driving is the
    same, and so is `optimal_action`. Whoever steers against the bend of the last cue stays near the centre. A policy
    without memory has one action for all the time between cues, while bends to either side are as likely: at top speed
    it leaves the lane within some ten decisions of the first bend that this action is wrong for. A decision is one
    frame: a stack of frames, or `action_history`, is a memory too.

    Args:
        obs: `image` or `vector` for that box alone, `both` for a Dict of the two.
        image_size: S, pixels.
        num_decisions: length of an episode that stays on the lane.
        actions: `continuous`, `[steer, pedal]`, or `discrete`, one of five.
        cue_steps: decisions of a cue, 0 … 15; 0: observations are never hidden.
        fail_at_step: for tests of error paths: raise RuntimeError in this step of an episode, counted from 1.
        training: changes nothing here.
        render_mode: None or `rgb_array`.

    Raises:
        ConfigError: an argument has the wrong type or value.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012 (Gymnasium's own declaration)

    def __init__(
        self,
        *,
        obs: str = "both",
        image_size: int = 32,
        num_decisions: int = 64,
        actions: str = CONTINUOUS,
        cue_steps: int = 0,
        fail_at_step: int | None = None,
        training: bool = False,
        render_mode: str | None = None,
    ) -> None:
        check_types(type(self), {name: value for name, value in locals().items() if name != "self"})
        check_choice("obs", obs, ("image", "vector", "both"))
        check_choice("actions", actions, CHOICES)
        check_range("image_size", image_size, 8)
        check_range("num_decisions", num_decisions, 1)
        check_range("cue_steps", cue_steps, 0, CUE_PERIOD - 1)
        if render_mode is not None:
            check_choice("render_mode", render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        self._obs = obs
        self._image_size = image_size
        self._num_decisions = num_decisions
        self._cue_steps = cue_steps
        self._fail_at_step = fail_at_step
        self._offset = self._speed = self._bend = self._distance = 0.0
        self._step = self._bend_age = 0
        self._is_running = False
        image = spaces.Box(0, 255, (image_size, image_size, 1), np.uint8)
        vector = spaces.Box(np.array([-2, 0, -1], np.float32), np.array([2, 1, 1], np.float32))
        both = spaces.Dict({"image": image, "vector": vector})
        self.observation_space = {"image": image, "vector": vector, "both": both}[obs]
        self._actions = action_space(actions)
        self.action_space = self._actions

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode near the lane's centre, at half speed."""
        super().reset(seed=seed)
        self._offset = self.np_random.uniform(-START_OFFSET, START_OFFSET)
        self._speed = START_SPEED
        self._bend = self._next_bend()
        self._distance = 0.0
        self._step = self._bend_age = 0
        self._is_running = True
        return self._observation(), self._info(frames=0)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Drive one decision of one frame.

        Args:
            action: `(2,)`, `[steer, pedal]`, clipped to [-1, 1]; or one of 0 … 4.

        Raises:
            ResetNeeded: there is no running episode.
            ValueError: the action has another shape, is NaN, or is none of the five.
            RuntimeError: this is the step that `fail_at_step` names.
        """
        if not self._is_running:
            raise ResetNeeded("DummyEnv has no running episode: call reset() before the first step and after its end.")
        controls = to_controls(action, self._actions)
        self._step += 1
        if self._step == self._fail_at_step:
            raise RuntimeError(f"DummyEnv fails in step {self._step}, as env.fail_at_step asks.")
        self._speed, self._offset = self._moved(*controls)
        self._distance += self._speed
        self._bend_age += 1
        if self.np_random.random() < BEND_CHANGE:
            self._bend, self._bend_age = self._next_bend(), 0
        terminated = abs(self._offset) > 1.0
        truncated = self._step >= self._num_decisions
        self._is_running = not (terminated or truncated)
        reward = _worth(self._speed, self._offset)
        return self._observation(), reward, terminated, truncated, self._info(frames=1)

    def _moved(self, steer: float, pedal: float) -> tuple[float, float]:
        """Return speed and offset after a decision."""
        speed = min(max(self._speed + SPEED_RATE * pedal, 0.0), 1.0)
        return speed, self._offset + speed * (STEER_RATE * steer - self._bend)

    def optimal_action(self) -> Any:
        """Return the action that brings the car to the lane's centre at full speed, from the env's state.

        Of the five it is the one that is worth most at once.
        """
        if isinstance(self._actions, spaces.Discrete):
            return max(range(len(FIVE)), key=lambda action: _worth(*self._moved(*FIVE[action])))
        speed = min(self._speed + SPEED_RATE, 1.0)
        steer = (self._bend - self._offset / speed) / STEER_RATE
        return np.array([min(max(steer, -1.0), 1.0), 1.0], np.float32)

    def render(self) -> npt.NDArray[np.uint8] | None:  # type: ignore[override]
        """Return the scene, `(S, S, 3)` uint8, with `render_mode="rgb_array"`, else None.

        It is the image observation, unless that is hidden.
        """
        return np.repeat(self._image(), 3, axis=2) if self.render_mode == "rgb_array" else None

    def _next_bend(self) -> float:
        return float(self.np_random.uniform(BEND_MIN, BEND_MAX) * (1.0 if self.np_random.random() < 0.5 else -1.0))

    def _observation(self) -> Any:
        if self._obs == "image":
            return self._shown(self._image())
        if self._obs == "vector":
            return self._shown(self._vector())
        return {"image": self._shown(self._image()), "vector": self._shown(self._vector())}

    def _shown(self, part: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a part of the observation, or zeros in its place between two cues."""
        is_hidden = self._cue_steps > 0 and self._bend_age % CUE_PERIOD >= self._cue_steps
        return np.zeros_like(part) if is_hidden else part

    def _vector(self) -> npt.NDArray[np.float32]:
        return np.array([self._offset, self._speed, self._bend / BEND_MAX], np.float32)

    def _image(self) -> npt.NDArray[np.uint8]:
        ahead = self._bend * LOOKAHEAD - self._offset
        return draw_lane(self._image_size, here=-self._offset, ahead=ahead, speed=self._speed)

    def _info(self, *, frames: int) -> dict[str, Any]:
        return {
            contract.SPEED_MPS: self._speed * TOP_SPEED_MPS,
            contract.PROGRESS: min(self._distance / self._num_decisions, 1.0),
            contract.LAP: 0,
            contract.OFF_TRACK: abs(self._offset) > 1.0,
            contract.FRAMES: frames,
        }


def _worth(speed: float, offset: float) -> float:
    """Return the reward of a decision that ended so."""
    return speed * max(0.0, 1.0 - abs(offset))
