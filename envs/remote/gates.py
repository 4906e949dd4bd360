"""Where games come from: servers that are connected to, or a port at which servers that dial out arrive."""

import contextlib
import hmac
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Sequence

from envs.errors import ProtocolError
from envs.ports import listen_at
from envs.remote.addresses import parse_address
from envs.remote.link import Link, keep_alive, tcp
from envs.remote.session import Session


class Gate(ABC):
    """Opens sessions. Each place stands for one server; at a gate that listens, for the next one that arrives."""

    places: Sequence[str]
    listens = False  # each session that it opens is with another server

    @abstractmethod
    def open(self, place: str, timeout_s: float) -> Session:
        """Return a session with the server of `place`, greeted but not yet in version 2.

        Raises:
            OSError: nobody is there; `SimulatorUnavailable` and `TimeoutError` are such.
            ProtocolError: whoever is there is no game server, or does not know the token.
            ServerError: the server has no place.
        """

    def close(self) -> None:  # noqa: B027 (most have nothing to close)
        """Stop listening."""


class HostsGate(Gate):
    """Connects to servers.

    Args:
        hosts: `HOST:PORT` of each.
        token: that they ask for.
        context: for TLS.
        read_timeout_s: for an answer.

    Raises:
        ConfigError: a host is no address.
    """

    def __init__(
        self, hosts: Sequence[str], *, token: str | None, context: ssl.SSLContext | None, read_timeout_s: float
    ) -> None:
        self.places = list(hosts)
        self._addresses = {host: parse_address(host, "env.hosts") for host in hosts}
        self._token, self._context, self._read_timeout_s = token, context, read_timeout_s

    def open(self, place: str, timeout_s: float) -> Session:
        """Connect to a server."""
        host, port = self._addresses[place]
        name = f"The game server at {place}"
        link = Link(tcp(host, port, self._context), name=name, timeout_s=min(timeout_s, self._read_timeout_s))
        session = _greeted(Session(link, token=self._token, name=name))
        link.timeout_s = self._read_timeout_s  # what was left of the time to connect is no limit for answers
        return session


class ListenGate(Gate):
    """Waits for servers that dial out.

    Args:
        address: where to listen, host and port.
        token: that both sides must know: a server tells it in its greeting.
        context: for TLS.
        read_timeout_s: for an answer.

    Raises:
        ConfigError: the address cannot be listened at.
    """

    listens = True

    def __init__(
        self, address: tuple[str, int], *, token: str | None, context: ssl.SSLContext | None, read_timeout_s: float
    ) -> None:
        self._listener = listen_at(*address, "env.listen")
        self._token, self._context, self._read_timeout_s = token, context, read_timeout_s
        host, port = self._listener.getsockname()[:2]
        self.places = [f"{host}:{port}"]

    def open(self, place: str, timeout_s: float) -> Session:
        """Wait for the next server."""
        name = f"The game server that dialled {place}"
        link = Link(lambda _: self._accept(timeout_s), name=name, timeout_s=self._read_timeout_s)
        session = _greeted(Session(link, token=self._token, name=name))
        told = str(session.handshake.get("token", ""))
        if self._token is not None and not hmac.compare_digest(told.encode(errors="replace"), self._token.encode()):
            session.link.close()
            raise ProtocolError(f"{name} does not know the token: set the same for both.")
        return session

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def _accept(self, timeout_s: float) -> socket.socket:
        self._listener.settimeout(timeout_s)
        connection, _ = self._listener.accept()
        try:
            connection.settimeout(self._read_timeout_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            keep_alive(connection)
            return connection if self._context is None else self._context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            raise


def _greeted(session: Session) -> Session:
    try:
        session.open()
    except BaseException:
        with contextlib.suppress(OSError):
            session.link.close()
        raise
    return session
