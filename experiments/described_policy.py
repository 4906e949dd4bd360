"""How a policy drives that computes one decision at a time: it keeps the frames and the state which that asks for."""

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.stacking import FrameStacker, as_parts, frame_stack, observation_parts
from experiments.policy_description import PolicyDescription

Batch = dict[str, npt.NDArray[Any]]


class DescribedPolicy:
    """A policy that drives any number of envs at once, deterministically, from single frames (`experiments.drive`).

    A subclass computes a decision (`decide`), with whatever library it likes; here is NumPy and nothing else.

    Args:
        description: What is known of the policy.
        state_dim: S, the numbers that it carries from decision to decision; 0: none.
    """

    def __init__(self, description: PolicyDescription, *, state_dim: int) -> None:
        self.description = description
        self._images, self._vectors = observation_parts(description.observation_space)
        self._state_dim = state_dim

    def decide(
        self, batch: Batch, state: npt.NDArray[np.float32], is_first: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]:
        """Return the env's actions, `(N, A)` of its box or `(N,)` whole numbers, and the next state `(N, S)`.

        Args:
            batch: Stacked images `(N, H, W, C * k)` uint8 and vectors `(N, D)` float32 by name.
            state: `(N, S)`; S is 0 where the policy has no memory.
            is_first: `(N,)`, where episodes begin.
        """
        raise NotImplementedError

    def start(self, num_envs: int) -> None:
        """Prepare to drive `num_envs` envs side by side."""
        self._stacker = FrameStacker(num_envs, frame_stack(self.description.env), self._images)
        self._state = np.zeros((num_envs, self._state_dim), np.float32)
        self._view: npt.NDArray[np.uint8] | None = None

    def act(self, observation: Any, is_first: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Return the envs' actions, as `decide` does, for their single-frame observations.

        Args:
            observation: Batch `(N, …)` as the env gives it.
            is_first: `(N,)`, whether an env's observation is the first of an episode.
        """
        parts = as_parts(observation)
        stacked = self._stacker.push({name: parts[name] for name in self._images}, is_first)
        self._view = next(iter(stacked.values()), None)
        batch: Batch = {**stacked, **{name: np.asarray(parts[name], np.float32) for name in self._vectors}}
        actions, self._state = self.decide(batch, self._state, is_first)
        return actions

    def view(self) -> npt.NDArray[np.uint8] | None:
        """Return the stack `(H, W, C * k)` that the first env's policy saw last, or None if it sees no image."""
        return None if self._view is None else self._view[0]
