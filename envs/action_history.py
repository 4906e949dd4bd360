"""The last actions as a part of the observation, for any env: with delays, what was done says what is still to come."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from envs.action_coding import action_coding
from envs.errors import ConfigError
from envs.stacking import as_parts, observation_parts

ACTION_HISTORY = "action_history"  # the key of an env's config, and the part's name


def action_history(config: Mapping[str, Any]) -> int:
    """Return how many actions an env's config adds to observations; it may leave the key out: none.

    Raises:
        ConfigError: it is no whole number, or below 0.
    """
    depth = config.get(ACTION_HISTORY, 0)
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 0:
        raise ConfigError(
            f"Expected env.{ACTION_HISTORY} to be a whole number of actions, at least 0 (none), got {depth!r}."
        )
    return depth


class ActionHistory(gym.Wrapper[Any, Any, Any, Any]):
    """Add the last `depth` actions of the episode to the observations of an env.

    Observations become a dict: a bare box is the part `image` or `vector`, and `action_history` is `(depth * A,)`
    float32, newest action last. Actions are in the numbers that policies act in (`envs.action_coding`): units of the
    env's box, -1 its lower and 1 its upper bound, where what lies beyond has landed on the bound; or one-hots, where
    one of A is chosen. Where the episode is younger than `depth`, there are zeros.

    Args:
        env: the env.
        depth: number of actions, at least 1.

    Raises:
        ConfigError: the actions are neither a bounded box nor a choice, or observations have a part of that name.

    Source: real-time RL needs the actions that are under way for the Markov property, Bouteiller et al., "Reinforcement
    learning with random delays" (ICLR 2021).
    """

    def __init__(self, env: gym.Env[Any, Any], depth: int) -> None:
        super().__init__(env)
        self._past = _PastActions(1, depth, env.action_space)
        self.observation_space = _space_with(env.observation_space, self._past.space)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode, in which nothing has been done yet."""
        observation, info = self.env.reset(seed=seed, options=options)
        return as_parts(observation) | {ACTION_HISTORY: self._past.forget()[0]}, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step the env; `action` is the newest of the history that comes back."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        past = self._past.add(np.asarray(action)[None], is_reset=np.zeros(1, np.bool_))
        return as_parts(observation) | {ACTION_HISTORY: past[0]}, reward, terminated, truncated, info


class VectorActionHistory(VectorWrapper):
    """Add the last `depth` actions of each episode to the observations of a vector env, as `ActionHistory` does.

    Args:
        env: a vector env that resets itself one step after an episode ends (NEXT_STEP): that step's action is ignored,
            and its history is zeros.
        depth: number of actions, at least 1.

    Raises:
        ConfigError: as for `ActionHistory`.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], depth: int) -> None:
        super().__init__(env)
        self._past = _PastActions(env.num_envs, depth, env.single_action_space)
        self._done = np.zeros(env.num_envs, np.bool_)
        self.single_observation_space = _space_with(env.single_observation_space, self._past.space)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every env."""
        observations, infos = self.env.reset(seed=seed, options=options)
        self._done = np.zeros(self.num_envs, np.bool_)
        return as_parts(observations) | {ACTION_HISTORY: self._past.forget()}, infos

    def step(  # type: ignore[override] # Gymnasium's wrapper leaves its types open
        self, actions: npt.NDArray[Any]
    ) -> tuple[Any, npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], dict[str, Any]]:
        """Step every env, or reset it if its episode has ended."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        past = self._past.add(np.asarray(actions), is_reset=self._done)
        self._done = terminated | truncated
        return as_parts(observations) | {ACTION_HISTORY: past}, rewards, terminated, truncated, infos


class _PastActions:
    """The last `depth` actions of `num_envs` envs, in a policy's numbers."""

    def __init__(self, num_envs: int, depth: int, actions: spaces.Space[Any]) -> None:
        self._coding = action_coding(actions)
        self._size = (num_envs, depth * self._coding.dim)
        self._past = self.forget()
        self.space = spaces.Box(self._coding.least, 1.0, self._size[1:], np.float32)

    def forget(self) -> npt.NDArray[np.float32]:
        """Return the history `(N, depth * A)` of episodes that begin."""
        self._past = np.zeros(self._size, np.float32)
        return self._past.copy()

    def add(self, actions: npt.NDArray[Any], *, is_reset: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Return the history after the envs' actions; of envs that were reset instead, `is_reset` `(N,)`, a new one."""
        past = np.concatenate([self._past[:, self._coding.dim :], self._coding.from_env(actions)], axis=1)
        past[is_reset] = 0.0
        self._past = past
        return past.copy()


def _space_with(space: spaces.Space[Any], history: spaces.Box) -> spaces.Dict:
    images, vectors = observation_parts(space)
    if ACTION_HISTORY in images | vectors:
        raise ConfigError(
            f"The env's observations have a part {ACTION_HISTORY!r} already. Choose "
            f"env.{ACTION_HISTORY}=0, or let the env name its part otherwise."
        )
    return spaces.Dict({**images, **vectors, ACTION_HISTORY: history})
