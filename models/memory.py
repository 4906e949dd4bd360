"""What a recurrent encoder carries from one decision to the next, beside the observation."""

from dataclasses import dataclass
from typing import Self

import torch


@dataclass(frozen=True)
class Memory:
    """The state before `B` sequences of `T` slots, and where episodes begin in them.

    Attributes:
        state: `(B, S)` float32, of the slot before the first; zeros where nothing is known.
        is_first: `(B, T)` bool; before such a slot the state is reset to zeros.
    """

    state: torch.Tensor
    is_first: torch.Tensor

    @classmethod
    def of_one_step(cls, state: torch.Tensor, is_first: torch.Tensor) -> Self:
        """Return the memory of `B` envs `(B, S)` before one decision, with `is_first` `(B,)`."""
        return cls(state, is_first[:, None])
