"""Read a capture worker's frames: a thread that connects, keeps the newest, and comes back after losses."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from envs.assetto_corsa.frame_stream import PORT, STEPS, FrameStream, SentFrame
from envs.assetto_corsa.images import Frame
from envs.errors import ProtocolError, SimulatorUnavailable
from envs.remote.backoff import Backoff

_BACKOFF = Backoff(first_s=0.2, most_s=2.0, attempts=1_000_000)
_PIECE, _LOOK_S = 1 << 18, 0.25
_CURE = "Start it beside the game: python -m envs.assetto_corsa.capture. Its address is env.image.host."


class NetworkImages:
    """The newest frame of a worker is always at hand.

    Args:
        host: of the worker.
        port: of the worker.
        wait_s: for the first frame.
        stalled_s: after which the newest frame is too old.
        now: seconds, monotonic.
    """

    def __init__(
        self,
        host: str,
        port: int = PORT,
        *,
        wait_s: float = 5.0,
        stalled_s: float = 1.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address, self._where = (host, port), f"{host}:{port}"
        self._wait_s, self._stalled_s, self._now = wait_s, stalled_s, now
        self._changed = threading.Condition()
        self._newest: tuple[SentFrame, float] | None = None
        self._trouble = "sent nothing"
        self._connection: socket.socket | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"frames {self._where}", daemon=True)
        self._thread.start()

    def newest(self, steps: int) -> Frame:
        """Return the newest frame, waiting for one at first and after losses.

        Raises:
            SimulatorUnavailable: there is none in time.
        """
        self._tell(steps)
        deadline = self._now() + self._wait_s
        with self._changed:
            while not self._is_fresh():
                left = deadline - self._now()
                if left <= 0.0:
                    raise SimulatorUnavailable(
                        f"The capture worker at {self._where} {self._trouble} for {self._wait_s:g} s. {_CURE}"
                    )
                self._changed.wait(min(left, _LOOK_S))
            assert self._newest is not None
            sent, came_s = self._newest
        known = sent.steps if sent.steps >= 0 else None
        return Frame(sent.image, sent.number, known, sent.timestamp_s, self._now() - came_s)

    def close(self) -> None:
        """Hang up."""
        self._end.set()
        self._thread.join(2.0)

    def _tell(self, steps: int) -> None:
        """Let coming frames carry the newest state's number."""
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(OSError):  # the reading thread will notice
                connection.send(STEPS.pack(steps))

    def _is_fresh(self) -> bool:
        return self._newest is not None and self._now() - self._newest[1] <= self._stalled_s

    def _run(self) -> None:
        waits = iter(_BACKOFF.waits())
        while not self._end.is_set():
            try:
                with contextlib.closing(socket.create_connection(self._address, timeout=2.0)) as connection:
                    connection.settimeout(_LOOK_S)
                    self._connection = connection
                    self._read(connection)
                self._trouble = "closed the connection, and sent nothing"
                waits = iter(_BACKOFF.waits())
            except ProtocolError as error:
                self._trouble = f"sends something else ({error})"
            except OSError as error:
                self._trouble = f"cannot be reached ({error})"
            self._connection = None
            self._end.wait(next(waits, _BACKOFF.most_s))

    def _read(self, connection: socket.socket) -> None:
        stream = FrameStream()
        while not self._end.is_set():
            try:
                piece = connection.recv(_PIECE)
            except TimeoutError:
                continue
            if not piece:
                return
            seen = stream.frames
            stream.feed(piece)
            if stream.frames > seen and stream.newest is not None:
                with self._changed:
                    self._newest = stream.newest, self._now()
                    self._changed.notify_all()
