"""Several games that step together: all are told their actions before any is waited for."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy.typing as npt

from envs.assetto_corsa import safety
from envs.assetto_corsa.env import AssettoCorsaEnv
from envs.assetto_corsa.env_arguments import hosts_of
from envs.errors import ConfigError
from envs.native_vector import NativeVectorEnv, Step


class AssettoCorsaVectorEnv(NativeVectorEnv):
    """Step N games, as `SyncVectorEnv` of `AssettoCorsaEnv` would, but in the time of one.

    Game i of runner w is the one at `hosts[w * N + i]`. A game whose episode ended is reset by its next step, whose
    action it ignores (NEXT_STEP). That takes more than a second, in which the others hold their actions, for their
    games do not wait: with several real games, one a runner is better (`ray.envs_per_runner=1`).

    Args:
        num_envs: N.
        seeds: N endless streams of seeds, for resets that bring no seed; None: each env's own generator.
        runner: index of the runner.
        arguments: of `AssettoCorsaEnv`.

    Raises:
        ConfigError: an argument has the wrong type or value, or there are fewer hosts than games.
    """

    metadata = {**AssettoCorsaEnv.metadata, **NativeVectorEnv.metadata}  # noqa: RUF012 (Gymnasium's declaration)

    def __init__(
        self,
        num_envs: int = 1,
        *,
        seeds: Sequence[Iterator[int]] | None = None,
        runner: int = 0,
        **arguments: Any,
    ) -> None:
        self._envs: list[AssettoCorsaEnv] = []  # Gymnasium closes them even if an argument is refused
        self._threads: ThreadPoolExecutor | None = None
        self.check(num_envs, seeds)
        self.render_mode = arguments.get("render_mode")
        self._is_lockstep = isinstance(arguments.get("twin"), str)
        for one in _each(arguments, range(runner * num_envs, (runner + 1) * num_envs)):
            self._envs.append(AssettoCorsaEnv(**one))
        self.set_up(num_envs, seeds, self._envs[0].observation_space, self._envs[0].action_space)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every game.

        Args:
            seed: one for each game, or the first one's, to which the others count up, as in `SyncVectorEnv`.
            options: for each game.
        """
        safety.take_signals()  # the first resets may all be in other threads
        rows = self.rows()
        begun = dict(enumerate(self.reset_seeds(seed)))
        for index, (observation, info) in self._reset(begun, options).items():
            rows.write(index, observation, 0.0, False, False, info)
        self._done[:] = False
        return rows.observations, rows.infos

    def step(self, actions: npt.NDArray[Any]) -> Step:
        """Step every game, or reset it if its episode has ended.

        Args:
            actions: `(N, A)`.
        """
        self.check_actions(actions)
        rows = self.rows()
        driven = [index for index in range(self.num_envs) if not self._done[index]]
        for index in driven:
            self._envs[index].send_action(actions[index])
        for index in driven:
            rows.write(index, *self._envs[index].receive())
        begun = {index: self.next_seed(index) for index in range(self.num_envs) if self._done[index]}
        for index, (observation, info) in self._reset(begun, None).items():
            rows.write(index, observation, 0.0, False, False, info)
        self._done = rows.terminated | rows.truncated
        return rows.step()

    def render(self) -> tuple[Any, ...] | None:
        """Return each env's picture; None without a render mode."""
        return tuple(env.render() for env in self._envs) if self.render_mode else None

    def close_extras(self, **kwargs: Any) -> None:
        """Leave every car safe and hang up."""
        for env in self._envs:
            env.close()
        if self._threads is not None:
            self._threads.shutdown()

    def _reset(
        self, seeds: dict[int, int | None], options: dict[str, Any] | None
    ) -> dict[int, tuple[Any, dict[str, Any]]]:
        """Reset games, real ones at the same time; return observations and infos by their indices."""
        if self._is_lockstep or len(seeds) < 2:
            return {index: self._envs[index].reset(seed=seed, options=options) for index, seed in seeds.items()}
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.num_envs, thread_name_prefix="reset")
        started = {index: self._threads.submit(self._resetter(index, seed, options)) for index, seed in seeds.items()}
        return {index: one.result() for index, one in started.items()}

    def _resetter(
        self, index: int, seed: int | None, options: dict[str, Any] | None
    ) -> Callable[[], tuple[Any, dict[str, Any]]]:
        return lambda: self._envs[index].reset(seed=seed, options=options)


def _each(arguments: dict[str, Any], places: range) -> list[dict[str, Any]]:
    """Return the arguments of each env; those of games elsewhere have one host each."""
    if arguments.get("twin"):
        return [arguments] * len(places)
    hosts = hosts_of(arguments)
    if len(hosts) < places.stop:
        raise ConfigError(
            f"Expected env.hosts of at least {places.stop} games, got {len(hosts)}: {', '.join(hosts)}. A plugin "
            "serves one client: name more of them, or set ray.num_env_runners and ray.envs_per_runner."
        )
    return [{**arguments, "hosts": hosts[place]} for place in places]
