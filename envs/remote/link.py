"""A TCP connection to a game: every wait has a deadline, every size a bound, and what happened is counted."""

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from envs.errors import SimulatorUnavailable
from envs.remote.backoff import Backoff
from envs.remote.lines import LineBuffer

_PIECE = 1 << 16


@dataclass
class LinkCounts:
    """What a link has done.

    Attributes:
        reconnects: connections after the first.
        bytes_sent: over all connections.
        bytes_received: over all connections.
    """

    reconnects: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


class Link:
    """A connection that carries lines, and blocks of bytes after them.

    Args:
        connect: makes the socket, within the seconds that it is given; raises OSError.
        name: of the other end in messages, such as `carracing at 127.0.0.1:5555`.
        line_limit: bytes of a line, at most.
        timeout_s: for an answer, unless a call says otherwise.
    """

    def __init__(
        self,
        connect: Callable[[float], socket.socket],
        *,
        name: str,
        line_limit: int = 1 << 26,
        timeout_s: float = 30.0,
    ) -> None:
        self._connect, self._name, self._line_limit, self.timeout_s = connect, name, line_limit, timeout_s
        self._socket: socket.socket | None = None
        self._buffer = LineBuffer(limit=line_limit)
        self._was_open = False
        self.counts = LinkCounts()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._socket is not None

    @property
    def connection(self) -> socket.socket | None:
        """The connection, None without one."""
        return self._socket

    def open(self, backoff: Backoff | None = None) -> None:
        """Connect, with as many attempts as `backoff` allows; None: one.

        Raises:
            SimulatorUnavailable: none succeeded.
        """
        self.close()
        began = time.monotonic()
        waits = iter((backoff or Backoff(attempts=1)).waits())
        while True:
            try:
                self._socket = self._connect(self.timeout_s)
                break
            except OSError as error:
                wait = next(waits, None)
                if wait is None:
                    waited = time.monotonic() - began
                    raise SimulatorUnavailable(
                        f"{self._name} did not answer within {waited:.1f} s ({error}). Is it running, and reachable "
                        "from this machine?"
                    ) from error
                time.sleep(wait)
        self._buffer = LineBuffer(limit=self._line_limit)
        self.counts.reconnects += self._was_open
        self._was_open = True

    def close(self) -> None:
        """Hang up; a second call does nothing."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, data: bytes, *, timeout_s: float | None = None) -> None:
        """Send all of `data`.

        Raises:
            SimulatorUnavailable: the other end is gone, or does not read; the link is closed.
        """
        connection = self._open_socket()
        try:
            connection.settimeout(self.timeout_s if timeout_s is None else timeout_s)
            connection.sendall(data)
        except OSError as error:
            raise self._lost(f"took no {len(data):,} bytes", error) from error
        self.counts.bytes_sent += len(data)

    def line(self, *, timeout_s: float | None = None) -> bytes:
        """Return the next line.

        Raises:
            SimulatorUnavailable: the other end is gone; the link is closed.
            TimeoutError: it has not arrived in time; the link stays open, and the line may still come.
            LineTooLongError: it is longer than the limit.
        """
        deadline = self._deadline(timeout_s)
        while (line := self._buffer.line()) is None:
            self._receive(deadline, "a line")
        return line

    def block(self, size: int, *, timeout_s: float | None = None) -> bytes:
        """Return the next `size` bytes. Raises as `line` does."""
        deadline = self._deadline(timeout_s)
        while (block := self._buffer.block(size)) is None:
            self._receive(deadline, f"{size:,} bytes")
        return block

    def _receive(self, deadline: float, wanted: str) -> None:
        connection = self._open_socket()
        left = deadline - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
            piece = connection.recv(_PIECE)
        except TimeoutError:
            raise TimeoutError(f"{self._name} did not send {wanted} in time.") from None
        except OSError as error:
            raise self._lost(f"did not send {wanted}", error) from error
        if not piece:
            raise self._lost(f"hung up before it had sent {wanted}", None)
        self.counts.bytes_received += len(piece)
        self._buffer.feed(piece)

    def _deadline(self, timeout_s: float | None) -> float:
        return time.monotonic() + (self.timeout_s if timeout_s is None else timeout_s)

    def _open_socket(self) -> socket.socket:
        if self._socket is None:
            raise SimulatorUnavailable(f"{self._name} is not connected.")
        return self._socket

    def _lost(self, what: str, error: OSError | None) -> SimulatorUnavailable:
        self.close()
        return SimulatorUnavailable(f"{self._name} {what}{f' ({error})' if error else ''}. Has it ended?")


def keep_alive(connection: socket.socket) -> None:
    """Let TCP find out within a minute that the other end's machine is gone: a reader would wait for ever."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE"  # macOS has another name
    for name, seconds in ((idle, 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):  # not all systems have all of them
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)


def tcp(host: str, port: int, context: ssl.SSLContext | None = None) -> Callable[[float], socket.socket]:
    """Return what connects to `host:port`, encrypted with `context`."""

    def connect(timeout_s: float) -> socket.socket:
        connection = socket.create_connection((host, port), timeout_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each message waits 40 ms for the last
        keep_alive(connection)
        return connection if context is None else context.wrap_socket(connection, server_hostname=host)

    return connect
