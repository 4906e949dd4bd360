"""An env of the suite as a game to serve: seeds, ticks, pictures and telemetry behind one form."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from envs.contract import FRAMES, PROGRESS, ROAD_EDGES, SPEED_MPS

_DEFAULT_FPS = 20.0


@dataclass(frozen=True)
class Outcome:
    """What ticks have come to; as `Env.step` returns it, with the number of ticks."""

    observation: Any
    reward: float
    terminated: bool
    truncated: bool
    info: dict[str, Any]
    ticks: int


class World:
    """One env, or rather two: with the rules of training and without.

    What an env may have to be served better than any other: `action_repeat`, an attribute that holds the physics frames
    of a step; `step_controls(controls)`, a step with `[steer, throttle, brake]` whatever its action space is;
    `stock_view()`, the picture of the game that it stands for; `game_telemetry()`, plain values; `road_edges`; and
    `served_as`, its name to clients.

    Args:
        make: builds the env, with the rules of training or without.
        seed: the plain env is reset with it once, and that episode is never shown: later ones follow from it.
    """

    def __init__(self, make: Callable[[bool], gym.Env[Any, Any]], seed: int | None = None) -> None:
        self._make = make
        self._envs: dict[bool, gym.Env[Any, Any]] = {}
        self._env = self._choose(training=False)
        if seed is not None:
            self._env.reset(seed=seed)
        self.observation_space, self.action_space = self._env.observation_space, self._env.action_space
        #: ticks in one decision, as the env was configured
        self.decision = int(getattr(self._env.unwrapped, "action_repeat", 1))
        self.env_id = str(getattr(self._env.unwrapped, "served_as", type(self._env.unwrapped).__name__))
        self.fps = float(self._env.metadata.get("render_fps") or _DEFAULT_FPS)

    def reset(self, *, seed: int | None, options: dict[str, Any] | None, training: bool) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        self._env = self._choose(training)
        return self._env.reset(seed=seed, options=options)

    def advance(self, action: Any, ticks: int) -> Outcome:
        """Apply an action of the env's space for `ticks` ticks, or until the episode ends."""
        return self._advance(self._env.step, action, ticks)

    def drive(self, controls: npt.NDArray[np.float64], ticks: int) -> Outcome:
        """Apply `[steer, throttle, brake]` for `ticks` ticks, or until the episode ends; see `takes_controls`."""
        step = getattr(self._env.unwrapped, "step_controls", None)
        if step is not None:
            return self._advance(step, controls, ticks)
        space = self.action_space
        if space.shape == (2,):
            steer, throttle, brake = controls
            controls = np.array([steer, throttle - brake])
        return self._advance(self._env.step, controls.astype(space.dtype), ticks)

    @property
    def takes_controls(self) -> bool:
        """Whether it can be driven with steer, throttle and brake: else only with actions of its own space."""
        return hasattr(self._env.unwrapped, "step_controls") or (
            isinstance(self.action_space, spaces.Box) and self.action_space.shape in ((2,), (3,))
        )

    def picture(self) -> npt.NDArray[np.uint8] | None:
        """Return the game as it is now, `(H, W, 3)` uint8; None if the env has no pictures."""
        view = getattr(self._env.unwrapped, "stock_view", None)
        picture = self._env.render() if view is None else view()
        return picture if isinstance(picture, np.ndarray) else None

    def telemetry(self, info: dict[str, Any]) -> dict[str, Any]:
        """Return what is known of the car beside `info`."""
        read = getattr(self._env.unwrapped, "game_telemetry", None)
        if read is not None:
            return dict(read())
        return {"speed": info.get(SPEED_MPS), "lap_progress": info.get(PROGRESS)}

    def track_id(self) -> str | None:
        """Return 16 hex digits that name the track by its shape, or None without one."""
        edges = getattr(self._env.unwrapped, ROAD_EDGES, None)
        if edges is None:
            return None
        centre = np.ascontiguousarray(edges.mean(axis=0), np.float64)
        return hashlib.sha256(centre.tobytes()).hexdigest()[:16]

    def rebuild(self) -> None:
        """Build the envs anew: one has failed."""
        training = self._env is self._envs.get(True)
        self.close()
        self._env = self._choose(training)

    def close(self) -> None:
        """Close the envs."""
        for env in self._envs.values():
            env.close()
        self._envs = {}

    def _choose(self, training: bool) -> gym.Env[Any, Any]:
        if training not in self._envs:
            self._envs[training] = self._make(training)
        return self._envs[training]

    def _advance(self, step: Callable[[Any], Any], action: Any, ticks: int) -> Outcome:
        inner = self._env.unwrapped
        if hasattr(inner, "action_repeat"):
            inner.action_repeat = ticks  # only the last of the ticks is drawn
            observation, reward, terminated, truncated, info = step(action)
            return Outcome(observation, float(reward), terminated, truncated, info, info[FRAMES])
        total, frames, done = 0.0, 0, 0
        terminated = truncated = False
        while done < ticks and not (terminated or truncated):
            observation, reward, terminated, truncated, info = step(action)
            total += float(reward)
            frames += info.get(FRAMES, 1)
            done += 1
        return Outcome(observation, total, bool(terminated), bool(truncated), {**info, FRAMES: frames}, done)
