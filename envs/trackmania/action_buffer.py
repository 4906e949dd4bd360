"""The last actions as a part of observations: rtgym's action buffer."""

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces


class ActionBuffer:
    """Keep the last actions, oldest first.

    Args:
        space: of actions; those of a Box are kept inside it, in its dtype.
        length: how many; 0: none.
        default: that stands for actions which were not taken yet.
    """

    def __init__(self, space: spaces.Space[Any], length: int, default: Any) -> None:
        self._space = space
        self._entries: deque[npt.NDArray[Any]] = deque(maxlen=length)
        self.fill(default)

    def fill(self, action: Any) -> None:
        """Forget what was, as if `action` had been taken all the time."""
        self._entries.extend([self._entry(action)] * (self._entries.maxlen or 0))

    def append(self, action: Any) -> None:
        """Keep a copy of an action instead of the oldest one."""
        if self._entries.maxlen:
            self._entries.append(self._entry(action))

    def copies(self) -> list[npt.NDArray[Any]]:
        """Return copies, which nobody writes to afterwards."""
        return [entry.copy() for entry in self._entries]

    def _entry(self, action: Any) -> npt.NDArray[Any]:
        box = self._space
        if not isinstance(box, spaces.Box):
            return np.asarray(action)
        return np.clip(np.asarray(action, np.float64), box.low, box.high).astype(box.dtype)


def check_action(action: Any, space: spaces.Space[Any]) -> None:
    """Refuse what cannot be sent; None can, and actions of other spaces than a Box are not looked at.

    Raises:
        ValueError: the action has another shape, or is not finite.
    """
    if action is None or not isinstance(space, spaces.Box):
        return
    array = np.asarray(action, np.float64)
    if array.shape != space.shape or not np.isfinite(array).all():
        raise ValueError(f"Expected a finite action of shape {space.shape}, got {action}. Has the policy diverged?")
