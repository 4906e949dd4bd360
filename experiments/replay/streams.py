"""The writing side of the replay ring: streams of slots in memory-mapped files, and the index that names them."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError
from experiments.fragment import Fragment
from experiments.replay.files import RingFiles
from experiments.replay.fragment_check import check_fragment
from experiments.replay.history import RingHistory, padded

_log = logging.getLogger(__name__)

Indices = npt.NDArray[np.int64]

VALID, TERMINATED, TRUNCATED = np.uint8(1), np.uint8(2), np.uint8(4)
SETS_IN = np.uint8(8)  # does not continue the slot before; unset in a new episode's first slot where its age 0 says so


class RingStreams:
    """Keep the newest slots of many streams.

    Every env slot of every runner has a *stream* of its own: a ring of slots, numbered from 0 for ever. A slot holds
    one observation (single frames) and what followed it. The newest slot of a stream, its *head*, has only the
    observation yet; the next fragment completes it. Slots that are not valid (see `Fragment`) serve as the last
    observation of an episode.

    A runner that was replaced starts a new episode in the same stream. `add` notices that the fragment does not
    continue the head (other age or other observation) and closes the head as a last observation: a slot that is not
    valid, after a decision that ended nothing.

    A process with more env slots than any before adds streams, each as long as the others; one with fewer leaves the
    last streams as they are: they are read, and nobody writes them.

    An observation is written once, and whatever lies before the head does not change until the ring comes round.
    A stream has `slack` slots beyond its window, so the index (`state`) may be older than the files: what was written
    after it is ignored, and if that was more than the slack, `restore` drops the overwritten slots and says so.

    Attributes:
        data: name -> array over all rows: `image_NAME`, `vector_NAME`, `action`, `reward`, `flags`, `age`; with a
            `state_dim` also `state`, float16, the policy's before the slot.
        low, next: `(S,)` slots `[low, next - 1)` of a stream are complete, slot `next - 1` is its head. Equal: empty.
        num_valid: `(S,)` valid slots among the complete ones.
        nbytes_per_slot: bytes in the files.
    """

    def __init__(
        self,
        directory: Path,
        *,
        images: dict[str, tuple[int, int, int]],
        vectors: dict[str, int],
        action_dim: int,
        frame_stack: int,
        num_streams: int,
        capacity: int,
        slack: int,
        state_dim: int = 0,
    ) -> None:
        """Open or create the files; the streams are empty until `add` or `restore`.

        Args:
            directory: folder of the files.
            images: name -> `(H, W, C)` of a single frame.
            vectors: name -> D.
            action_dim: A.
            frame_stack: k of the fragments.
            num_streams: how many write. S is more where a former process had more: what these wrote stays.
            capacity: slots in the window of one stream, >= k.
            slack: further slots of one stream.
            state_dim: S, of the states that fragments then bring for every slot; 0: none are kept.

        Raises:
            ConfigError: files of another shape, or too small a disk.
        """
        self._images, self._vectors, self._action_dim = dict(images), dict(vectors), action_dim
        self._frame_stack, self._state_dim = frame_stack, state_dim
        self._capacity, self._slack = capacity, slack
        self._num_slots = capacity + slack + 1  # the head
        slot_arrays: dict[str, tuple[tuple[int, ...], npt.DTypeLike]] = {
            **{f"image_{name}": ((self._num_slots, *shape), np.uint8) for name, shape in images.items()},
            **{f"vector_{name}": ((self._num_slots, dim), np.float32) for name, dim in vectors.items()},
            "action": ((self._num_slots, action_dim), np.float32),
            "reward": ((self._num_slots,), np.float32),
            "flags": ((self._num_slots,), np.uint8),
            "age": ((self._num_slots,), np.int32),
        }
        if state_dim:
            slot_arrays["state"] = ((self._num_slots, state_dim), np.float16)
        self._files = RingFiles(
            directory,
            {**slot_arrays, "written": ((1,), np.int64)},
            num_streams,
            {"capacity_per_stream": capacity, "frame_stack": frame_stack},
        )
        self._num_streams = self._files.num_streams
        self.data = self._files.arrays
        self.nbytes_per_slot = sum(self.data[name][0].nbytes for name in slot_arrays)
        self._history = RingHistory(
            directory / "history.json", self.data["written"], self._num_slots, is_new=self._files.is_new
        )
        self.low = np.zeros(self._num_streams, np.int64)
        self.next = np.zeros(self._num_streams, np.int64)
        self.num_valid = np.zeros(self._num_streams, np.int64)

    @property
    def num_rows(self) -> int:
        """How many rows the arrays have, over all streams."""
        return self._num_streams * self._num_slots

    @property
    def lengths(self) -> Indices:
        """`(S,)` complete slots of every stream."""
        return np.maximum(self.next - 1 - self.low, 0)

    def rows(self, streams: Indices | int, slots: Indices | int) -> Any:
        """Turn slots of streams (broadcast) into rows of the arrays."""
        return streams * self._num_slots + slots % self._num_slots

    def places(self, rows: Indices) -> tuple[Indices, Indices]:
        """Turn rows of the window into their streams and slots."""
        streams, at = np.divmod(rows, self._num_slots)
        low = self.low[streams]
        return streams, low + (at - low) % self._num_slots

    def add(self, fragment: Fragment, first_stream: int) -> None:
        """Append a fragment: its env `i` to stream `first_stream + i`.

        Raises:
            ValueError: the fragment is not what the ring was made for, or breaks `Fragment`'s contract.
        """
        check_fragment(
            fragment,
            images=self._images,
            vectors=self._vectors,
            action_dim=self._action_dim,
            frame_stack=self._frame_stack,
            state_dim=self._state_dim,
        )
        num_steps, num_envs = fragment.rewards.shape
        if first_stream < 0 or first_stream + num_envs > self._num_streams:
            raise ValueError(
                f"A fragment of {num_envs} envs for stream {first_stream} on does not fit the ring's "
                f"{self._num_streams} streams. Pass runner_index * envs_per_runner."
            )
        for env in range(num_envs):
            stream = first_stream + env
            if not self._continues(fragment, env, stream):
                self._begin(fragment, env, stream)
            # No more at a time than the window holds, so that what leaves it is complete.
            for start in range(0, num_steps, self._capacity):
                stop = min(start + self._capacity, num_steps)
                self._append(fragment, env, stream, start, stop)

    def state(self) -> dict[str, Any]:
        """Flush the files and return the index: small, plain, ready for JSON."""
        self._files.flush()
        return {
            "files": self._files.identity,
            "timeline": self._history.timeline,
            "next": self.next.tolist(),
            "low": self.low.tolist(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to the content at `state`, less what was overwritten since (a warning says how much).

        Streams that were added after it are empty.

        Raises:
            ConfigError: the files are not those that the state belongs to.
        """
        self._check_origin(state)
        next_slots, low = padded(state["next"], self._num_streams), padded(state["low"], self._num_streams)
        first, self.next = self._history.intact(state["timeline"], next_slots)
        self.low = np.minimum(np.maximum(low, first), self.next)
        self._history.close_timeline()
        for stream in range(self._num_streams):
            self.num_valid[stream] = self._count_valid(stream, self.low[stream], self.next[stream] - 1)
        before, now = int(np.maximum(next_slots - 1 - low, 0).sum()), int(self.lengths.sum())
        if now < before:
            _log.warning(
                "Replay: %d of the %d slots in the checkpoint were overwritten after it and are dropped; %d remain. "
                "Up to %d slots an env may be written after a checkpoint without loss: save more often, or ask for "
                "more slack.",
                before - now,
                before,
                now,
                self._slack,
            )

    def _check_origin(self, state: dict[str, Any]) -> None:
        """Raise a ConfigError unless these are the files that the state was taken of."""
        cure = "Put the run's replay files back beside its checkpoints, or start a new run."
        if state["files"] != self._files.identity:
            raise ConfigError(
                f"The checkpoint belongs to the replay files {state['files']}, but the folder holds "
                f"{self._files.identity}. {cure}"
            )
        if len(state["next"]) > self._num_streams:
            raise ConfigError(
                f"The checkpoint knows {len(state['next'])} envs, but its replay files {self._files.identity} hold "
                f"{self._num_streams}: they come from an older copy. {cure}"
            )

    def _continues(self, fragment: Fragment, env: int, stream: int) -> bool:
        """Say whether the fragment's first observation is the stream's head, bit by bit."""
        if self.next[stream] == self.low[stream]:
            return False
        head = self.rows(stream, self.next[stream] - 1)
        first = self._frame_stack - 1
        return bool(
            self.data["age"][head] == fragment.age[0, env]
            and all(np.array_equal(self.data[f"image_{n}"][head], fragment.images[n][first, env]) for n in self._images)
            and all(
                self.data[f"vector_{n}"][head].tobytes() == fragment.vectors[n][0, env].tobytes() for n in self._vectors
            )
        )

    def _begin(self, fragment: Fragment, env: int, stream: int) -> None:
        """Close the head, if any, and write the fragment's first observation into a slot of its own.

        If the fragment sets in amid an episode, its k - 1 earlier frames go before it, into slots that are not valid.
        """
        before = min(int(fragment.age[0, env]), self._frame_stack - 1)
        head = self.next[stream] - 1
        has_head = head >= self.low[stream]
        rows = self._make_room(stream, before + 1)
        if has_head:
            self.data["flags"][self.rows(stream, head)] = 0
        self.data["flags"][rows] = 0
        self.data["flags"][rows[0]] = SETS_IN
        self.data["age"][rows] = fragment.age[0, env] + np.arange(-before, 1)
        first = self._frame_stack - 1
        for name in self._images:
            self.data[f"image_{name}"][rows] = fragment.images[name][first - before : first + 1, env]
        for name in self._vectors:
            self.data[f"vector_{name}"][rows] = fragment.vectors[name][0, env]
        self.next[stream] += before + 1

    def _append(self, fragment: Fragment, env: int, stream: int, start: int, stop: int) -> None:
        """Complete the head and the slots after it with steps `start … stop - 1`, and write their observations."""
        steps = slice(start, stop)
        new = self._make_room(stream, stop - start)
        done = np.append(self.rows(stream, self.next[stream] - 1), new[:-1])
        flags = fragment.valid[steps, env] * VALID
        flags |= fragment.terminated[steps, env] * TERMINATED
        flags |= fragment.truncated[steps, env] * TRUNCATED
        flags[0] |= self.data["flags"][done[0]] & SETS_IN
        self.data["flags"][done] = flags
        self.data["flags"][new[-1]] = 0
        self.data["action"][done] = fragment.actions[steps, env]
        self.data["reward"][done] = fragment.rewards[steps, env]
        self.data["age"][new] = fragment.age[start + 1 : stop + 1, env]
        if self._state_dim:
            assert fragment.states is not None  # as `check_fragment` has seen
            self.data["state"][done] = fragment.states[steps, env]
        for name in self._vectors:
            self.data[f"vector_{name}"][new] = fragment.vectors[name][start + 1 : stop + 1, env]
        k = self._frame_stack
        for name in self._images:
            self.data[f"image_{name}"][new] = fragment.images[name][k + start : k + stop, env]
        self.next[stream] += stop - start
        self.num_valid[stream] += np.count_nonzero(flags & VALID)

    def _make_room(self, stream: int, count: int) -> Indices:
        """Let the oldest slots leave the window, before their rows are written again.

        Returns:
            `(count,)` rows of the slots `next … next + count - 1`.
        """
        end = self.next[stream] + count
        low = max(self.low[stream], end - 1 - self._capacity)
        self.num_valid[stream] -= self._count_valid(stream, self.low[stream], low)
        self._history.reserve(stream, end, self.next)
        self.low[stream] = low
        return np.asarray(self.rows(stream, np.arange(self.next[stream], end)))

    def _count_valid(self, stream: int, start: int, stop: int) -> int:
        rows = self.rows(stream, np.arange(start, stop))
        return int(np.count_nonzero(self.data["flags"][rows] & VALID))


def list_slots(first: Indices, end: Indices) -> tuple[Indices, Indices]:
    """List the slots `first … end - 1` of every stream, none where `end <= first`.

    Args:
        first: `(S,)`.
        end: `(S,)`.

    Returns:
        `(N,)` streams and `(N,)` slots.
    """
    lengths = np.maximum(end - first, 0)
    streams = np.repeat(np.arange(len(lengths)), lengths)
    return streams, np.arange(lengths.sum()) + np.repeat(first - (np.cumsum(lengths) - lengths), lengths)
