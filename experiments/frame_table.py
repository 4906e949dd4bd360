"""A batch of fragments as one table of single frames, from which stacked observations are read by index."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch

from experiments.fragment import Fragment
from experiments.transfer import onto

# Fragments lie in Ray's shared memory, which nobody may write to; nor do we.
warnings.filterwarnings("ignore", message="The given NumPy array is not writable")


class FrameTable:
    """The observations of all slots of several fragments.

    Slots are numbered fragment after fragment, in each row by row (`t * N + n`), the row after the last step
    included. Frames are held once; a stack is gathered when it is read.
    """

    def __init__(self, fragments: Sequence[Fragment], device: torch.device) -> None:
        images: dict[str, list[torch.Tensor]] = {name: [] for name in fragments[0].images}
        self._stack_rows: dict[str, torch.Tensor] = {}
        for name, parts in images.items():
            rows, offset = [], 0
            for fragment in fragments:
                frames = fragment.images[name]
                parts.append(torch.from_numpy(frames).flatten(0, 1))
                rows.append(stack_rows(fragment.age, len(frames) - len(fragment.age) + 1) + offset)
                offset += frames.shape[0] * frames.shape[1]
            self._stack_rows[name] = onto(device, np.concatenate(rows))
        self._frames = {name: onto(device, torch.cat(parts)) for name, parts in images.items()}
        self._vectors = {
            name: onto(device, torch.cat([torch.from_numpy(f.vectors[name]).flatten(0, 1) for f in fragments]))
            for name in fragments[0].vectors
        }

    def read(self, slots: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the stacked observations of these slots: images `(B, H, W, C * k)`, vectors `(B, D)`."""
        observation = {name: vectors[slots] for name, vectors in self._vectors.items()}
        for name, frames in self._frames.items():
            observation[name] = as_channels(frames[self._stack_rows[name][slots]])
        return observation


def as_channels(stack: torch.Tensor) -> torch.Tensor:
    """Turn `(B, k, H, W, C)` into `(B, H, W, k * C)`, the newest frame's channels last; grey frames are not copied."""
    return stack.permute(0, 2, 3, 1, 4).flatten(3)


def stack_rows(age: np.ndarray, frame_stack: int) -> np.ndarray:
    """Return, for each slot, the flat rows of the `k` frames of its stack, newest last: `(slots, k)` int64.

    Frame `j` steps back is that of step `t - min(j, age)`: the first frame of an episode is repeated. The frames of
    a fragment begin with `k - 1` rows of context.
    """
    num_rows, num_envs = age.shape
    back = np.arange(frame_stack - 1, -1, -1)
    step = np.arange(num_rows)[:, None, None] - np.minimum(back, age[:, :, None])
    rows = (frame_stack - 1 + step) * num_envs + np.arange(num_envs)[:, None]
    return rows.reshape(-1, frame_stack).astype(np.int64)
