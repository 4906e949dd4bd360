"""The infos of many envs as one, as Gymnasium's vector envs return them."""

from typing import Any

import numpy as np
import numpy.typing as npt


class MergedInfos:
    """Merge the infos of N envs: an array a name, and a mask that says which envs have it.

    Args:
        num_envs: N.
        kinds: type, shape and dtype of a name's values; filled on the way, as they are mostly the same in every step.

    Attributes:
        merged: as Gymnasium's vector envs return it.
    """

    def __init__(self, num_envs: int, kinds: dict[str, "Kind"]) -> None:
        self._num_envs, self._kinds = num_envs, kinds
        self.merged: dict[str, Any] = {}

    def add(self, index: int, info: dict[str, Any]) -> None:
        """Add the info of env `index`."""
        for name, value in info.items():
            kind = self._kinds.get(name)
            if kind is None or type(value) is not kind[0] or (kind[1] and np.shape(value) != kind[1]):  # type: ignore[call-overload]
                kind = self._widen(name, kind, value)
            mask = f"_{name}"
            if name not in self.merged:
                self.merged[name] = _empty(self._num_envs, kind)
                self.merged[mask] = np.zeros(self._num_envs, np.bool_)
            self.merged[name][index] = value
            self.merged[mask][index] = True

    def _widen(self, name: str, kind: "Kind | None", value: Any) -> "Kind":
        """Return a kind that holds this value beside those before it, and let the array be of it."""
        array = np.asarray(value) if isinstance(value, bool | int | float | np.ndarray | np.generic) else None
        shape, dtype = (np.shape(value), array.dtype) if array is not None else ((), np.dtype(object))
        if kind is not None:
            is_alike = kind[1] == shape and np.dtype(object) not in (kind[2], dtype)
            shape, dtype = (shape, np.result_type(kind[2], dtype)) if is_alike else ((), np.dtype(object))
        self._kinds[name] = type(value), shape, dtype
        if name in self.merged and (self.merged[name].dtype, self.merged[name].shape[1:]) != (dtype, shape):
            wider = _empty(self._num_envs, self._kinds[name])
            for index in np.flatnonzero(self.merged[f"_{name}"]):
                wider[index] = self.merged[name][index]
            self.merged[name] = wider
        return self._kinds[name]


Kind = tuple[type, tuple[int, ...], np.dtype[Any]]


def _empty(num_envs: int, kind: Kind) -> npt.NDArray[Any]:
    _, shape, dtype = kind
    return np.full(num_envs, None, object) if dtype.hasobject else np.zeros((num_envs, *shape), dtype)
