"""The replay ring: single frames in memory-mapped files, stacked and summed over n steps where they are sampled."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError
from experiments.fragment import Fragment
from experiments.ring_files import num_streams_at_creation
from experiments.ring_streams import TERMINATED, TRUNCATED, VALID, Indices, RingStreams

MAX_DRAWS = 8  # rounds of rejection before the sampleable slots are listed; one is the rule
MIN_SLACK = 1024


class ReplayRing:
    """Keep the newest decisions of many envs, and draw n-step transitions from them.

    How they are kept, and what a restored index means, is said in `RingStreams`. A slot can be sampled if it is valid,
    all k frames of its stack are in the window, and its next n steps or the end of its episode are known.

    An episode that was cut (its runner died, or training was resumed) is treated as truncated: n-step sums end at its
    last decision and bootstrap from the head of that time, an observation that the env did return.

    Not thread-safe: `add`, `sample` and `state` need one caller at a time.
    """

    def __init__(
        self,
        directory: Path,
        *,
        images: dict[str, tuple[int, int, int]],
        vectors: dict[str, int],
        action_dim: int,
        capacity: int,
        num_streams: int,
        frame_stack: int,
        n_step: int,
        gamma: float,
        seed: int,
        slack: int | None = None,
    ) -> None:
        """Open or create the files; the ring is empty until `add` or `restore`.

        Args:
            directory: folder of the files.
            images: name -> `(H, W, C)` of a single frame.
            vectors: name -> D.
            action_dim: A.
            capacity: decisions kept, over the streams that the files were created for (last observations of episodes
                count too). Streams that are added later have as much each.
            num_streams: env slots that write, over all runners; another number than before is fine.
            frame_stack: frames in a sampled image, k.
            n_step: rewards summed, n.
            gamma: discount of one decision.
            seed: of the draws.
            slack: slots, over the same streams, that may be written after a checkpoint before the ring loses its oldest
                ones on restoring it. Default: a tenth of the capacity, at least 1024.

        Raises:
            ConfigError: sizes that do not fit together, files of another shape, or too small a disk.
        """
        _check_sizes(images, vectors, action_dim, num_streams, frame_stack, n_step, gamma)
        shared_by = num_streams_at_creation(directory) or num_streams
        capacity_per_stream = -(-capacity // shared_by)
        if capacity_per_stream < frame_stack + n_step:
            raise ConfigError(
                f"A replay ring of {capacity} decisions leaves {capacity_per_stream} to each of {shared_by} "
                f"env slots; {frame_stack} stacked frames and {n_step} steps need {frame_stack + n_step}. "
                "Ask for a larger capacity or fewer envs."
            )
        slack = max(capacity // 10, MIN_SLACK) if slack is None else slack
        self._streams = RingStreams(
            directory,
            images=images,
            vectors=vectors,
            action_dim=action_dim,
            frame_stack=frame_stack,
            num_streams=num_streams,
            capacity=capacity_per_stream,
            slack=-(-slack // shared_by),
        )
        self._images, self._vectors = list(images), list(vectors)
        self._frame_stack = frame_stack
        self._rng = np.random.Generator(np.random.PCG64(seed))
        self._steps = np.arange(n_step)
        self._stack = np.arange(frame_stack - 1, -1, -1)
        self._discount = (float(gamma) ** np.arange(n_step + 1)).astype(np.float32)

    def __len__(self) -> int:
        """Count the decisions in the window (the newest and oldest of a stream may not be sampleable)."""
        return int(self._streams.num_valid.sum())

    @property
    def nbytes_per_decision(self) -> int:
        """Bytes that one slot takes in the files (slack not counted)."""
        return self._streams.nbytes_per_slot

    def add(self, fragment: Fragment, first_stream: int) -> None:
        """Append a fragment: its env `i` to stream `first_stream + i`.

        Raises:
            ValueError: the fragment is not what the ring was made for, or breaks `Fragment`'s contract.
        """
        self._streams.add(fragment, first_stream)

    def sample(self, batch_size: int) -> dict[str, Any]:
        """Draw transitions uniformly, with replacement, from all slots that can be sampled.

        Returns:
            `obs` and `next_obs`: name -> image `(B, k, H, W, C)` uint8, contiguous, newest frame last (move axis 1
            to the channels on the device: copying frame by frame is what makes this fast), or vector `(B, D)`
            float32. `actions` `(B, A)`, `rewards` `(B,)` (discounted sum over m <= n steps) and `discounts` `(B,)`
            (gamma^m, 0 after a termination), float32. `next_obs` is the observation m steps later.

        Raises:
            RuntimeError: nothing can be sampled yet.
        """
        lengths = self._streams.lengths
        ends = np.cumsum(lengths)
        streams, slots = np.empty(0, np.int64), np.empty(0, np.int64)
        for _ in range(MAX_DRAWS if ends[-1] else 0):
            missing = batch_size - len(slots)
            if missing == 0:
                break
            # Some more than needed, since a few are rejected: a second round costs more than they do.
            draws = self._rng.integers(ends[-1], size=missing + missing // 16 + 2)
            drawn = np.searchsorted(ends, draws, side="right")
            at = self._streams.low[drawn] + draws - (ends - lengths)[drawn]
            accepted = np.flatnonzero(self._is_sampleable(drawn, at))[:missing]
            streams, slots = np.append(streams, drawn[accepted]), np.append(slots, at[accepted])
        missing = batch_size - len(slots)
        if missing:
            all_streams, all_slots = self._sampleable()
            if len(all_slots) == 0:
                raise RuntimeError(
                    f"The replay ring holds {len(self)} decisions, none of which can be sampled yet: each needs its "
                    f"next {len(self._steps)} steps or the end of its episode. Collect more before learning."
                )
            picks = self._rng.integers(len(all_slots), size=missing)
            streams, slots = np.append(streams, all_streams[picks]), np.append(slots, all_slots[picks])
        return self._gather(streams, slots)

    def state(self) -> dict[str, Any]:
        """Flush the files and return the index and the draws' state: small, plain, ready for JSON.

        It restores this content even if the files are written further, see `RingStreams`.
        """
        return {"streams": self._streams.state(), "rng": self._rng.bit_generator.state}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to the content and the draws at `state`, less what was overwritten since (a warning says how much).

        Raises:
            ConfigError: the files are not those that the state belongs to.
        """
        self._streams.restore(state["streams"])
        self._rng.bit_generator.state = state["rng"]

    def _sampleable(self) -> tuple[Indices, Indices]:
        """List all slots that can be sampled, as streams and slots."""
        lengths = self._streams.lengths
        streams = np.repeat(np.arange(len(lengths)), lengths)
        slots = np.arange(lengths.sum()) + np.repeat(self._streams.low - (np.cumsum(lengths) - lengths), lengths)
        keep = self._is_sampleable(streams, slots)
        return streams[keep], slots[keep]

    def _is_sampleable(self, streams: Indices, slots: Indices) -> npt.NDArray[np.bool_]:
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

    def _gather(self, streams: Indices, slots: Indices) -> dict[str, Any]:
        """Read the transitions of sampleable slots, see `sample`."""
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


def _check_sizes(
    images: dict[str, tuple[int, int, int]],
    vectors: dict[str, int],
    action_dim: int,
    num_streams: int,
    frame_stack: int,
    n_step: int,
    gamma: float,
) -> None:
    names = [*images, *vectors]
    bad_names = [name for name in names if not name.isidentifier()]
    if not names or bad_names or len(set(names)) < len(names):
        raise ConfigError(
            "The replay ring needs observations with names that are words (they become file names), each once; "
            f"it got the images {sorted(images)} and the vectors {sorted(vectors)}."
        )
    sizes = {
        **{f"image {name}": min(shape) if len(shape) == 3 else 0 for name, shape in images.items()},
        **{f"vector {name}": dim for name, dim in vectors.items()},
        "action_dim": action_dim,
        "num_streams": num_streams,
        "frame_stack": frame_stack,
        "n_step": n_step,
    }
    if min(sizes.values()) < 1:
        raise ConfigError(f"The replay ring needs images (H, W, C) and sizes of at least 1; it got {sizes}.")
    if not 0.0 <= gamma <= 1.0:
        raise ConfigError(f"gamma must lie in 0..1; the replay ring got {gamma}.")
