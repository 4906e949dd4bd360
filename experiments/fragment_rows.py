"""A fragment while it is being driven: preallocated arrays, one row a step."""

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.stacking import FrameStacker
from experiments.fragment import EpisodeOutcome, Fragment
from experiments.link_account import LinkAccount


class FragmentRows:
    """The arrays of a fragment while it is being filled, step by step."""

    def __init__(
        self, num_steps: int, num_envs: int, stacker: FrameStacker, vector_dims: dict[str, int], action_dim: int
    ) -> None:
        """Allocate `T` steps of `N` envs, after the frames that the stacker holds."""
        size = (num_steps, num_envs)
        self._images: dict[str, npt.NDArray[np.uint8]] = {}
        for name, history in stacker.history().items():
            self._context = len(history)
            rows = np.empty((self._context + num_steps + 1, *history.shape[1:]), np.uint8)
            rows[: self._context] = history
            self._images[name] = rows
        self._vectors = {n: np.empty((num_steps + 1, num_envs, d), np.float32) for n, d in vector_dims.items()}
        self._age = np.empty((num_steps + 1, num_envs), np.int32)
        self._actions = np.empty((*size, action_dim), np.float32)
        self._log_probs, self._rewards = np.empty(size, np.float32), np.empty(size, np.float32)
        self._values: list[npt.NDArray[np.float32]] = []
        self._states: list[npt.NDArray[np.float32]] = []
        self._terminated, self._truncated, self._valid = (np.empty(size, bool) for _ in range(3))

    def write_observation(self, row: int, observation: dict[str, Any], age: npt.NDArray[np.int32]) -> None:
        """Write what the envs show before a step, or after the last one."""
        for name, rows in self._images.items():
            rows[self._context + row] = observation[name]
        for name, vectors in self._vectors.items():
            vectors[row] = observation[name]
        self._age[row] = age

    def write_decision(self, row: int, actions: npt.NDArray[np.float32], log_probs: npt.NDArray[np.float32]) -> None:
        """Write what was decided, and how likely it was."""
        self._actions[row], self._log_probs[row] = actions, log_probs

    def add_values(self, values: npt.NDArray[np.float32]) -> None:
        """Add the values of the next row's observation."""
        self._values.append(values)

    def add_state(self, state: npt.NDArray[np.float32]) -> None:
        """Add the policy's state before the next sequence."""
        self._states.append(state)

    def write_step(
        self,
        row: int,
        rewards: npt.NDArray[np.float64],
        terminated: npt.NDArray[np.bool_],
        truncated: npt.NDArray[np.bool_],
        valid: npt.NDArray[np.bool_],
    ) -> None:
        """Write what came of a step."""
        self._rewards[row] = rewards
        self._terminated[row], self._truncated[row], self._valid[row] = terminated, truncated, valid

    def fragment(self, frames: int, outcomes: list[EpisodeOutcome], link: LinkAccount) -> Fragment:
        """Return the fragment that was written."""
        return Fragment(
            images=self._images,
            vectors=self._vectors,
            age=self._age,
            actions=self._actions,
            log_probs=self._log_probs,
            values=np.stack(self._values) if self._values else None,
            states=np.stack(self._states) if self._states else None,
            rewards=self._rewards,
            terminated=self._terminated,
            truncated=self._truncated,
            valid=self._valid,
            frames=frames,
            outcomes=outcomes,
            link=link,
        )
