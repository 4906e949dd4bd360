"""Which tracks training drives on: a stream of seeds for each env of each runner."""

from collections.abc import Iterator

import numpy as np

# Evaluation owns the tracks 10000 … 10099 (the score) and 20000 … 20099 (choosing checkpoints), so training starts
# far above them. The upper end fits a signed 32-bit integer, which is what games take.
FIRST_TRAINING_SEED = 2**20
LAST_TRAINING_SEED = 2**31 - 1


def episode_seeds(seed: int, runner: int, env: int, start: int) -> Iterator[int]:
    """Yield the track seeds of one env's training episodes, without end; the same four numbers give the same stream.

    Streams are drawn independently, so two of them share a track only by chance: among n tracks in all there are
    about n² / 2³² pairs of equal ones.

    Args:
        seed: the run's seed.
        runner: index of the runner.
        env: index of the env in its runner.
        start: how many times training was started before (resumes, restarts of a lost runner), so that a restart
            does not drive its first tracks again.

    Yields:
        Seeds in `FIRST_TRAINING_SEED … LAST_TRAINING_SEED`.
    """
    generator = np.random.default_rng(np.random.SeedSequence([seed, runner, env, start]))
    while True:
        yield int(generator.integers(FIRST_TRAINING_SEED, LAST_TRAINING_SEED, endpoint=True))
