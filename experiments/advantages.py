"""Generalised advantage estimation over the slots of a fragment."""

import numpy as np
import numpy.typing as npt

from experiments.fragment import Fragment


def generalised_advantages(
    fragment: Fragment,
    values: npt.NDArray[np.float32],
    *,
    gamma: float,
    gae_lambda: float,
    reward_scale: float,
) -> npt.NDArray[np.float32]:
    """Return the advantages `(T, N)` of a fragment's slots.

    A terminated episode is worth nothing after its end; a truncated one is worth the value of its final observation,
    which the next slot holds. Slots that only reset an env (`valid` False) get what the caller must ignore.

    Args:
        fragment: The slots.
        values: State values `(T + 1, N)` of all its observations.
        gamma: Discount per decision.
        gae_lambda: Trace decay.
        reward_scale: Factor on the rewards.

    Source: Schulman et al., "High-Dimensional Continuous Control Using GAE" (2016), equation 16.
    """
    goes_on = ~(fragment.terminated | fragment.truncated)
    bootstrap = gamma * ~fragment.terminated * values[1:]
    errors = fragment.rewards * reward_scale + bootstrap - values[:-1]
    advantages = np.zeros_like(fragment.rewards)
    running = np.zeros(fragment.rewards.shape[1], np.float32)
    for step in range(len(advantages) - 1, -1, -1):
        running = errors[step] + gamma * gae_lambda * goes_on[step] * running
        advantages[step] = running
    return advantages
