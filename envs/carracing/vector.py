"""Many CarRacings that step together and write into one array."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy.typing as npt

from envs.carracing.env import CarRacingEnv
from envs.native_vector import NativeVectorEnv, Step


class CarRacingVectorEnv(NativeVectorEnv):
    """Step N CarRacings one after the other, as `SyncVectorEnv` would, without its cost of merging dicts.

    An env whose episode ended is reset by its next step, whose action it ignores (NEXT_STEP).

    Args:
        num_envs: N.
        seeds: N endless streams of track seeds, for resets that bring no seed; None: each env's own generator.
        arguments: of `CarRacingEnv`.

    Raises:
        ConfigError: an argument has the wrong type or value.
    """

    metadata = {**CarRacingEnv.metadata, **NativeVectorEnv.metadata}  # noqa: RUF012 (Gymnasium's declaration)

    def __init__(self, num_envs: int = 1, *, seeds: Sequence[Iterator[int]] | None = None, **arguments: Any) -> None:
        self._envs: list[CarRacingEnv] = []  # Gymnasium closes them even if an argument is refused
        self.check(num_envs, seeds)
        self.render_mode = arguments.get("render_mode")
        self._envs = [CarRacingEnv(**arguments) for _ in range(num_envs)]
        self.set_up(num_envs, seeds, self._envs[0].observation_space, self._envs[0].action_space)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in every env.

        Args:
            seed: one for each env, or the first one's, to which the others count up, as in `SyncVectorEnv`.
            options: for each env.
        """
        rows = self.rows()
        for index, (env, one) in enumerate(zip(self._envs, self.reset_seeds(seed), strict=True)):
            observation, info = env.reset(seed=one, options=options)
            rows.write(index, observation, 0.0, False, False, info)
        self._done[:] = False
        return rows.observations, rows.infos

    def step(self, actions: npt.NDArray[Any]) -> Step:
        """Step every env, or reset it if its episode has ended.

        Args:
            actions: `(N, A)`, or `(N,)` whole numbers.
        """
        self.check_actions(actions)
        rows = self.rows()
        for index, (env, action) in enumerate(zip(self._envs, actions, strict=True)):
            if self._done[index]:
                observation, info = env.reset(seed=self.next_seed(index))
                rows.write(index, observation, 0.0, False, False, info)
            else:
                rows.write(index, *env.step(action))
        self._done = rows.terminated | rows.truncated
        return rows.step()

    def render(self) -> tuple[Any, ...] | None:
        """Return each env's picture; None without a render mode."""
        return tuple(env.render() for env in self._envs) if self.render_mode else None

    def close_extras(self, **kwargs: Any) -> None:
        """Close every env."""
        for env in self._envs:
            env.close()
