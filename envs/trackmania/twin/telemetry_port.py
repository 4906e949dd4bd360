"""The plugin's side of the telemetry: listen, accept one client, write records, and begin anew when it is gone.

Nothing is ever read. A client that left is noticed at the next write; a second one waits in the backlog and hears
nothing, until the first one's end closes the listening socket, too.
"""

import contextlib
import logging
import socket

from envs.errors import ConfigError
from envs.ports import listen_at
from envs.trackmania.twin.faults import Faults
from envs.trackmania.twin.wire import Wire

_MOST_WAITING = 1 << 18  # bytes for a client that does not read; then it is taken for gone

log = logging.getLogger(__name__)


class TelemetryPort:
    """One telemetry server; not thread-safe, never blocks.

    Args:
        host: to listen at.
        port: 0 for any that is free; it stays the same afterwards.

    Attributes:
        address: host and port.
        accepted: connections so far.

    Raises:
        ConfigError: the port is taken.
    """

    def __init__(self, host: str, port: int) -> None:
        self._listener: socket.socket | None = listen_at(host, port, "The twin's telemetry")
        self._listener.setblocking(False)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._client: socket.socket | None = None
        self._wire = Wire(0)
        self._waiting = b""
        self.accepted = 0

    @property
    def is_connected(self) -> bool:
        """Whether there is a client, as far as is known."""
        return self._client is not None

    def set_faults(self, faults: Faults) -> None:
        """Apply what faults change at once."""
        self._wire.begin()
        if faults.refuse:
            self.close()
        elif self._listener is None:
            self._listen()

    def accept(self) -> None:
        """Take a client that waits, if there is none yet."""
        if self._client is not None or self._listener is None:
            return
        with contextlib.suppress(BlockingIOError):
            self._client, _ = self._listener.accept()
            self._client.setblocking(False)
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # pieces stay pieces
            self._wire, self._waiting = Wire(self.accepted), b""
            self.accepted += 1

    def layout(self, layout: str, faults: Faults) -> str:
        """Return the layout to write on this connection."""
        return self._wire.layout(layout, faults)

    def write(self, record: bytes, faults: Faults) -> None:
        """Write a frame's record, or what a fault makes of it."""
        if self._client is None:
            return
        pieces, closes = self._wire.writes(record, faults)
        if not all(self._send(piece) for piece in pieces) or closes:
            self._begin_anew()

    def close(self) -> None:
        """Hang up and listen no more; a second call does nothing."""
        for one in (self._client, self._listener):
            if one is not None:
                one.close()
        self._client = self._listener = None

    def _send(self, piece: bytes) -> bool:
        """Send what the client takes and keep the rest; return whether it is still there."""
        assert self._client is not None
        self._waiting += piece
        try:
            self._waiting = self._waiting[self._client.send(self._waiting) :]
        except BlockingIOError:
            return len(self._waiting) <= _MOST_WAITING
        except OSError:
            return False
        return True

    def _begin_anew(self) -> None:
        self.close()
        self._listen()

    def _listen(self) -> None:
        try:
            self._listener = listen_at(*self.address, "The twin's telemetry")
            self._listener.setblocking(False)
        except ConfigError as error:  # the plugin ends then, too, and wants to be loaded anew
            log.error("%s No more records are sent.", error)
