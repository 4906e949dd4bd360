"""Sockets of a game server: who may connect, how long they may take, and the loop that ticks the games."""

import contextlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Sequence

from envs.ports import listen_at
from envs.remote.backoff import Backoff
from envs.remote.conversation import LINE_LIMIT, Conversation, Service
from envs.remote.lines import LineBuffer, LineTooLongError
from envs.remote.link import keep_alive, tcp
from envs.remote.messages import LINE_TOO_LONG, MessageError

_PIECE = 1 << 16
_WRITE_S = 30.0  # for a client to take an answer
_IDLE_S = 3600.0  # without a word, after which a client has forgotten us

log = logging.getLogger(__name__)


class GameServer:
    """Serve games to clients: to those that connect, or to those that it connects to.

    A connection has a thread of its own and a place among `max_clients`. One that never says anything loses its place.

    Args:
        service: what is served.
        max_clients: connections at a time.
        context: for TLS; None: plain TCP.
        silence_s: a client's first word, and its TLS handshake, must come within.
    """

    def __init__(
        self,
        service: Service,
        *,
        max_clients: int = 8,
        context: ssl.SSLContext | None = None,
        silence_s: float = 60.0,
    ) -> None:
        self._service, self._context = service, context
        self._max_clients, self._silence_s = max_clients, silence_s
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._num_connections = 0
        self._listener: socket.socket | None = None
        self._is_closing = threading.Event()
        self._threads = [self._start(self._tick_games)]

    def listen(self, host: str, port: int) -> tuple[str, int]:
        """Accept connections from now on; return the address, with the port that a 0 has become.

        Raises:
            ConfigError: the address cannot be listened at.
        """
        listener = listen_at(host, port, "The game server")
        self._listener = listener
        self._threads.append(self._start(self._accept, listener))
        address = listener.getsockname()
        return address[0], address[1]

    def dial(self, addresses: Sequence[tuple[str, int]], context: ssl.SSLContext | None = None) -> None:
        """Connect to each of `addresses`, and again whenever a connection has ended, until `close`."""
        self._threads += [self._start(self._dial, host, port, context) for host, port in addresses]

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the server is closed; return whether it is."""
        return self._is_closing.wait(timeout_s)

    def close(self) -> None:
        """Hang up on everybody, and close the games; a second call does nothing."""
        self._is_closing.set()
        if self._listener is not None:
            _hang_up(self._listener)
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _hang_up(connection)
        for thread in self._threads:
            thread.join(5.0)
        for game in self._service.games:
            game.close()

    def _start(self, target: object, *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        thread.start()
        return thread

    def _tick_games(self) -> None:
        clock = self._service.clock
        clock.begin()
        while not self._is_closing.is_set():
            for game in self._service.games:
                game.tick()
            clock.wait()

    def _accept(self, listener: socket.socket) -> None:
        while not self._is_closing.is_set():
            try:
                connection, address = listener.accept()
            except OSError as error:
                if self._is_closing.wait(0.1):
                    return
                log.warning("Could not accept a connection: %s", error)
                continue
            self._start(self._welcome, connection, f"{address[0]}:{address[1]}")

    def _welcome(self, connection: socket.socket, peer: str) -> None:
        """Give a connection a place, if there is one, and serve it."""
        with self._lock:
            has_place = len(self._connections) < self._max_clients and not self._is_closing.is_set()
            if has_place:
                self._connections.add(connection)
        try:
            connection.settimeout(self._silence_s)
            if not has_place:
                _refuse(connection, self._max_clients)
                return
            self._serve(connection, peer, self._context)
        finally:
            with self._lock:
                self._connections.discard(connection)
            _hang_up(connection)

    def _dial(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        connect = tcp(host, port, context)
        while not self._is_closing.is_set():
            waits = Backoff(first_s=0.2, most_s=2.0, attempts=1_000_000).waits()
            is_news = True
            while not self._is_closing.is_set():
                try:
                    connection = connect(10.0)
                    break
                except OSError as error:
                    if is_news:
                        log.info("%s:%d does not answer (%s); trying until it does.", host, port, error)
                    is_news = False
                    self._is_closing.wait(next(waits))
            else:
                return
            with self._lock:
                self._connections.add(connection)
            try:
                self._serve(connection, f"{host}:{port}", None)
            finally:
                with self._lock:
                    self._connections.discard(connection)
                _hang_up(connection)
            self._is_closing.wait(0.2)  # somebody who hangs up at once shall not keep a core busy

    def _serve(self, connection: socket.socket, peer: str, context: ssl.SSLContext | None) -> None:
        with self._lock:
            self._num_connections += 1
            conversation = Conversation(self._service, self._num_connections)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            keep_alive(connection)
            if context is not None:
                plain, connection = connection, context.wrap_socket(connection, server_side=True)
                with self._lock:
                    self._connections.discard(plain)
                    self._connections.add(connection)
            log.info("%s is connected.", peer)
            _converse(connection, conversation, self._silence_s)
        except (OSError, ValueError) as error:  # ValueError: the socket was closed while TLS began
            log.info("%s is gone: %s", peer, error)
        except Exception:  # a thread of ours must not end for it: it may be the one that dials
            log.exception("The conversation with %s failed.", peer)
        else:
            log.info("%s has left.", peer)
        finally:
            conversation.close()
            with self._lock:
                self._connections.discard(connection)
            _hang_up(connection)


def _converse(connection: socket.socket, conversation: Conversation, silence_s: float) -> None:
    """Answer a client until one of both ends it.

    Raises:
        OSError: the client is gone, or has not said its first word in time.
    """
    connection.settimeout(_WRITE_S)
    connection.sendall(conversation.greeting())
    buffer = LineBuffer(limit=LINE_LIMIT)
    deadline, has_spoken = time.monotonic() + silence_s, False
    while not conversation.is_over:
        try:
            line = buffer.line()
        except LineTooLongError as error:
            answer = conversation.refusal(MessageError(LINE_TOO_LONG, str(error)))
        else:
            if line is None:
                left = deadline - time.monotonic()
                if left <= 0 and not has_spoken:
                    raise TimeoutError(f"it said nothing for {silence_s:g} s")
                connection.settimeout(_IDLE_S if has_spoken else left)
                piece = connection.recv(_PIECE)
                if not piece:
                    return
                buffer.feed(piece)
                continue
            answer = conversation.answer(line)
            has_spoken = True  # from now on TCP finds out whether its machine lives
        if answer:
            connection.settimeout(_WRITE_S)
            connection.sendall(answer)


def _refuse(connection: socket.socket, max_clients: int) -> None:
    text = f'{{"type": "ERROR", "message": "All {max_clients} places of this server are taken.", "code": "busy"}}\n'
    with contextlib.suppress(OSError):  # it has gone by itself
        connection.settimeout(1.0)
        connection.sendall(text.encode())


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it was not connected any more
        connection.shutdown(socket.SHUT_RDWR)  # wakes whoever waits on it
    connection.close()
