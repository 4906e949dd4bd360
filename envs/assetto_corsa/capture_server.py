"""The capture worker beside the game: grabs pictures at a rate, and sends the newest to whoever is connected."""

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from envs.arguments import check_range
from envs.assetto_corsa.frame_stream import PORT, STEPS, SentFrame
from envs.errors import SimulatorUnavailable
from envs.ports import listen_at
from envs.remote.clock import RealTimeClock

log = logging.getLogger(__name__)

_LOOK_S, _SEND_S = 0.25, 2.0
_MOST_CLIENTS = 8


class CaptureServer:
    """Serve frames until it is closed. Whoever reads too slowly gets fewer of them, never older ones.

    Args:
        grab: returns the picture as it is now, `(H, W, C)` uint8; a SimulatorUnavailable is logged, and tried again.
        host: where to listen.
        port: where to listen; 0: any that is free.
        rate_hz: of pictures.

    Attributes:
        address: where it listens.
        frames: grabbed so far.

    Raises:
        ConfigError: the address cannot be listened at, or the rate is out of range.
    """

    def __init__(
        self,
        grab: Callable[[], npt.NDArray[np.uint8]],
        *,
        host: str = "127.0.0.1",
        port: int = PORT,
        rate_hz: float = 25.0,
    ) -> None:
        check_range("rate_hz", rate_hz, 0.1, 1000.0)
        self._grab, self._clock = grab, RealTimeClock(1.0 / rate_hz)
        self._listener = listen_at(host, port, "The capture worker")
        self._listener.settimeout(_LOOK_S)
        self.address = self._listener.getsockname()[:2]
        self._changed = threading.Condition()
        self._newest: tuple[npt.NDArray[np.uint8], float] | None = None
        self.frames = 0
        self._end = threading.Event()
        self._clients: list[threading.Thread] = []
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._grab_all, self._accept)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End; a second call does nothing."""
        self._end.set()
        with self._changed:
            self._changed.notify_all()
        for thread in [*self._threads, *self._clients]:
            thread.join(_SEND_S + 1.0)
        self._listener.close()

    def _grab_all(self) -> None:
        trouble = ""
        self._clock.begin()
        while not self._end.is_set():
            try:
                picture = self._grab()
            except SimulatorUnavailable as error:
                if str(error) != trouble:
                    trouble = str(error)
                    log.warning("%s", trouble)
                self._end.wait(1.0)
                continue
            trouble = ""
            with self._changed:
                self._newest = picture, time.monotonic()
                self.frames += 1
                self._changed.notify_all()
            self._clock.wait()

    def _accept(self) -> None:
        while not self._end.is_set():
            try:
                connection, where = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self._clients = [thread for thread in self._clients if thread.is_alive()]
            if len(self._clients) >= _MOST_CLIENTS:
                log.warning("Refused %s: %d clients are connected.", where[0], _MOST_CLIENTS)
                connection.close()
                continue
            log.info("Sending pictures to %s.", where[0])
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._clients.append(thread)
            thread.start()

    def _newer(self, seen: int) -> tuple[npt.NDArray[np.uint8], float, int] | None:
        """Return the newest picture with its time and number, waiting a moment for one after `seen`."""
        with self._changed:
            self._changed.wait_for(lambda: self.frames > seen or self._end.is_set(), _LOOK_S)
            if self._newest is None or self.frames <= seen:
                return None
            return *self._newest, self.frames

    def _serve(self, connection: socket.socket) -> None:
        sent, steps, told = 0, -1, bytearray()
        connection.settimeout(_SEND_S)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            while not self._end.is_set():
                newer = self._newer(sent)
                if newer is None:
                    continue
                picture, taken_s, sent = newer
                while select.select([connection], [], [], 0.0)[0]:
                    piece = connection.recv(1 << 12)
                    if not piece:
                        return
                    told += piece
                if len(told) >= STEPS.size:
                    whole = len(told) // STEPS.size * STEPS.size
                    steps = int(STEPS.unpack_from(told, whole - STEPS.size)[0])
                    del told[:whole]
                known = steps if 0 <= steps < 1 << 31 else -1
                connection.sendall(SentFrame(picture, sent, known, taken_s).encoded())
