"""A small TCP server on a thread of its own: it hands each connection to a function, and bounds number and time."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable

from envs.ports import listen_at

log = logging.getLogger(__name__)

RETRY_S = 0.1  # after a connection that could not be accepted
_MOST, _IDLE_S = 8, 60.0


class Door:
    """Listen, and let `handle` talk with whoever comes; the connection is closed when it returns.

    Args:
        host: to listen at.
        port: 0 for any that is free.
        what: listens, for messages.
        handle: takes a connection whose calls end after `idle_s`. OSErrors of it are the visitor's end.
        most: connections at a time; more are closed at once.
        idle_s: seconds.

    Attributes:
        address: host and port.

    Raises:
        ConfigError: the port is taken.
    """

    def __init__(
        self,
        host: str,
        port: int,
        what: str,
        handle: Callable[[socket.socket], None],
        *,
        most: int = _MOST,
        idle_s: float = _IDLE_S,
    ) -> None:
        self._listener = listen_at(host, port, what)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._handle, self._most, self._idle_s = handle, most, idle_s
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_closed = False
        threading.Thread(target=self._run, name=what, daemon=True).start()

    def close(self) -> None:
        """Close what is open; a second call does nothing."""
        with self._lock:
            self._is_closed = True
            visitors = list(self._open)
        for one in (self._listener, *visitors):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits in it
            one.close()

    def _run(self) -> None:
        while True:
            try:
                visitor, _ = self._listener.accept()
            except OSError as error:
                if self._is_closed:
                    return
                log.warning("A connection could not be accepted: %s.", error)  # out of files, say
                time.sleep(RETRY_S)
                continue
            with self._lock:
                is_welcome = not self._is_closed and len(self._open) < self._most
                if is_welcome:
                    self._open.add(visitor)
            if is_welcome:
                threading.Thread(target=self._talk, args=(visitor,), daemon=True).start()
            else:
                visitor.close()

    def _talk(self, visitor: socket.socket) -> None:
        with contextlib.suppress(OSError), visitor:
            visitor.settimeout(self._idle_s)
            self._handle(visitor)
        with self._lock:
            self._open.discard(visitor)


def receive(connection: socket.socket, size: int) -> bytes:
    """Return the next `size` bytes, fewer if the other end hung up before.

    Raises:
        TimeoutError: they did not come in time.
    """
    data = b""
    while len(data) < size and (piece := connection.recv(size - len(data))):
        data += piece
    return data
