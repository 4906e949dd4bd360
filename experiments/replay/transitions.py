"""N-step transitions with stacked frames, as they are read from the slots of a replay ring."""

from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.replay.streams import TERMINATED, TRUNCATED, VALID, Indices, RingStreams, list_slots


class Transitions:
    """Know which slots begin a transition, and read it.

    A slot can be sampled if it is valid, all k frames of its stack are in the window, and its next n steps or the end
    of its episode are known.

    An episode that was cut (its runner died, or training was resumed) is treated as truncated: n-step sums end at its
    last decision and bootstrap from the head of that time, an observation that the env did return.
    """

    def __init__(
        self,
        streams: RingStreams,
        *,
        images: list[str],
        vectors: list[str],
        frame_stack: int,
        n_step: int,
        gamma: float,
    ) -> None:
        """Read from these streams; names and numbers as in `ReplayRing`."""
        self._streams, self._images, self._vectors = streams, images, vectors
        self._frame_stack = frame_stack
        self._steps = np.arange(n_step)
        self._stack = np.arange(frame_stack - 1, -1, -1)
        self._discount = (float(gamma) ** np.arange(n_step + 1)).astype(np.float32)

    def list_sampleable(self) -> tuple[Indices, Indices]:
        """List all slots that can be sampled, as streams and slots."""
        streams, slots = list_slots(self._streams.low, self._streams.next - 1)
        keep = self.is_sampleable(streams, slots)
        return streams[keep], slots[keep]

    def is_sampleable(self, streams: Indices, slots: Indices) -> npt.NDArray[np.bool_]:
        """Ask for slots in the window: valid, all frames still there, and n steps or the episode's end known."""
        rows = self._streams.rows(streams, slots)
        is_valid = (self._streams.data["flags"][rows] & VALID) != 0
        oldest = slots - np.minimum(self._streams.data["age"][rows], self._frame_stack - 1)
        is_known = slots + self._horizons(streams, slots) < self._streams.next[streams]
        return np.asarray(is_valid & (oldest >= self._streams.low[streams]) & is_known)

    def _horizons(self, streams: Indices, slots: Indices) -> Indices:
        """Count the steps m <= n to sum from each slot: up to n, or to the end of its episode."""
        ahead = slots[:, None] + self._steps
        # Files hold anything from the head on: what a former timeline or round wrote.
        is_complete = ahead < self._streams.next[streams, None] - 1
        flags = self._streams.data["flags"][self._streams.rows(streams[:, None], ahead)]
        ends = ((flags & (TERMINATED | TRUNCATED)) != 0) & is_complete
        # The slot after a cut's last decision is not valid, though no flag says that the episode ended.
        ends[:, :-1] |= ((flags[:, 1:] & VALID) == 0) & is_complete[:, 1:]
        return np.where(ends.any(axis=1), ends.argmax(axis=1) + 1, len(self._steps))

    def gather(self, streams: Indices, slots: Indices) -> dict[str, Any]:
        """Read the transitions of sampleable slots `(B,)`, as `ReplayRing.sample` describes them."""
        horizons = self._horizons(streams, slots)
        pair = np.stack([slots, slots + horizons])  # (2, B): observation and next observation
        rows = self._streams.rows(streams, pair)
        back = np.minimum(self._stack, self._streams.data["age"][rows][..., None])
        stacks = self._streams.rows(streams[:, None], pair[..., None] - back)
        obs: dict[str, npt.NDArray[Any]] = {}
        for name in self._images:
            obs[name] = np.take(self._streams.data[f"image_{name}"], stacks, axis=0)
        for name in self._vectors:
            obs[name] = np.take(self._streams.data[f"vector_{name}"], rows, axis=0)
        reward_rows = self._streams.rows(streams[:, None], slots[:, None] + self._steps)
        is_summed = self._steps < horizons[:, None]
        rewards = np.where(is_summed, self._streams.data["reward"][reward_rows], np.float32(0)) * self._discount[:-1]
        last_flags = self._streams.data["flags"][self._streams.rows(streams, slots + horizons - 1)]
        is_terminated = (last_flags & TERMINATED) != 0
        return {
            "obs": {name: value[0] for name, value in obs.items()},
            "next_obs": {name: value[1] for name, value in obs.items()},
            "actions": self._streams.data["action"][rows[0]],
            "rewards": rewards.sum(axis=1),
            "discounts": np.where(is_terminated, np.float32(0), self._discount[horizons]),
        }
