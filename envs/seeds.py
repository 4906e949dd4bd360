"""Which tracks training drives on: a stream of seeds for each env of each runner."""

from collections.abc import Iterator, Mapping

import numpy as np

from envs.arguments import check_names, check_types
from envs.errors import ConfigError

# The upper end fits a signed 32-bit integer, which is what games take.
FIRST_TRAINING_SEED = 2**20
LAST_TRAINING_SEED = 2**31 - 1
EVALUATION_SEEDS = (range(10_000, 10_100), range(20_000, 20_100))  # the score's tracks, and those of choosing


def training_range(*, first: int = FIRST_TRAINING_SEED, last: int = LAST_TRAINING_SEED) -> range:
    """Return the seeds `first` … `last` that training may use.

    Raises:
        ConfigError: they are no range, or evaluation's tracks are among them.
    """
    if not 0 <= first <= last <= LAST_TRAINING_SEED:
        raise ConfigError(
            f"Expected env.train_seeds with 0 <= first <= last <= {LAST_TRAINING_SEED}, got first={first}, last={last}."
        )
    seeds = range(first, last + 1)
    for evaluation in EVALUATION_SEEDS:
        if first < evaluation.stop and evaluation.start <= last:
            raise ConfigError(
                f"env.train_seeds are {first} … {last}, which overlaps the evaluation's {evaluation.start} … "
                f"{evaluation.stop - 1}. Scores are made on tracks that training never sees: choose others."
            )
    return seeds


def training_range_from(config: Mapping[str, int] | None) -> range:
    """Return the range that `env.train_seeds` names, `first` and `last`; None means all that are free for training.

    Raises:
        ConfigError: as for `training_range`, or a key is unknown or ill-typed.
    """
    arguments = dict(config or {})
    check_names(training_range, arguments)
    check_types(training_range, arguments)
    return training_range(**arguments)


def check_enough_seeds(seeds: range, num_streams: int) -> None:
    """Raise a ConfigError unless each of `num_streams` envs can have a track of its own."""
    if len(seeds) < num_streams:
        raise ConfigError(
            f"env.train_seeds are {len(seeds)} tracks for {num_streams} envs. Each env needs one of its own: "
            "widen the range, or set fewer ray.num_env_runners or ray.envs_per_runner."
        )


def episode_seeds(seeds: range, *, seed: int, stream: int, num_streams: int, start: int) -> Iterator[int]:
    """Return the track seeds of one env's training episodes, without end; the same arguments give the same stream.

    Every stream has seeds of its own, each `num_streams`-th, so that no two envs of a run ever drive the same track.

    Args:
        seeds: what training may use.
        seed: the run's seed.
        stream: index of the env among all envs of all runners.
        num_streams: number of those envs.
        start: how many times training was started before (resumes, restarts of a lost runner), so that a restart
            does not drive its first tracks again.

    Raises:
        ConfigError: there are fewer seeds than streams.
    """
    check_enough_seeds(seeds, num_streams)
    own = seeds[stream::num_streams]
    return _draw(own, np.random.default_rng(np.random.SeedSequence([seed, stream, start])))


def _draw(seeds: range, generator: np.random.Generator) -> Iterator[int]:
    while True:
        yield seeds[int(generator.integers(len(seeds)))]
