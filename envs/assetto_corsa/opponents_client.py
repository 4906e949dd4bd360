"""Where the other cars are: read in the background, however fast the plugin sends, or asked from a twin."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from envs.assetto_corsa.opponents import Opponent, OpponentsStream
from envs.errors import ProtocolError
from envs.remote.backoff import Backoff

_BACKOFF = Backoff(first_s=0.5, most_s=5.0, attempts=1_000_000)
EVERY_S = 0.04  # between two lists that are looked at: one a decision
_SILENT_S = 3.0  # then the other end is gone, whatever the connection says
_PIECE, _LOOK_S = 1 << 16, 0.25


class CarSource(Protocol):
    """Tells where the other cars are."""

    @property
    def newest(self) -> tuple[Opponent, ...]:
        """The newest list; empty where there is none."""

    def close(self) -> None:
        """End; a second call does nothing."""


class TwinCars:
    """The other cars of a twin in lock-step.

    Args:
        ask: returns them as the stream would tell them.
    """

    def __init__(self, ask: Callable[[], list[dict[str, Any]]]) -> None:
        self._ask = ask

    @property
    def newest(self) -> tuple[Opponent, ...]:
        """The cars as they are now."""
        return tuple(Opponent.of(one) for one in self._ask())

    def close(self) -> None:
        """Do nothing."""


class OpponentsClient:
    """Connect, read, and come back after losses; without other cars nobody listens, and the list stays empty.

    Args:
        address: of the stream, host and port.
        stalled_s: after which the newest list counts no more.
        now: seconds, monotonic.

    Attributes:
        trouble: why the last connection ended; empty before.
    """

    def __init__(
        self, address: tuple[str, int], *, stalled_s: float = 1.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._address, self._stalled_s, self._now = address, stalled_s, now
        self._newest: tuple[tuple[Opponent, ...], float] = ((), -1e9)
        self.trouble = ""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="opponents", daemon=True)
        self._thread.start()

    @property
    def newest(self) -> tuple[Opponent, ...]:
        """The newest list; empty where there is none."""
        cars, came_s = self._newest
        return cars if self._now() - came_s <= self._stalled_s else ()

    def close(self) -> None:
        """Hang up; a second call does nothing."""
        self._end.set()
        self._thread.join(3.0)

    def _run(self) -> None:
        waits = iter(_BACKOFF.waits())
        while not self._end.is_set():
            try:
                with contextlib.closing(socket.create_connection(self._address, timeout=2.0)) as connection:
                    connection.settimeout(_LOOK_S)
                    self._read(connection)
                self.trouble = "the stream was closed"
                waits = iter(_BACKOFF.waits())
            except (OSError, ProtocolError) as error:
                self.trouble = str(error)
            self._end.wait(next(waits, _BACKOFF.most_s))

    def _read(self, connection: socket.socket) -> None:
        stream = OpponentsStream(every_s=EVERY_S, now=self._now)
        heard_s = self._now()
        while not self._end.is_set():
            try:
                piece = connection.recv(_PIECE)
            except TimeoutError as error:
                if self._now() - heard_s > _SILENT_S:
                    raise ProtocolError(f"nothing came for {_SILENT_S:g} s") from error
                continue
            if not piece:
                return
            heard_s = self._now()
            before = stream.lists
            stream.feed(piece)
            if stream.lists > before and stream.newest is not None:
                self._newest = stream.newest, self._now()
