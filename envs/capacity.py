"""How many envs there can be, where games are elsewhere."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Capacity:
    """Games that envs can be made of.

    Attributes:
        total: in all; None where that is not known before they arrive.
        free: that nobody drives.
    """

    total: int | None
    free: int
