"""The replay ring: single frames in memory-mapped files, stacked and summed over n steps where they are sampled."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError
from experiments.fragment import Fragment
from experiments.replay.files import num_streams_at_creation
from experiments.replay.priorities import Priorities
from experiments.replay.sequences import Sequences
from experiments.replay.sizes import check_sizes
from experiments.replay.streams import Indices, RingStreams
from experiments.replay.transitions import Transitions
from experiments.replay.uniform_draws import UniformDraws

MAX_DRAWS = 8  # rounds of rejection before the sampleable slots are listed; one is the rule
MIN_SLACK = 1024


def ring_slack(capacity: int) -> int:
    """Return how many slots a ring has beside its capacity, unless told otherwise."""
    return max(capacity // 10, MIN_SLACK)


class ReplayRing:
    """Keep the newest decisions of many envs, and draw n-step transitions from them.

    How they are kept, and what a restored index means, is said in `RingStreams`; which can be drawn, in `Transitions`;
    how likely, in `UniformDraws` and `Priorities`.

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
        priority_exponent: float = 0.0,
        priority_correction: float = 0.0,
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
            priority_exponent: alpha of prioritised draws, see `Priorities`; 0: uniform draws, without weights.
            priority_correction: beta of their importance weights.

        Raises:
            ConfigError: sizes that do not fit together, files of another shape, or too small a disk.
        """
        check_sizes(images, vectors, action_dim, num_streams, frame_stack, n_step, gamma)
        shared_by = num_streams_at_creation(directory) or num_streams
        capacity_per_stream = -(-capacity // shared_by)
        if capacity_per_stream < frame_stack + n_step:
            raise ConfigError(
                f"A replay ring of {capacity} decisions leaves {capacity_per_stream} to each of {shared_by} "
                f"env slots; {frame_stack} stacked frames and {n_step} steps need {frame_stack + n_step}. "
                "Ask for a larger capacity or fewer envs."
            )
        slack = ring_slack(capacity) if slack is None else slack
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
        self._transitions = Transitions(
            self._streams,
            images=list(images),
            vectors=list(vectors),
            frame_stack=frame_stack,
            n_step=n_step,
            gamma=gamma,
        )
        self._sequences = Sequences(self._streams, images=list(images), vectors=list(vectors))
        self._n_step = n_step
        self._priorities = (
            Priorities(self._streams, exponent=priority_exponent, correction=priority_correction)
            if priority_exponent
            else None
        )
        self._draws = self._priorities or UniformDraws(self._streams)
        self._rng = np.random.Generator(np.random.PCG64(seed))

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
        if self._priorities:
            self._priorities.follow()

    def sample(self, batch_size: int) -> dict[str, Any]:
        """Draw transitions with replacement from all slots that can be sampled, uniformly or by their priorities.

        Returns:
            `obs` and `next_obs`: name -> image `(B, k, H, W, C)` uint8, contiguous, newest frame last (move axis 1
            to the channels on the device: copying frame by frame is what makes this fast), or vector `(B, D)`
            float32. `actions` `(B, A)`, `rewards` `(B,)` (discounted sum over m <= n steps) and `discounts` `(B,)`
            (gamma^m, 0 after a termination), float32. `next_obs` is the observation m steps later.

            With priorities also `weights` `(B,)` float32 in 0..1, which the loss of each transition is multiplied
            by, and `places` `(2, B)` int64, for `update_priorities`.

        Raises:
            RuntimeError: nothing can be sampled yet.
        """
        streams, slots = self._draw(batch_size)
        batch = self._transitions.gather(streams, slots)
        if self._priorities:
            batch |= {"weights": self._priorities.weights(streams, slots), "places": np.stack([streams, slots])}
        return batch

    def sample_sequences(self, batch_size: int, length: int) -> dict[str, Any]:
        """Draw sequences for recurrent models uniformly (whatever the priorities), with replacement, see `Sequences`.

        Args:
            batch_size: B.
            length: decisions of a sequence, T.

        Returns:
            `obs`: name -> image `(B, T + 1, H, W, C)` uint8, single frames, or vector `(B, T + 1, D)` float32.
            `is_first` `(B, T + 1)` bool: the slot does not continue the one before it. `actions` `(B, T, A)` and
            `rewards` `(B, T)` float32, `terminated` and `valid` `(B, T)` bool; all zero where `valid` is, at the last
            observations of episodes.

        Raises:
            RuntimeError: no env has T + 1 slots in the window yet.
        """
        streams, slots = self._sequences.draw(self._rng, batch_size, length)
        return self._sequences.gather(streams, slots, length)

    def update_priorities(self, places: Indices, errors: npt.NDArray[np.floating]) -> None:
        """Tell what was learnt from a batch.

        Args:
            places: `(2, B)`, as `sample` gave them. What was overwritten meanwhile is passed over.
            errors: `(B,)` TD errors of the transitions, of any sign.

        Raises:
            RuntimeError: the ring has no priorities.
            ValueError: an error is not finite.
        """
        if not self._priorities:
            raise RuntimeError("The replay ring draws uniformly: make it with a priority_exponent above 0.")
        self._priorities.update(places[0], places[1], errors)

    def state(self) -> dict[str, Any]:
        """Flush the files and return the index and the draws' state: small, plain, ready for JSON.

        It restores this content even if the files are written further, see `RingStreams`. With priorities it has
        them too, as a tensor of 4 bytes a slot.
        """
        state = {"streams": self._streams.state(), "rng": self._rng.bit_generator.state}
        return state | {"priorities": self._priorities.state()} if self._priorities else state

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to the content and the draws at `state`, less what was overwritten since (a warning says how much).

        A state without priorities goes with a ring that has them, and the other way round, see `Priorities`.

        Raises:
            ConfigError: the files are not those that the state belongs to.
        """
        self._streams.restore(state["streams"])
        if self._priorities:
            self._priorities.restore(state.get("priorities"), state["streams"])
        self._rng.bit_generator.state = state["rng"]

    def _draw(self, count: int) -> tuple[Indices, Indices]:
        """Draw `(count,)` streams and slots that can be sampled."""
        streams, slots = np.empty(0, np.int64), np.empty(0, np.int64)
        for _ in range(MAX_DRAWS):
            missing = count - len(slots)
            if missing == 0:
                break
            # Some more than needed, since a few are rejected: a second round costs more than they do.
            drawn, at = self._draws.propose(self._rng, missing + missing // 16 + 2)
            if len(at) == 0:
                break
            accepted = np.flatnonzero(self._transitions.is_sampleable(drawn, at))[:missing]
            streams, slots = np.append(streams, drawn[accepted]), np.append(slots, at[accepted])
        missing = count - len(slots)
        if missing:
            all_streams, all_slots = self._transitions.list_sampleable()
            if len(all_slots) == 0:
                raise RuntimeError(
                    f"The replay ring holds {len(self)} decisions, none of which can be sampled yet: each needs its "
                    f"next {self._n_step} steps or the end of its episode. Collect more before learning."
                )
            picks = self._draws.pick(self._rng, all_streams, all_slots, missing)
            streams, slots = np.append(streams, all_streams[picks]), np.append(slots, all_slots[picks])
        return streams, slots
