"""Two views of one observation: TMRL's tuple, and the dict that the suite learns from. The numbers are the same.

In the tuple, pictures are a history `(N, H, W)`, oldest first; in the dict the newest alone, `(H, W, C)`, because
stacks are made where frames are read (`envs.stacking`): with `env.frame_stack` N they are the same, newest last.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from envs.arguments import check_choice

ACTIONS = "actions"  # the last ones sent, oldest first, in the game's order
RAW, TMRL, SCALED = "raw", "tmrl", "scaled"
SCALINGS = (RAW, TMRL, SCALED)
_DIVISORS: Mapping[str, Mapping[str, float]] = {
    RAW: {},
    TMRL: {"speed": 1000.0, "gear": 10.0, "rpm": 10000.0},  # what TMRL's preprocessor does to TM20FULL
    SCALED: {"speed": 100.0, "gear": 7.0, "rpm": 10000.0, "lidar": 300.0},
}
_IMAGE_DIVISOR = 256.0  # TMRL's, which makes the way to uint8 and back exact


class DictView:
    """Convert tuples to dicts.

    Args:
        names: of the tuple's elements, without actions.
        boxes: the spaces of these.
        num_actions: that follow them.
        scaling: of vectors: `raw`, the tuple's numbers; `tmrl`, as TMRL's networks get them; `scaled`, about 1.

    Attributes:
        space: of the dicts.
    """

    def __init__(
        self, names: Sequence[str], boxes: Sequence[spaces.Box], *, num_actions: int, scaling: str = RAW
    ) -> None:
        check_choice("scaling", scaling, SCALINGS)
        is_full = "image" in names
        # TMRL scales nothing of its lidar presets.
        divisors = _DIVISORS[scaling] if scaling != TMRL or is_full else {}
        self._divisors = [divisors.get(name, 1.0) for name in names]
        self._names, self._num_actions = tuple(names), num_actions
        parts = {name: self._part(box.low, index) for index, (name, box) in enumerate(zip(names, boxes, strict=True))}
        highs = [self._part(box.high, index) for index, box in enumerate(boxes)]
        space: dict[str, spaces.Space[Any]] = {
            name: spaces.Box(low, high, dtype=low.dtype.type)
            for (name, low), high in zip(parts.items(), highs, strict=True)
        }
        if num_actions:
            space[ACTIONS] = spaces.Box(-1.0, 1.0, (3 * num_actions,), np.float32)
        self.space = spaces.Dict(space)

    def of(self, observation: Sequence[npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Return the dict of a tuple, actions included."""
        elements, actions = observation[: len(self._names)], observation[len(self._names) :]
        parts = {name: self._part(elements[index], index) for index, name in enumerate(self._names)}
        if self._num_actions:
            parts[ACTIONS] = np.concatenate(actions).astype(np.float32)
        return parts

    def _part(self, element: npt.NDArray[Any], index: int) -> npt.NDArray[Any]:
        if element.dtype == np.uint8:
            newest = element[-1]
            return newest if newest.ndim == 3 else newest[:, :, np.newaxis]
        divisor = self._divisors[index]
        flat = element.reshape(-1).astype(np.float32)
        return flat if divisor == 1.0 else (flat / np.float32(divisor)).astype(np.float32)


def tmrl_preprocessed(
    names: Sequence[str], observation: Sequence[npt.NDArray[Any]]
) -> tuple[npt.NDArray[np.float32], ...]:
    """Return a tuple as TMRL's preprocessor hands it to networks: `full` scaled, lidar flattened, nothing else."""
    divisors = _DIVISORS[TMRL] if "image" in names else {}
    elements = []
    for index, element in enumerate(observation):
        name = names[index] if index < len(names) else ACTIONS
        if element.dtype == np.uint8:
            elements.append(element.astype(np.float32) / np.float32(_IMAGE_DIVISOR))
        elif name == "lidar":
            elements.append(element.reshape(-1).astype(np.float32))
        else:
            elements.append((element / np.float32(divisors.get(name, 1.0))).astype(np.float32))
    return tuple(elements)
