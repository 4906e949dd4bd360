"""What the suite's own vector envs share: streams of seeds, NEXT_STEP, and arrays that a step is written into."""

from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, create_empty_array

from envs.arguments import check_range
from envs.errors import ConfigError
from envs.merged_infos import Kind, MergedInfos

Step = tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]


class StepRows:
    """One step of N envs, a row each.

    Args:
        space: observations of one env.
        num_envs: N.
        kinds: see `MergedInfos`.
    """

    def __init__(self, space: gym.Space[Any], num_envs: int, kinds: dict[str, Kind]) -> None:
        self.observations: Any = create_empty_array(space, num_envs, fn=np.empty)
        self.rewards = np.zeros(num_envs)
        self.terminated, self.truncated = np.zeros(num_envs, np.bool_), np.zeros(num_envs, np.bool_)
        self._infos = MergedInfos(num_envs, kinds)

    @property
    def infos(self) -> dict[str, Any]:
        """As Gymnasium's vector envs return them."""
        return self._infos.merged

    def write(
        self,
        index: int,
        observation: Any,
        reward: float,
        terminated: bool,
        truncated: bool,
        info: dict[str, Any],
    ) -> None:
        """Write what env `index` has returned."""
        if isinstance(self.observations, dict):
            for name, part in observation.items():
                self.observations[name][index] = part
        else:
            self.observations[index] = observation
        self.rewards[index], self.terminated[index], self.truncated[index] = reward, terminated, truncated
        self._infos.add(index, info)

    def step(self) -> Step:
        """Return it as a vector env's `step` does."""
        return self.observations, self.rewards, self.terminated, self.truncated, self.infos


class NativeVectorEnv(VectorEnv[Any, Any, Any]):
    """A vector env that steps its envs itself; call `set_up` before anything else."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 (Gymnasium's declaration)

    def check(self, num_envs: int, seeds: Sequence[Iterator[int]] | None) -> None:
        """Refuse fewer than one env, and another number of streams.

        Raises:
            ConfigError: names the number.
        """
        check_range("num_envs", num_envs, 1)
        if seeds is not None and len(seeds) != num_envs:
            raise ConfigError(f"Expected a stream of seeds for each of the {num_envs} envs, got {len(seeds)}.")

    def set_up(
        self,
        num_envs: int,
        seeds: Sequence[Iterator[int]] | None,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
    ) -> None:
        """Take over the number of envs, their streams of seeds (None: each env's own generator) and their spaces."""
        self.num_envs, self._seeds = num_envs, seeds
        self.single_observation_space, self.single_action_space = observation_space, action_space
        self.observation_space = batch_space(observation_space, num_envs)
        self.action_space = batch_space(action_space, num_envs)
        self._done = np.zeros(num_envs, np.bool_)
        self._kinds: dict[str, Kind] = {}

    def rows(self) -> StepRows:
        """Return empty rows for a step."""
        return StepRows(self.single_observation_space, self.num_envs, self._kinds)

    def next_seed(self, index: int) -> int | None:
        """Return the seed of the next episode of env `index`; None: its own generator's."""
        return None if self._seeds is None else next(self._seeds[index])

    def reset_seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        """Return the seed of each env for a reset: one for each, or the first one's, to which the others count up.

        Raises:
            ValueError: there are not as many as envs.
        """
        given = [None] * self.num_envs if seed is None else seed
        each = [given + index for index in range(self.num_envs)] if isinstance(given, int) else list(given)
        if len(each) != self.num_envs:
            raise ValueError(f"Expected a seed for each of the {self.num_envs} envs, got {len(each)}.")
        return [self.next_seed(index) if one is None else one for index, one in enumerate(each)]

    def check_actions(self, actions: npt.NDArray[Any]) -> None:
        """Raise a ValueError unless there is an action for each env."""
        if len(actions) != self.num_envs:
            raise ValueError(f"Expected an action for each of the {self.num_envs} envs, got {len(actions)}.")
