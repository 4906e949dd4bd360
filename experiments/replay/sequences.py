"""Sequences of slots in a row, for recurrent models: single frames, several episodes where the stream holds several."""

from typing import Any

import numpy as np

from experiments.replay.streams import SETS_IN, TERMINATED, VALID, Indices, RingStreams
from experiments.replay.uniform_draws import draw_slots


class Sequences:
    """Draw and read runs of T decisions and T + 1 observations out of one stream each.

    A sequence goes on into the next episode, as the stream does. Where it does, there is a slot that is not valid: the
    last observation of the one episode, whose action and reward mean nothing. The next slot is the first of another,
    so the state of a recurrent model begins anew there. A fragment that set in amid an episode (others were lost) has
    its earlier frames before it, in slots that are not valid either: enough to warm up on, nothing to learn from.
    """

    def __init__(self, streams: RingStreams, *, images: list[str], vectors: list[str]) -> None:
        """Read from these streams, observations by these names."""
        self._streams, self._images, self._vectors = streams, images, vectors

    def draw(self, random: np.random.Generator, batch_size: int, length: int) -> tuple[Indices, Indices]:
        """Draw `(B,)` streams and first slots, uniformly from all whose T + 1 slots are in the window.

        The last of them may be the head, of which there is no more than the observation.

        Raises:
            ValueError: T is less than 1.
            RuntimeError: no stream holds so many slots (yet).
        """
        if length < 1:
            raise ValueError(f"A sequence has at least one decision; asked for {length}.")
        streams = self._streams
        counts = np.maximum(streams.next - streams.low - length, 0)
        if not counts.any():
            raise RuntimeError(
                f"No env has {length + 1} observations in a row in the replay ring; the longest row is "
                f"{int((streams.next - streams.low).max())}. Collect more before learning, ask for shorter sequences, "
                "or for a larger algo.training.replay_capacity."
            )
        return draw_slots(random, streams.low, counts, batch_size)

    def gather(self, streams: Indices, slots: Indices, length: int) -> dict[str, Any]:
        """Read the sequences that begin at `(B,)` slots, as `ReplayRing.sample_sequences` describes them."""
        data = self._streams.data
        rows = self._streams.rows(streams[:, None], slots[:, None] + np.arange(length + 1))
        steps = rows[:, :-1]
        flags = data["flags"][rows]
        is_valid = (flags[:, :-1] & VALID) != 0
        obs = {name: np.take(data[f"image_{name}"], rows, axis=0) for name in self._images}
        obs |= {name: np.take(data[f"vector_{name}"], rows, axis=0) for name in self._vectors}
        return {
            "obs": obs,
            "actions": np.where(is_valid[..., None], data["action"][steps], np.float32(0)),
            "rewards": np.where(is_valid, data["reward"][steps], np.float32(0)),
            "terminated": (flags[:, :-1] & TERMINATED) != 0,
            "valid": is_valid,
            "is_first": (data["age"][rows] == 0) | ((flags & SETS_IN) != 0),
        }
