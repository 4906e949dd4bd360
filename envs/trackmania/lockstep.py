"""A twin in this process as the game: its time goes on only while the env waits, so runs repeat bit for bit."""

from collections.abc import Callable
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from envs.trackmania.controls import PRESS_S, PadState
from envs.trackmania.faults import STALLED, LinkFault
from envs.trackmania.layouts import TMRL11, Layout
from envs.trackmania.records import NewestRecord, Record

FRAME_US = 20_000  # between two records of a game that shows no frames of its own
STALLED_S = 1.0
_SECOND_US = 1_000_000


class LockstepGame(Protocol):
    """What a game must be able to do to be driven so; `envs.trackmania.twin.game.TwinGame` is.

    Attributes:
        time_us: the game's clock, microseconds since it began.
    """

    time_us: int

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


class _Frame(Protocol):
    number: int
    time_us: int


class FramedGame(LockstepGame, Protocol):
    """One that shows frames at times of its own, and at times none.

    Attributes:
        frame: the newest: its number and when it was shown.
        next_frame_us: when the next one is due.
    """

    frame: _Frame
    next_frame_us: int


class LockstepTwin:
    """Clock, telemetry, pad and screen of one game.

    A game that has frames is read once a frame, as over the wire, so it stalls, freezes and is slow here too; one that
    has none is read at 50 Hz.

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
        self._framed = cast("FramedGame", self.game) if hasattr(self.game, "next_frame_us") else None
        self._records = NewestRecord()
        self._due_us = self._shown = -1
        self._poll()

    # --- the clock

    def now(self) -> float:
        """Return the game's time."""
        return self.game.time_us / _SECOND_US

    def sleep(self, duration_s: float) -> None:
        """Let the game go on, and take notice of every record on the way."""
        game = self.game
        end_us = game.time_us + round(duration_s * _SECOND_US)
        while game.time_us < end_us:
            due_us = self._due_us if self._framed is None else self._framed.next_frame_us
            game.advance((min(due_us, end_us) - game.time_us) / _SECOND_US)
            if game.time_us >= due_us:
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

    @property
    def connections(self) -> int:
        """The one that is never lost."""
        return 1

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

    def refresh(self) -> None:
        """Do nothing: pictures can be taken."""

    def screenshot(self) -> npt.NDArray[np.uint8]:
        """Return the picture as it is now."""
        assert self._screen is not None
        return self.game.screenshot(self._screen)

    def close(self) -> None:
        """Do nothing: the game ends with its last reference."""

    def _poll(self) -> None:
        """Read the game, unless it shows what it has shown before."""
        shown_us = self.game.time_us
        self._due_us = shown_us + FRAME_US
        if self._framed is not None:
            frame = self._framed.frame
            if frame.number == self._shown:
                return
            self._shown, shown_us = frame.number, frame.time_us
        values = self.game.record() if self._layout is TMRL11 else self.game.record(self._layout.name)  # type: ignore[call-arg]
        record = Record(self._layout, tuple(values), shown_us / _SECOND_US, self._records.seen)
        if self._records.put(record):
            for listener in self._listeners:
                listener(record)
