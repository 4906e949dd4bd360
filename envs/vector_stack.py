"""Stacks of vectors, for any env: `env.frame_stack` stacks pictures alone, where they are read; numbers are small."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from envs.errors import ConfigError
from envs.stacking import as_parts, observation_parts

VECTOR_STACK = "vector_stack"  # the key of an env's config


def vector_stack(config: Mapping[str, Any]) -> int:
    """Return how many vectors in a row an env's config shows at once; it may leave the key out: one.

    Raises:
        ConfigError: it is no whole number, or below 1.
    """
    depth = config.get(VECTOR_STACK, 1)
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise ConfigError(f"Expected env.{VECTOR_STACK} to be a whole number of vectors, at least 1, got {depth!r}.")
    return depth


class VectorStack(gym.Wrapper[Any, Any, Any, Any]):
    """Show the last `depth` values of every vector of an env's observations, `(depth * D,)`, newest last.

    At an episode's first observation all are that one. Pictures stay as they are.

    Args:
        env: the env.
        depth: vectors in a stack, at least 1.

    Raises:
        ConfigError: an observation is neither picture nor vector.
    """

    def __init__(self, env: gym.Env[Any, Any], depth: int) -> None:
        super().__init__(env)
        self._stacks = _Stacks(1, depth, env.observation_space)
        self.observation_space = self._stacks.space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._stacks.add_one(observation, is_first=True), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step the env."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._stacks.add_one(observation, is_first=False), reward, terminated, truncated, info


class VectorVectorStack(VectorWrapper):
    """Show the last `depth` values of every vector of a vector env's observations, as `VectorStack` does.

    Args:
        env: a vector env that resets itself one step after an episode ends (NEXT_STEP).
        depth: vectors in a stack, at least 1.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], depth: int) -> None:
        super().__init__(env)
        self._stacks = _Stacks(env.num_envs, depth, env.single_observation_space)
        self._done = np.zeros(env.num_envs, np.bool_)
        self.single_observation_space = self._stacks.space
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every env."""
        observations, infos = self.env.reset(seed=seed, options=options)
        self._done = np.zeros(self.num_envs, np.bool_)
        return self._stacks.add(observations, np.ones(self.num_envs, np.bool_)), infos

    def step(  # type: ignore[override] # Gymnasium's wrapper leaves its types open
        self, actions: npt.NDArray[Any]
    ) -> tuple[Any, npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], dict[str, Any]]:
        """Step every env, or reset it if its episode has ended."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        stacked = self._stacks.add(observations, self._done)
        self._done = terminated | truncated
        return stacked, rewards, terminated, truncated, infos


class _Stacks:
    """The last `depth` vectors of `num_envs` envs, by name."""

    def __init__(self, num_envs: int, depth: int, space: spaces.Space[Any]) -> None:
        _, vectors = observation_parts(space)
        self._is_dict = isinstance(space, spaces.Dict)
        stacked = {
            name: spaces.Box(np.tile(box.low, depth), np.tile(box.high, depth), dtype=box.low.dtype.type)
            for name, box in vectors.items()
        }
        self._kept = {name: np.zeros((num_envs, depth, *box.shape), box.dtype) for name, box in vectors.items()}
        if isinstance(space, spaces.Dict):
            self.space: spaces.Space[Any] = spaces.Dict({**space.spaces, **stacked})
        else:
            self.space = next(iter(stacked.values()), space)

    def add(self, observations: Any, is_first: npt.NDArray[np.bool_]) -> Any:
        """Return the stacks of N envs after their newest observations; `is_first` `(N,)` begins episodes."""
        parts = as_parts(observations)
        for name, kept in self._kept.items():
            kept[:, :-1] = kept[:, 1:]
            kept[:, -1] = parts[name]
            kept[is_first] = parts[name][is_first, None]
            parts[name] = kept.reshape(len(kept), -1).copy()
        return parts if self._is_dict else next(iter(parts.values()))

    def add_one(self, observation: Any, *, is_first: bool) -> Any:
        """Do so for a single env."""
        batch = {name: np.asarray(part)[None] for name, part in as_parts(observation).items()}
        stacked = self.add(batch, np.array([is_first]))
        stacked = stacked if isinstance(stacked, dict) else {"": stacked}
        return {name: part[0] for name, part in stacked.items()} if self._is_dict else next(iter(stacked.values()))[0]
