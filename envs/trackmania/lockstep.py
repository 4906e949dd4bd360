"""A twin in this process as the game: its time goes on only while the env waits, so runs repeat bit for bit."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from envs.trackmania.controls import PRESS_S, PadState
from envs.trackmania.faults import STALLED, LinkFault
from envs.trackmania.layouts import TMRL11, Layout
from envs.trackmania.records import NewestRecord, Record

FRAME_S = 0.02  # game time between two records: 50 frames/s
STALLED_S = 1.0
_LEAST_S = 1e-9


class LockstepGame(Protocol):
    """What a game must be able to do to be driven so; `envs.trackmania.twin.game.TwinGame` is."""

    @property
    def time_s(self) -> float:
        """The game's clock."""

    def press(self, gas: float, brake: float, steer: float) -> None:
        """Hold the controls."""

    def restart(self) -> None:
        """Begin the race anew."""

    def close_popup(self) -> None:
        """Acknowledge a finish."""

    def advance(self, duration_s: float) -> None:
        """Let the clock go on."""

    def record(self) -> tuple[float, ...]:
        """Return the newest record, as `TMRL11`."""

    def screenshot(self, kind: str) -> npt.NDArray[np.uint8]:
        """Return a picture `(H, W, 3)` uint8, blue first: `full` or `lidar`."""

    def trajectory(self) -> npt.NDArray[np.float64]:
        """Return a perfect drive, `(N, 3)` x, y, z, 0.1 m apart."""


class LockstepTwin:
    """Clock, telemetry, pad and screen of one game.

    Args:
        make: makes the game.
        layout: of its records; `TMRL11` needs nothing of the game that `LockstepGame` has not.
        screen: kind of screenshots.

    Attributes:
        game: the game.
    """

    is_real = False

    def __init__(self, make: Callable[[], LockstepGame], *, layout: Layout = TMRL11, screen: str | None = None) -> None:
        self._make, self._layout, self._screen = make, layout, screen
        self._listeners: list[Callable[[Record], None]] = []
        self.renew()

    def renew(self) -> None:
        """Begin with another game, the same as the first one was."""
        self.game = self._make()
        self._records = NewestRecord()
        self._due_s = self.game.time_s
        self._poll()

    # --- the clock

    def now(self) -> float:
        """Return the game's time."""
        return self.game.time_s

    def sleep(self, duration_s: float) -> None:
        """Let the game go on, and take notice of every record on the way."""
        left = duration_s
        while left > _LEAST_S:
            part = min(left, max(self._due_s - self.game.time_s, _LEAST_S))
            self.game.advance(part)
            left -= part
            if self.game.time_s >= self._due_s - _LEAST_S:
                self._poll()

    # --- telemetry

    @property
    def seen(self) -> int:
        """Records so far."""
        return self._records.seen

    @property
    def skipped(self) -> int:
        """Records that nobody read."""
        return self._records.skipped

    @property
    def unsound(self) -> int:
        """Records that were not finite or out of range."""
        return self._records.unsound

    def open(self, timeout_s: float) -> None:
        """Do nothing: the game is there."""

    def newest(self) -> Record:
        """Return the newest sound record.

        Raises:
            LinkFault: it is too old.
        """
        record = self._records.take()
        if record is None or self.now() - record.received_s > STALLED_S:
            raise LinkFault(STALLED, "the twin in lock-step", "has stalled: there is no sound record.")
        return record

    def listen(self, listener: Callable[[Record], None]) -> None:
        """Call `listener` with every sound record."""
        self._listeners.append(listener)

    # --- the pad

    def press(self, gas: float, brake: float, steer: float) -> None:
        """Hold the controls, in the resolution of a pad."""
        self.game.press(*PadState.of(gas, brake, steer).values)

    def restart(self) -> None:
        """Press and release B."""
        self.game.restart()
        self.sleep(PRESS_S)

    def close_popup(self) -> None:
        """Press and release A."""
        self.game.close_popup()
        self.sleep(PRESS_S)

    # --- the screen

    def screenshot(self) -> npt.NDArray[np.uint8]:
        """Return the picture as it is now."""
        assert self._screen is not None
        return self.game.screenshot(self._screen)

    def close(self) -> None:
        """Do nothing: the game ends with its last reference."""

    def _poll(self) -> None:
        now = self.game.time_s
        self._due_s = now + FRAME_S
        values = self.game.record() if self._layout is TMRL11 else self.game.record(self._layout.name)  # type: ignore[call-arg]
        record = Record(self._layout, tuple(values), now, self._records.seen)
        if self._records.put(record):
            for listener in self._listeners:
                listener(record)
