"""What PPO learns from: the decisions of a rollout, each by itself or in sequences for a policy with a memory."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.advantages import generalised_advantages
from experiments.fragment import Fragment

Columns = dict[str, npt.NDArray[Any]]


def rollout_of(
    fragments: Sequence[Fragment],
    *,
    gamma: float,
    gae_lambda: float,
    reward_scale: float,
    sequence_length: int | None = None,
    moments: Callable[[npt.NDArray[np.float32]], tuple[float, float]] | None = None,
) -> Columns:
    """Return the decisions of fragments as `B` sequences of `T` slots.

    Without a memory every decision is a sequence of its own, and slots that only reset their env are left out. With one
    the slots of an env follow each other, `sequence_length` in a row, whatever they are: the state passes through all.

    Args:
        fragments: With values; with states too, where `sequence_length` is given.
        gamma: Discount per decision.
        gae_lambda: Trace decay.
        reward_scale: Factor on the rewards.
        sequence_length: T of a policy with a memory; the steps of a fragment are a multiple of it.
        moments: Returns mean and deviation of advantages of which these are a part; None: these are all.

    Returns:
        `slots` `(B, T)` int64, numbered as in `FrameTable`; `actions` `(B, T, A)`; `log_probs`, `values`, `returns` and
        `advantages` (of mean 0 and deviation 1 over all decisions) `(B, T)` float32. With a memory also `is_decision`
        and `is_first` `(B, T)` bool, and `state` `(B, S)`, as in `models.memory.Memory`.

    Raises:
        ValueError: A fragment lacks values or states.
    """
    parts, offset = [], 0
    for fragment in fragments:
        if fragment.values is None:
            raise ValueError("PPO learns from fragments with values; this one was driven without a critic.")
        advantages = generalised_advantages(
            fragment, fragment.values, gamma=gamma, gae_lambda=gae_lambda, reward_scale=reward_scale
        )
        columns: Columns = {
            "slots": np.arange(offset, offset + fragment.rewards.size).reshape(fragment.rewards.shape),
            "actions": fragment.actions,
            "log_probs": fragment.log_probs,
            "values": fragment.values[:-1],
            "returns": advantages + fragment.values[:-1],
            "advantages": advantages,
        }
        if sequence_length is None:
            parts.append({name: column[fragment.valid][:, None] for name, column in columns.items()})
        else:
            parts.append(_in_sequences(fragment, columns, sequence_length))
        offset += fragment.age.size
    rollout = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    advantages = rollout["advantages"]
    counted = advantages[rollout["is_decision"]] if "is_decision" in rollout else advantages
    mean, deviation = (counted.mean(), counted.std()) if moments is None else map(np.float32, moments(counted))
    return rollout | {"advantages": (advantages - mean) / (deviation + np.float32(1e-8))}


def _in_sequences(fragment: Fragment, columns: Columns, length: int) -> Columns:
    """Turn columns `(T, N, …)` into rows `(N * T / length, length, …)`, env after env."""
    if fragment.states is None:
        raise ValueError("A policy with a memory learns from fragments with states; this one has none.")
    columns = columns | {"is_decision": fragment.valid, "is_first": fragment.age[:-1] == 0}
    rows = {name: np.moveaxis(column, 0, 1).reshape(-1, length, *column.shape[2:]) for name, column in columns.items()}
    return rows | {"state": np.moveaxis(fragment.states, 0, 1).reshape(-1, fragment.states.shape[-1])}
