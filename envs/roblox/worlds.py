"""What cars are driven in: games behind sockets, or twins in this process whose time waits; one interface for both."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from envs.roblox.game import Game
from envs.track.frames import FloatArray


class World(Protocol):
    """Games and their time, in the games' seconds."""

    @property
    def games(self) -> Sequence[Game]:
        """All that cars are driven in."""

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held while games are looked at or told something; `wait` lets go of it meanwhile."""

    @property
    def reconnects(self) -> int:
        """How many games were lost and came back."""

    @property
    def place(self) -> str:
        """Where games are expected, in words."""

    def now(self) -> float:
        """Return the time."""

    def flush(self) -> None:
        """Have sent what games are to be told."""

    def wait(self, is_over: Callable[[], bool], until_s: float) -> bool:
        """Let time pass until something is over, which is returned, or until a time."""

    def renew(self, index: int, seed: int) -> bool:
        """Make game `index` anew out of a seed, with its cars on the track; False: it is no game that can be made."""

    def position_m(self, index: int, car_id: str) -> FloatArray | None:
        """Return where a car of game `index` is, `(2,)`, metres; None: only the game knows."""

    def road_edges_m(self, index: int) -> FloatArray | None:
        """Return left and right edge of the road of game `index`, `(2, N, 2)`, metres; None: only the game knows."""

    def note_step(self, latency_s: float | None) -> None:
        """Count how long a step took; None: nothing came in time."""

    def close(self) -> None:
        """Leave."""
