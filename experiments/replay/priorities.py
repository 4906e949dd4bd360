"""Prioritised draws from the replay ring: transitions with a large error come more often, and weigh less."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from envs.errors import ConfigError
from experiments.replay.streams import VALID, Indices, RingStreams, list_slots
from experiments.replay.sum_tree import SumTree

_LEAST = 1e-6  # added to every |error|, so that nothing is never drawn again; as in OpenAI's baselines
_FIRST_LARGEST = 1.0  # priority of a new slot while nothing has been learnt from; as in OpenAI's baselines


class Priorities:
    """Draw slots in proportion to `p^exponent`, where the priority p is the last |TD error| plus a little.

    Slots that are new have the largest priority so far, slots that are not valid or left the window have none. Slots
    that cannot be sampled yet keep theirs: whoever draws rejects them.

    The numbers are no file of the ring but part of its index, as they change after a checkpoint: two runs resumed from
    one checkpoint draw the same. An index without them (the option was off) makes every slot as good as new.

    Source: Schaul et al. (2016), proportional variant, section 3.3, and importance weights, section 3.4. Differs: the
    draws of a batch are independent (there, one from each of B equal ranges), and the correction is constant.
    """

    def __init__(self, streams: RingStreams, *, exponent: float, correction: float) -> None:
        """Begin with what the streams hold.

        Args:
            streams: what to draw from.
            exponent: alpha in 0..1; 0 would be uniform.
            correction: beta in 0..1; 1 takes the bias out entirely.

        Raises:
            ConfigError: a number out of range.
        """
        if not (0.0 <= exponent <= 1.0 and 0.0 <= correction <= 1.0):
            raise ConfigError(
                f"Prioritised replay needs an exponent and a correction in 0..1; it got {exponent} and {correction}."
            )
        self._streams, self._exponent, self._correction = streams, exponent, correction
        self._low, self._next = np.zeros_like(streams.low), np.zeros_like(streams.next)  # as of the last `follow`
        self._largest = _FIRST_LARGEST
        self._tree = SumTree(streams.num_rows)
        self.follow()

    def follow(self) -> None:
        """Take in which slots entered and left the window since the last call; to be called after every change."""
        streams = self._streams
        left = list_slots(self._low, np.minimum(streams.low, self._next - 1))
        self._tree[streams.rows(*left)] = np.zeros(len(left[0]))
        rows = streams.rows(*list_slots(np.maximum(streams.low, self._next - 1), streams.next - 1))
        is_valid = (streams.data["flags"][rows] & VALID) != 0
        self._tree[rows] = np.where(is_valid, self._powers(np.array(self._largest)), 0.0)
        self._low, self._next = streams.low.copy(), streams.next.copy()

    def propose(self, random: np.random.Generator, count: int) -> tuple[Indices, Indices]:
        """Draw `(count,)` streams and slots of the window; none where there is nothing."""
        if self._tree.total == 0:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return self._streams.places(self._tree.find(random.random(count) * self._tree.total))

    def pick(self, random: np.random.Generator, streams: Indices, slots: Indices, count: int) -> Indices:
        """Draw `(count,)` positions in a list of slots."""
        sums = np.cumsum(self._tree[self._streams.rows(streams, slots)])
        found = np.searchsorted(sums, random.random(count) * sums[-1], side="right")
        return np.minimum(found, len(sums) - 1)

    def weights(self, streams: Indices, slots: Indices) -> npt.NDArray[np.float32]:
        """Return the importance weights `(B,)` of a batch: `P^-correction`, divided by the batch's largest."""
        numbers = self._tree[self._streams.rows(streams, slots)]
        return np.asarray((numbers / numbers.min()) ** -self._correction, np.float32)

    def update(self, streams: Indices, slots: Indices, errors: npt.NDArray[np.floating]) -> None:
        """Set priorities from TD errors; slots that left the window meanwhile are passed over.

        Args:
            streams: `(B,)`.
            slots: `(B,)`.
            errors: `(B,)`, of any sign.

        Raises:
            ValueError: an error is not finite.
        """
        if not np.isfinite(errors).all():
            raise ValueError(
                f"{np.count_nonzero(~np.isfinite(errors))} of {len(errors)} TD errors are not finite: learning has "
                "diverged. The last checkpoint is from before; try a smaller algo.training.lr."
            )
        priorities = np.abs(errors) + _LEAST
        is_there = self._is_complete(streams, slots)
        self._largest = max(self._largest, float(priorities.max()))
        self._tree[self._streams.rows(streams, slots)[is_there]] = self._powers(priorities[is_there])

    def state(self) -> dict[str, Any]:
        """Return all numbers of the window, 4 bytes a slot, in types that load without unpickling code."""
        streams = self._streams
        numbers = self._tree[streams.rows(*list_slots(streams.low, streams.next - 1))]
        return {
            "numbers": torch.from_numpy(numbers.astype(np.float32)),  # exact: they are rounded where they are made
            "exponent": self._exponent,
            "largest": self._largest,
        }

    def restore(self, state: dict[str, Any] | None, index: dict[str, Any]) -> None:
        """Take over what `state` returned, once the streams are restored.

        Args:
            state: None where there is none.
            index: the streams' state of the same time.
        """
        self._low, self._next = np.zeros_like(self._low), np.zeros_like(self._next)
        self._largest = state["largest"] if state else _FIRST_LARGEST
        self._tree = SumTree(self._streams.num_rows)
        self.follow()
        if state:
            streams, slots = list_slots(np.array(index["low"]), np.array(index["next"]) - 1)
            is_there = self._is_complete(streams, slots)
            numbers = state["numbers"].numpy()[is_there] ** (self._exponent / state["exponent"])
            self._tree[self._streams.rows(streams, slots)[is_there]] = numbers

    def _is_complete(self, streams: Indices, slots: Indices) -> npt.NDArray[np.bool_]:
        return np.asarray((slots >= self._streams.low[streams]) & (slots < self._streams.next[streams] - 1))

    def _powers(self, priorities: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Return what the tree holds: `p^exponent`, rounded as a checkpoint stores it."""
        return np.asarray(priorities.astype(np.float64) ** self._exponent, np.float32)
