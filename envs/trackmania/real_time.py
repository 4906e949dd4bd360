"""Time, as the game and the env share it: real, or that of a twin in lock-step."""

import time
from typing import Protocol


class GameTime(Protocol):
    """A clock that can be waited for. Seconds since any moment; it never goes back."""

    is_real: bool  # whether it goes on while nobody waits

    def now(self) -> float:
        """Return the time."""

    def sleep(self, duration_s: float) -> None:
        """Return when so much has passed; at once if it is not above 0."""


class RealTime:
    """This machine's monotonic clock."""

    is_real = True

    def now(self) -> float:
        """Return seconds of the monotonic clock."""
        return time.monotonic()

    def sleep(self, duration_s: float) -> None:
        """Wait."""
        if duration_s > 0.0:
            time.sleep(duration_s)


class SimulatedTime:
    """A clock that goes on only by being waited for."""

    is_real = False

    def __init__(self) -> None:
        self._now_s = 0.0

    def now(self) -> float:
        """Return the seconds that were waited for."""
        return self._now_s

    def sleep(self, duration_s: float) -> None:
        """Let time pass."""
        if duration_s > 0.0:
            self._now_s += duration_s
