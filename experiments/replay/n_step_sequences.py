"""What a recurrent learner needs beside sequences of slots: n-step sums along them, and stacks of their frames."""

from typing import Any

import numpy as np
import numpy.typing as npt


def n_step_targets(
    rewards: npt.NDArray[np.float32],
    terminated: npt.NDArray[np.bool_],
    valid: npt.NDArray[np.bool_],
    *,
    n_step: int,
    gamma: float,
) -> dict[str, npt.NDArray[Any]]:
    """Return what the decisions of sequences bootstrap from.

    Each sums `m` rewards: n, or fewer where its episode or the sequence ends before. A decision is followed by another
    of its episode or by a slot that is not valid, the episode's last observation: sums end there, and a truncated
    episode bootstraps from it.

    Args:
        rewards: `(B, T)`, as `ReplayRing.sample_sequences` gives them.
        terminated: `(B, T)`.
        valid: `(B, T)`.
        n_step: n.
        gamma: Discount of one decision.

    Returns:
        `(B, T)` each, meaningless where `valid` is not: `rewards` (discounted sums), `discounts` (gamma^m, 0 after a
        termination), float32, and `ahead` (the slot `t + m` to bootstrap from, up to T), int64.
    """
    length = valid.shape[1]
    sums, counts = np.zeros_like(rewards), np.zeros(valid.shape, np.int64)
    goes_on = valid.copy()
    for step in range(min(n_step, length)):
        # Here `goes_on[:, t]` says that slot t + step is a decision of the same episode, inside the sequence.
        sums[:, : length - step] += np.float32(gamma**step) * np.where(
            goes_on[:, : length - step], rewards[:, step:], np.float32(0)
        )
        counts += goes_on
        goes_on[:, : length - step - 1] &= valid[:, step + 1 :]
        goes_on[:, length - step - 1 :] = False
    ahead = np.arange(length) + counts
    is_over = np.take_along_axis(terminated, np.maximum(ahead - 1, 0), axis=1)
    discounts = np.where(is_over, np.float32(0), np.float32(gamma) ** counts.astype(np.float32))
    return {"rewards": sums, "discounts": discounts.astype(np.float32), "ahead": ahead}


def stacked(frames: npt.NDArray[np.uint8], is_first: npt.NDArray[np.bool_], frame_stack: int) -> npt.NDArray[np.uint8]:
    """Return stacks `(B, T, H, W, k * C)`, newest last, of single frames `(B, T, H, W, C)` in a row.

    The first frame of an episode is repeated, and so is that of a sequence which begins amid one: its first k - 1
    stacks are not what the policy saw, and only good to warm up on.
    """
    if frame_stack == 1:
        return frames
    slots = np.arange(is_first.shape[1])
    starts = np.maximum.accumulate(np.where(is_first, slots, 0), axis=1)
    back = np.arange(frame_stack - 1, -1, -1)
    rows = np.maximum(slots[:, None] - back, starts[:, :, None])  # (B, T, k)
    stacks = frames[np.arange(len(frames))[:, None, None], rows]  # (B, T, k, H, W, C)
    return np.moveaxis(stacks, 2, 4).reshape(*frames.shape[:-1], -1)
