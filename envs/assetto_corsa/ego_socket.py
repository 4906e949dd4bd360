"""The UDP socket to the plugin's ego channel: datagrams out, and in until a deadline."""

import contextlib
import select
import socket
from collections.abc import Callable

from envs.assetto_corsa.faults import LINK_LOST, REFUSED, LinkFault
from envs.assetto_corsa.messages import MOST_BYTES

GONE = (ConnectionRefusedError, ConnectionResetError)  # what Linux and Windows say of a port where nobody listens
_BUFFER_BYTES = 4 << 20


def wait_readable(heard: socket.socket, seconds: float) -> None:
    """Wait for a datagram, at most for seconds."""
    select.select([heard], [], [], seconds)


class EgoSocket:
    """A socket that hears one address only.

    Args:
        host: of the game.
        port: of its ego channel.
        now: seconds, monotonic.
        wait: waits for a datagram, at most for seconds.

    Attributes:
        where: the address, for messages.
    """

    def __init__(
        self, host: str, port: int, *, now: Callable[[], float], wait: Callable[[socket.socket, float], None]
    ) -> None:
        self._host, self._port, self.where = host, port, f"{host}:{port} (UDP)"
        self._now, self._wait = now, wait
        self._socket: socket.socket | None = None

    @property
    def address(self) -> tuple[str, int] | None:
        """Our own end; None while it is closed."""
        return None if self._socket is None else self._socket.getsockname()

    def open(self) -> None:
        """Begin with a fresh socket.

        Raises:
            LinkFault: there is no way to the address.
        """
        self.close()
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                self._host, self._port, socket.AF_INET, socket.SOCK_DGRAM
            )[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            self._socket.connect(address)  # from now on the system drops what others send
            self._socket.setblocking(False)
        except OSError as error:
            self.close()
            raise LinkFault(REFUSED, self.where, f"cannot be reached ({error}).") from error

    def close(self) -> None:
        """Let go of it; a second call does nothing."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def receive(self, deadline_s: float) -> bytes | None:
        """Return the next datagram; None if there is none until the deadline. One that is there is always returned.

        Raises:
            OSError: one of `GONE`: nobody listens there.
        """
        assert self._socket is not None
        while True:
            with contextlib.suppress(BlockingIOError):
                return self._socket.recv(MOST_BYTES)
            left = deadline_s - self._now()
            if left <= 0.0:
                return None
            self._wait(self._socket, left)

    def send(self, data: bytes) -> None:
        """Send a datagram.

        Raises:
            OSError: one of `GONE`: nobody listens there.
            LinkFault: there is no way to the address any more.
        """
        assert self._socket is not None
        try:
            self._socket.send(data)
        except GONE:
            raise
        except OSError as error:
            raise LinkFault(LINK_LOST, self.where, f"cannot be sent to ({error}).") from error

    def send_if_possible(self, data: bytes) -> None:
        """Send a datagram to whoever may be there; also from a signal's handler."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.send(data)
