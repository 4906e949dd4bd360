"""Uniform draws from the replay ring's streams; `experiments.replay.priorities` is the other way to draw."""

import numpy as np

from experiments.replay.streams import Indices, RingStreams


class UniformDraws:
    """Draw slots of the window, each as likely as any other."""

    def __init__(self, streams: RingStreams) -> None:
        """Draw from these streams."""
        self._streams = streams

    def propose(self, random: np.random.Generator, count: int) -> tuple[Indices, Indices]:
        """Draw `(count,)` streams and slots of the window; none where there is nothing."""
        lengths = self._streams.lengths
        if not lengths.any():
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return draw_slots(random, self._streams.low, lengths, count)

    def pick(self, random: np.random.Generator, streams: Indices, slots: Indices, count: int) -> Indices:
        """Draw `(count,)` positions in a list of slots."""
        return random.integers(len(slots), size=count)


def draw_slots(random: np.random.Generator, first: Indices, lengths: Indices, count: int) -> tuple[Indices, Indices]:
    """Draw from the slots `first … first + length - 1` of every stream.

    Args:
        random: one call of this generator is made.
        first: `(S,)`.
        lengths: `(S,)`, >= 0 and not all 0.
        count: B.

    Returns:
        `(B,)` streams and `(B,)` slots.
    """
    ends = np.cumsum(lengths)
    draws = random.integers(ends[-1], size=count)
    streams = np.searchsorted(ends, draws, side="right")
    return streams, first[streams] + draws - (ends - lengths)[streams]
