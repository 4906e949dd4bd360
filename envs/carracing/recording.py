"""Episodes of CarRacing as a seed and a list of actions, which replay frame for frame."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from envs.carracing.env import CarRacingEnv

_FORMAT = 1


@dataclass(frozen=True)
class Recording:
    """One episode, whole or not.

    Attributes:
        arguments: of `CarRacingEnv`; those of pictures (`renderer`, `image_size` …) may be others in a replay.
        seed: of the reset.
        actions: `(T, A)` or `(T,)`, one for each decision.
        rewards: `(T,)`, what they earned.
    """

    arguments: dict[str, Any]
    seed: int
    actions: npt.NDArray[Any]
    rewards: npt.NDArray[np.float64]

    def save(self, path: Path) -> None:
        """Write an npz."""
        head = json.dumps({"format": _FORMAT, "arguments": self.arguments, "seed": self.seed})
        np.savez_compressed(path, head=np.array(head), actions=self.actions, rewards=self.rewards)

    @classmethod
    def load(cls, path: Path) -> "Recording":
        """Read what `save` wrote; nothing is unpickled.

        Raises:
            ValueError: the file holds no recording.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                head = json.loads(str(data["head"]))
                if head["format"] != _FORMAT:
                    raise ValueError(f"its format is {head['format']}")
                return cls(head["arguments"], int(head["seed"]), data["actions"], data["rewards"])
        except (OSError, BadZipFile, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} holds no recording of format {_FORMAT} ({error}). Recording.save writes one."
            ) from error

    def replay(self, **changes: Any) -> Iterator[tuple[CarRacingEnv, tuple[Any, float, bool, bool, dict[str, Any]]]]:
        """Drive the episode again; yield the env and what each step returns.

        Args:
            **changes: arguments of `CarRacingEnv` to replay with, such as `render_mode="rgb_array"`.

        Raises:
            ConfigError: an argument is wrong.
            RuntimeError: a step earns another reward than it did: it is not the same episode.
        """
        env = CarRacingEnv(**{**self.arguments, **changes})
        try:
            env.reset(seed=self.seed)
            for index, (action, reward) in enumerate(zip(self.actions, self.rewards, strict=True)):
                step = env.step(action)
                if step[1] != reward:
                    raise RuntimeError(
                        f"Decision {index} of the recorded episode {self.seed} earned {reward!r} and now {step[1]!r}. "
                        "Replay with the recorded arguments, and with the versions of box2d and gymnasium they had."
                    )
                yield env, step
        finally:
            env.close()


class ActionRecorder(gym.Wrapper[Any, Any, Any, Any]):
    """Remember the running episode's actions. An episode without a seed gets one from the env's generator.

    Args:
        arguments: of the `CarRacingEnv` to build and record.

    Raises:
        ConfigError: an argument is wrong.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(CarRacingEnv(**arguments))
        self._arguments = arguments
        self._seed: int | None = None
        self._actions: list[Any] = []
        self._rewards: list[float] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode and forget the last one."""
        self._seed = int(self.env.np_random.integers(2**31)) if seed is None else seed
        self._actions, self._rewards = [], []
        return self.env.reset(seed=self._seed, options=options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step the env, and remember the action."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._actions.append(np.copy(action))
        self._rewards.append(float(reward))
        return observation, float(reward), terminated, truncated, info

    def recording(self) -> Recording:
        """Return the running episode so far.

        Raises:
            RuntimeError: there has been no reset.
        """
        if self._seed is None:
            raise RuntimeError("ActionRecorder has no episode: call reset() first.")
        return Recording(self._arguments, self._seed, np.array(self._actions), np.array(self._rewards))
