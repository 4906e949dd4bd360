"""Sequences that nobody has learnt from yet, in the order in which they were driven."""

import numpy as np

from experiments.replay.streams import Indices, RingStreams


class OnlineQueue:
    """Cut every stream into sequences of T + 1 slots, each of which begins with the last slot of the one before.

    What was driven is thus learnt from once before chance decides, however large the replay has become. Only how far
    each stream has been read is kept: what the ring has lost meanwhile is passed over.

    Source: Hafner et al. (arXiv 2301.04104v2); the authors' `replay.online`.
    """

    def __init__(self, streams: RingStreams, length: int) -> None:
        """Read from these streams, T decisions at a time."""
        self._streams, self._length = streams, length
        self._read_to = np.zeros(len(streams.next), np.int64)

    def take(self, count: int) -> tuple[Indices, Indices]:
        """Return streams and first slots of up to `count` sequences that are whole, oldest of each stream first."""
        streams: list[int] = []
        slots: list[int] = []
        first = np.maximum(self._read_to, self._streams.low)
        waiting = np.maximum(self._streams.next - 1 - first, 0) // self._length
        while len(slots) < count and waiting.any():
            stream = int(waiting.argmax())  # the longest queue first, so that none waits for ever
            streams.append(stream)
            slots.append(int(first[stream]))
            first[stream] += self._length
            waiting[stream] -= 1
        self._read_to = first
        return np.array(streams, np.int64), np.array(slots, np.int64)

    def state(self) -> list[int]:
        """Return how far each stream has been read."""
        return [int(slot) for slot in self._read_to]

    def restore(self, state: list[int]) -> None:
        """Go back to `state`; streams that were added since begin at their first slot."""
        self._read_to = np.zeros(len(self._streams.next), np.int64)
        self._read_to[: len(state)] = state
        # What was driven after the checkpoint is gone.
        self._read_to = np.minimum(self._read_to, np.maximum(self._streams.next - 1, 0))
