"""Wrappers that any env of the suite may wear."""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym


class TrainingSeeds(gym.Wrapper[Any, Any, Any, Any]):
    """Seed every episode from a stream, so that each training track is known and none belongs to evaluation.

    A reset with an explicit seed passes through and takes nothing from the stream.

    Args:
        env: the env to seed.
        seeds: an endless stream, as `envs.seeds.episode_seeds` makes it.
    """

    def __init__(self, env: gym.Env[Any, Any], seeds: Iterator[int]) -> None:
        super().__init__(env)
        self._seeds = seeds

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset the env with `seed`, or with the next seed of the stream when there is none."""
        return self.env.reset(seed=next(self._seeds) if seed is None else seed, options=options)
