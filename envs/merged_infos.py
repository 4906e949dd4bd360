"""The infos of many envs as one, as Gymnasium's vector envs return them."""

from typing import Any

import numpy as np
import numpy.typing as npt


class MergedInfos:
    """Merge the infos of N envs: an array a name, and a mask that says which envs have it.

    Args:
        num_envs: N.
        kinds: shape and dtype of a name's array, by name; filled on the way, as they are the same in every step.

    Attributes:
        merged: as Gymnasium's vector envs return it.
    """

    def __init__(self, num_envs: int, kinds: dict[str, tuple[tuple[int, ...], Any]]) -> None:
        self._num_envs, self._kinds = num_envs, kinds
        self.merged: dict[str, Any] = {}

    def add(self, index: int, info: dict[str, Any]) -> None:
        """Add the info of env `index`."""
        for name, value in info.items():
            mask = f"_{name}"
            if name not in self.merged:
                self.merged[name] = self._empty(name, value)
                self.merged[mask] = np.zeros(self._num_envs, np.bool_)
            self.merged[name][index] = value
            self.merged[mask][index] = True

    def _empty(self, name: str, value: Any) -> npt.NDArray[Any]:
        if isinstance(value, str):
            return np.full(self._num_envs, None, object)
        if name not in self._kinds:
            self._kinds[name] = (self._num_envs, *np.shape(value)), np.asarray(value).dtype
        return np.zeros(*self._kinds[name])
