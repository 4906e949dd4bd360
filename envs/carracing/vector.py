"""Many CarRacings that step together and write into one array."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, create_empty_array

from envs.arguments import check_range
from envs.carracing.env import CarRacingEnv
from envs.errors import ConfigError
from envs.merged_infos import MergedInfos


class CarRacingVectorEnv(VectorEnv[Any, Any, Any]):
    """Step N CarRacings one after the other, as `SyncVectorEnv` would, without its cost of merging dicts.

    An env whose episode ended is reset by its next step, whose action it ignores (NEXT_STEP).

    Args:
        num_envs: N.
        seeds: N endless streams of track seeds, for resets that bring no seed; None: each env's own generator.
        arguments: of `CarRacingEnv`.

    Raises:
        ConfigError: an argument has the wrong type or value.
    """

    metadata = {**CarRacingEnv.metadata, "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 (Gymnasium's declaration)

    def __init__(self, num_envs: int = 1, *, seeds: Sequence[Iterator[int]] | None = None, **arguments: Any) -> None:
        self._envs: list[CarRacingEnv] = []  # Gymnasium closes them even if an argument is refused
        check_range("num_envs", num_envs, 1)
        if seeds is not None and len(seeds) != num_envs:
            raise ConfigError(f"Expected a stream of seeds for each of the {num_envs} envs, got {len(seeds)}.")
        self.num_envs = num_envs
        self.render_mode = arguments.get("render_mode")
        self._envs = [CarRacingEnv(**arguments) for _ in range(num_envs)]
        self._seeds = seeds
        self.single_observation_space = self._envs[0].observation_space
        self.single_action_space = self._envs[0].action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._done = np.zeros(num_envs, np.bool_)
        self._kinds: dict[str, tuple[tuple[int, ...], Any]] = {}

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every env.

        Args:
            seed: one for each env, or the first one's, to which the others count up, as in `SyncVectorEnv`.
            options: for each env.
        """
        given = [None] * self.num_envs if seed is None else seed
        each = [given + index for index in range(self.num_envs)] if isinstance(given, int) else list(given)
        if len(each) != self.num_envs:
            raise ValueError(f"Expected a seed for each of the {self.num_envs} envs, got {len(each)}.")
        observations = self._empty_observations()
        infos = MergedInfos(self.num_envs, self._kinds)
        for index, env in enumerate(self._envs):
            observation, info = env.reset(seed=self._seed(index, each[index]), options=options)
            self._write(observations, index, observation)
            infos.add(index, info)
        self._done[:] = False
        return observations, infos.merged

    def step(
        self, actions: npt.NDArray[Any]
    ) -> tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        """Step every env, or reset it if its episode has ended.

        Args:
            actions: `(N, A)`, or `(N,)` whole numbers.
        """
        if len(actions) != self.num_envs:
            raise ValueError(f"Expected an action for each of the {self.num_envs} envs, got {len(actions)}.")
        observations = self._empty_observations()
        rewards = np.zeros(self.num_envs)
        terminated, truncated = np.zeros(self.num_envs, np.bool_), np.zeros(self.num_envs, np.bool_)
        infos = MergedInfos(self.num_envs, self._kinds)
        for index, (env, action) in enumerate(zip(self._envs, actions, strict=True)):
            if self._done[index]:
                observation, info = env.reset(seed=self._seed(index, None))
            else:
                observation, rewards[index], terminated[index], truncated[index], info = env.step(action)
            self._write(observations, index, observation)
            infos.add(index, info)
        self._done = terminated | truncated
        return observations, rewards, terminated, truncated, infos.merged

    def render(self) -> tuple[Any, ...] | None:
        """Return each env's picture; None without a render mode."""
        return tuple(env.render() for env in self._envs) if self.render_mode else None

    def close_extras(self, **kwargs: Any) -> None:
        """Close every env."""
        for env in self._envs:
            env.close()

    def _seed(self, index: int, given: int | None) -> int | None:
        return next(self._seeds[index]) if given is None and self._seeds is not None else given

    def _empty_observations(self) -> Any:
        return create_empty_array(self.single_observation_space, self.num_envs, fn=np.empty)

    def _write(self, observations: Any, index: int, observation: Any) -> None:
        if isinstance(observations, dict):
            for name, part in observation.items():
                observations[name][index] = part
        else:
            observations[index] = observation
