"""What every domain of a search space can do."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np


class Domain(ABC):
    """The values that one key may take. They are plain: bool, int, float, str, None, or a list of these."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Any:
        """Draw a value."""

    @abstractmethod
    def suggest(self, trial: Any, key: str) -> Any:
        """Let a search choose a value.

        Args:
            trial: An `optuna.Trial`, or what has its `suggest_categorical`, `suggest_float` and `suggest_int`.
            key: The name of the parameter there.
        """

    @abstractmethod
    def corners(self) -> list[Any]:
        """Return the values worth checking before anything starts: all of a list, both ends of a range."""

    @abstractmethod
    def contains(self, value: Any) -> bool:
        """Say whether the domain can give this value."""

    @abstractmethod
    def ray_domain(self) -> Any:
        """Return what Ray's PBT mutates the key by: a list (it moves to a neighbour) or one of Ray's domains."""

    def values(self) -> list[Any] | None:
        """Return all values in their order, or None for a range."""
        return None

    def nearest(self, value: Any) -> Any:
        """Return the value of a range that is closest to this one: PBT multiplies, which may leave the range."""
        return value


def is_same(one: Any, other: Any) -> bool:
    """Compare two values as YAML shows them: 2 is 2.0, but true is not 1."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(is_same(a, b) for a, b in zip(one, other, strict=True))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
