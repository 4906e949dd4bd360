"""Many remote games that step together: one message a server and step."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.native_vector import NativeVectorEnv, Step
from envs.remote.driving import Driving
from envs.remote.env import RemoteEnv, plain_action


class RemoteVectorEnv(NativeVectorEnv):
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

    metadata = {**RemoteEnv.metadata, **NativeVectorEnv.metadata}  # noqa: RUF012 (Gymnasium's declaration)

    def __init__(
        self,
        num_envs: int = 1,
        *,
        seeds: Sequence[Iterator[int]] | None = None,
        runner: int = 0,
        **arguments: Any,
    ) -> None:
        self._driving: Driving | None = None
        self.check(num_envs, seeds)
        self.render_mode = None
        self._driving = Driving(num_envs, runner=runner, **_DEFAULTS | arguments)
        leases = self._driving.seats.leases
        assert leases.observation_space is not None
        assert leases.action_space is not None
        self.set_up(num_envs, seeds, leases.observation_space, leases.action_space)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every game.

        Args:
            seed: one for each game, or the first one's, to which the others count up, as in `SyncVectorEnv`.
            options: for each game.
        """
        driving, rows = self._open(), self.rows()
        for index, state in driving.reset(dict(enumerate(self.reset_seeds(seed))), options).items():
            observation, info = driving.sights[index].begin(state)
            rows.write(index, observation, 0.0, False, False, info)
        self._done[:] = False
        return rows.observations, rows.infos

    def step(self, actions: npt.NDArray[Any]) -> Step:
        """Step every game, or reset it if its episode has ended.

        Args:
            actions: `(N, A)`, or `(N,)` whole numbers.
        """
        self.check_actions(actions)
        driving, rows = self._open(), self.rows()
        driven = {
            index: plain_action(actions[index], self.single_action_space)
            for index in np.flatnonzero(~self._done).tolist()
        }
        begun = {index: self.next_seed(index) for index in np.flatnonzero(self._done).tolist()}
        for index, heard in driving.seats.advance(driven, driving.ticks, begun).items():
            driving.count(heard)
            rows.write(index, *driving.sights[index].step(heard))
        self._done = rows.terminated | rows.truncated
        return rows.step()

    def close_extras(self, **kwargs: Any) -> None:
        """Give all games back."""
        if self._driving is not None:
            self._driving.close()
            self._driving = None

    def _open(self) -> Driving:
        if self._driving is None:
            raise RuntimeError("RemoteVectorEnv is closed.")
        return self._driving


_DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(RemoteEnv).parameters.items()
    if name != "render_mode"
}
