"""What travels from a runner to the learner: consecutive decisions of several envs as dense arrays."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from experiments.link_account import LinkAccount


@dataclass(frozen=True)
class EpisodeOutcome:
    """What one finished training episode came to (returns are the env's, unscaled)."""

    episode_return: float
    frames: int
    decisions: int
    off_track_share: float  # share of its decisions that ended off the track
    lap_times_s: tuple[float, ...] = ()
    fault: str | None = None


@dataclass(frozen=True)
class Fragment:
    """`T` consecutive steps of `N` envs, with single (unstacked) frames.

    Envs reset themselves one step after an episode ends (Gymnasium's NEXT_STEP autoreset), so every column is one
    unbroken stream of slots. In a stream, the final observation of an episode takes a slot of its own, whose action
    was ignored: there `valid` is False, and the next slot is the first of a new episode (`age` 0).

    Images are stacked where they are read: the stack of slot `t` holds, newest last, the images of the slots
    `t - min(j, age[t])` for j = k-1 … 0. The first frame of an episode is thus repeated.

    Attributes:
        images: name -> `(k - 1 + T + 1, N, H, W, C)` uint8; rows `0 … k-2` are the k - 1 slots before the fragment.
            Row `k - 1 + t` is what the policy saw at step `t`; the last row is what it will see next.
        vectors: name -> `(T + 1, N, D)` float32.
        age: `(T + 1, N)` int32, decisions since the first observation of the slot's episode.
        actions: `(T, N, A)` float32 in [-1, 1], the policy's numbers: of a choice of one of A, one-hots.
        log_probs: `(T, N)` float32, of the behaviour policy.
        values: `(T + 1, N)` float32, what the behaviour policy's critic thought of each observation; None where the
            learner does not ask.
        states: `(ceil(T / L), N, S)` float32, the policy's state before the slots 0, L, 2L …, for a learner that takes
            sequences of L slots; to be reset where `age` is 0. None where the policy has no memory, or nobody asks.
        rewards: `(T, N)` float32.
        terminated, truncated: `(T, N)` bool.
        valid: `(T, N)` bool, False where the step only reset the env.
        frames: environment frames (physics steps) simulated in the fragment.
        outcomes: the episodes that ended in it.
        link: what links to remote games were like in it.
    """

    images: dict[str, npt.NDArray[np.uint8]]
    vectors: dict[str, npt.NDArray[np.float32]]
    age: npt.NDArray[np.int32]
    actions: npt.NDArray[np.float32]
    log_probs: npt.NDArray[np.float32]
    rewards: npt.NDArray[np.float32]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]
    valid: npt.NDArray[np.bool_]
    frames: int
    outcomes: list[EpisodeOutcome] = field(default_factory=list)
    link: LinkAccount = field(default_factory=LinkAccount)
    values: npt.NDArray[np.float32] | None = None
    states: npt.NDArray[np.float32] | None = None

    @property
    def decisions(self) -> int:
        """Number of actions that a policy took (resets are not decisions)."""
        return int(self.valid.sum())
