"""Many remote games that step together: one message a server and step."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, create_empty_array

from envs.arguments import check_range
from envs.errors import ConfigError
from envs.merged_infos import MergedInfos
from envs.remote.driving import Driving
from envs.remote.env import RemoteEnv, plain_action


class RemoteVectorEnv(VectorEnv[Any, Any, Any]):
    """Step N remote games, as `SyncVectorEnv` of `RemoteEnv` would, but all servers at the same time.

    A game whose episode ended, or that was lost, is reset by its next step, whose action it ignores (NEXT_STEP).

    Args:
        num_envs: N.
        seeds: N endless streams of seeds, for resets that bring no seed; None: the served envs' own generators.
        runner: index of the runner.
        arguments: of `RemoteEnv`.

    Raises:
        ConfigError: an argument has the wrong type or value.
        SimulatorUnavailable: the servers have not as many games.
    """

    metadata = {**RemoteEnv.metadata, "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 (Gymnasium's declaration)

    def __init__(
        self,
        num_envs: int = 1,
        *,
        seeds: Sequence[Iterator[int]] | None = None,
        runner: int = 0,
        **arguments: Any,
    ) -> None:
        self._driving: Driving | None = None
        check_range("num_envs", num_envs, 1)
        if seeds is not None and len(seeds) != num_envs:
            raise ConfigError(f"Expected a stream of seeds for each of the {num_envs} envs, got {len(seeds)}.")
        self.num_envs, self._seeds = num_envs, seeds
        self.render_mode = None
        self._driving = driving = Driving(num_envs, runner=runner, **_DEFAULTS | arguments)
        assert driving.seats.leases.observation_space is not None
        assert driving.seats.leases.action_space is not None
        self.single_observation_space = driving.seats.leases.observation_space
        self.single_action_space = driving.seats.leases.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._done = np.zeros(num_envs, np.bool_)
        self._kinds: dict[str, tuple[tuple[int, ...], Any]] = {}

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every game.

        Args:
            seed: one for each game, or the first one's, to which the others count up, as in `SyncVectorEnv`.
            options: for each game.
        """
        given = [None] * self.num_envs if seed is None else seed
        each = [given + index for index in range(self.num_envs)] if isinstance(given, int) else list(given)
        if len(each) != self.num_envs:
            raise ValueError(f"Expected a seed for each of the {self.num_envs} envs, got {len(each)}.")
        driving = self._open()
        states = driving.reset({index: self._seed(index, one) for index, one in enumerate(each)}, options)
        observations = create_empty_array(self.single_observation_space, self.num_envs, fn=np.empty)
        infos = MergedInfos(self.num_envs, self._kinds)
        for index, state in states.items():
            observation, info = driving.sights[index].begin(state)
            _write(observations, index, observation)
            infos.add(index, info)
        self._done[:] = False
        return observations, infos.merged

    def step(
        self, actions: npt.NDArray[Any]
    ) -> tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        """Step every game, or reset it if its episode has ended.

        Args:
            actions: `(N, A)`, or `(N,)` whole numbers.
        """
        if len(actions) != self.num_envs:
            raise ValueError(f"Expected an action for each of the {self.num_envs} envs, got {len(actions)}.")
        driving, space = self._open(), self.single_action_space
        driven = {index: plain_action(actions[index], space) for index in np.flatnonzero(~self._done).tolist()}
        begun = {index: self._seed(index, None) for index in np.flatnonzero(self._done).tolist()}
        heard = driving.seats.advance(driven, driving.ticks, begun)
        observations = create_empty_array(self.single_observation_space, self.num_envs, fn=np.empty)
        rewards = np.zeros(self.num_envs)
        terminated, truncated = np.zeros(self.num_envs, np.bool_), np.zeros(self.num_envs, np.bool_)
        infos = MergedInfos(self.num_envs, self._kinds)
        for index, one in heard.items():
            driving.count(one)
            observation, rewards[index], terminated[index], truncated[index], info = driving.sights[index].step(one)
            _write(observations, index, observation)
            infos.add(index, info)
        self._done = terminated | truncated
        return observations, rewards, terminated, truncated, infos.merged

    def close_extras(self, **kwargs: Any) -> None:
        """Give all games back."""
        if self._driving is not None:
            self._driving.close()
            self._driving = None

    def _open(self) -> Driving:
        if self._driving is None:
            raise RuntimeError("RemoteVectorEnv is closed.")
        return self._driving

    def _seed(self, index: int, given: int | None) -> int | None:
        return next(self._seeds[index]) if given is None and self._seeds is not None else given


_DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(RemoteEnv).parameters.items()
    if name != "render_mode"
}


def _write(observations: Any, index: int, observation: Any) -> None:
    if isinstance(observations, dict):
        for name, part in observation.items():
            observations[name][index] = part
    else:
        observations[index] = observation
