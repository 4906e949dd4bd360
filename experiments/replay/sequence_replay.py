"""Replay for world models: sequences in a row with the policy's stored states, the newest of them first."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError
from experiments.fragment import Fragment
from experiments.replay.files import num_streams_at_creation
from experiments.replay.online_queue import OnlineQueue
from experiments.replay.ring import ring_slack
from experiments.replay.sequences import Sequences
from experiments.replay.sizes import check_sizes
from experiments.replay.streams import Indices, RingStreams


class SequenceReplay:
    """Keep the newest decisions of many envs, and draw sequences of T slots from them.

    Each batch takes what nobody has learnt from yet (`OnlineQueue`), and fills up with uniform draws. Beside every slot
    lies the policy's state before it, as float16: its runner's at first, the learner's after each update.

    Not thread-safe: one caller at a time.
    """

    def __init__(
        self,
        directory: Path,
        *,
        images: dict[str, tuple[int, int, int]],
        vectors: dict[str, int],
        action_dim: int,
        state_dim: int,
        capacity: int,
        num_streams: int,
        length: int,
        seed: int,
    ) -> None:
        """Open or create the files; the replay is empty until `add` or `restore`.

        Args:
            directory: Folder of the files.
            images: Name -> `(H, W, C)` of a single frame.
            vectors: Name -> D.
            action_dim: A.
            state_dim: S.
            capacity: Decisions kept, over the streams that the files were created for.
            num_streams: Env slots that write, over all runners; another number than before is fine.
            length: T, at least 2.
            seed: Of the draws.

        Raises:
            ConfigError: Sizes that do not fit together, files of another shape, or too small a disk.
        """
        check_sizes(images, vectors, action_dim, num_streams, frame_stack=1, n_step=1, gamma=1.0)
        shared_by = num_streams_at_creation(directory) or num_streams
        capacity_per_stream = -(-capacity // shared_by)
        if capacity_per_stream <= length:
            raise ConfigError(
                f"A replay of {capacity} decisions leaves {capacity_per_stream} to each of {shared_by} envs, and a "
                f"sequence has {length} and the one before them. Ask for a larger algo.training.replay_capacity, "
                "shorter sequences (algo.training.sequence_length) or fewer envs."
            )
        self._streams = RingStreams(
            directory,
            images=images,
            vectors=vectors,
            action_dim=action_dim,
            state_dim=state_dim,
            frame_stack=1,
            num_streams=num_streams,
            capacity=capacity_per_stream,
            slack=-(-ring_slack(capacity) // shared_by),
        )
        self._sequences = Sequences(self._streams, images=list(images), vectors=list(vectors))
        self._online = OnlineQueue(self._streams, length)
        self._length = length
        self._rng = np.random.Generator(np.random.PCG64(seed))

    def __len__(self) -> int:
        """Count the decisions in the window."""
        return int(self._streams.num_valid.sum())

    def add(self, fragment: Fragment, first_stream: int) -> None:
        """Append a fragment with the states of every slot: its env `i` to stream `first_stream + i`.

        Raises:
            ValueError: The fragment is not what the replay was made for, or breaks `Fragment`'s contract.
        """
        self._streams.add(fragment, first_stream)

    def sample(self, batch_size: int) -> dict[str, Any]:
        """Draw sequences, those that nobody has learnt from first.

        Returns:
            `obs`: name -> image `(B, T, H, W, C)` uint8 or vector `(B, T, D)` float32. `state` `(B, S)` float32 before
            the first slots. `is_first` and `is_last` `(B, T)` bool: where episodes begin, and their last observations
            (the very last slot is never known to be one). `rewards` `(B, T)` float32 and `terminated` `(B, T)` bool:
            what arrived with the slot, 0 and False at first ones. `places` `(2, B)` int64, for `update_states`.

        Raises:
            RuntimeError: No env has T + 1 slots in the window yet.
        """
        streams, slots = self._online.take(batch_size)
        missing = batch_size - len(slots)
        if missing:
            more, at = self._sequences.draw(self._rng, missing, self._length)
            streams, slots = np.append(streams, more), np.append(slots, at)
        return self._gather(streams, slots)

    @property
    def has_sequences(self) -> bool:
        """Whether `sample` and `peek` have anything to draw."""
        return bool((self._streams.next - self._streams.low > self._length).any())

    def peek(self, batch_size: int) -> dict[str, Any]:
        """Draw sequences as `sample` does, of those that have been learnt from too, for nobody to learn from.

        Later samples are the same with it and without.
        """
        random = np.random.default_rng(int(self._streams.next.sum()))
        return self._gather(*self._sequences.draw(random, batch_size, self._length))

    def _gather(self, streams: Indices, slots: Indices) -> dict[str, Any]:
        """Read the sequences after these slots, as `sample` describes them."""
        drawn = self._sequences.gather(streams, slots, self._length)
        rows = self._streams.rows(streams, slots + 1)
        is_last = np.zeros((len(slots), self._length), np.bool_)
        is_last[:, :-1] = ~drawn["valid"][:, 1:]
        return {
            "obs": {name: part[:, 1:] for name, part in drawn["obs"].items()},
            "state": self._streams.data["state"][rows].astype(np.float32),
            "is_first": drawn["is_first"][:, 1:],
            "is_last": is_last,
            "rewards": np.where(drawn["is_first"][:, 1:], np.float32(0), drawn["rewards"]),
            "terminated": drawn["terminated"] & ~drawn["is_first"][:, 1:],
            "places": np.stack([streams, slots + 1]),
        }

    def update_states(self, places: Indices, states: npt.NDArray[np.float16]) -> None:
        """Keep what the learner thinks of the slots that it has learnt from.

        Args:
            places: `(2, B)`, as `sample` gave them. What was overwritten meanwhile is passed over.
            states: `(B, T, S)` after each slot.
        """
        streams, first = places[0][:, None], places[1][:, None]
        slots = first + np.arange(1, self._length)  # a state lies beside the slot that it is before
        is_there = (slots >= self._streams.low[streams]) & (slots < self._streams.next[streams] - 1)
        rows = self._streams.rows(streams, slots)
        self._streams.data["state"][rows[is_there]] = states[:, :-1][is_there]

    def state(self) -> dict[str, Any]:
        """Flush the files and return the index and the draws' state: small, plain, ready for JSON."""
        return {
            "streams": self._streams.state(),
            "online": self._online.state(),
            "rng": self._rng.bit_generator.state,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to the content and the draws at `state`, less what was overwritten since (a warning says how much).

        Raises:
            ConfigError: The files are not those that the state belongs to.
        """
        self._streams.restore(state["streams"])
        self._online.restore(state["online"])
        self._rng.bit_generator.state = state["rng"]
