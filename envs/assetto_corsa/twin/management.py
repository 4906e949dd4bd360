"""The plugin's management service: words over TCP, replies without a length.

Strict, it serves one connection after the other without timeouts, takes each chunk as one command, and never hangs up.
Lenient, it serves several, takes lines, too, and hangs up when the other end has.
"""

import contextlib
import json
import logging
import socket
import threading
import time
from collections import Counter

from envs.assetto_corsa.twin.game import TwinGame
from envs.door import RETRY_S, Door
from envs.ports import listen_at

WHAT = "The twin's management service"
_CHUNK = 1024  # bytes the plugin reads at once

log = logging.getLogger(__name__)


class ManagementPort:
    """Answer commands about a game.

    Args:
        host: to listen at.
        port: 0 for any that is free.
        game: that is told of and reset.
        lock: held while the game is touched.
        is_strict: as the original, or lenient.
        every: of the track info, so many-th row.
        ports: that the config is to name, by key.

    Attributes:
        address: host and port.
        counts: commands, and `unknown` ones.

    Raises:
        ConfigError: the port is taken.
    """

    def __init__(
        self,
        host: str,
        port: int,
        game: TwinGame,
        lock: threading.RLock,
        *,
        is_strict: bool = False,
        every: int = 1,
        ports: dict[str, int] | None = None,
    ) -> None:
        self._game, self._lock, self._every, self.ports = game, lock, every, ports or {}
        self.counts: Counter[str] = Counter()
        self._door: _SerialDoor | Door
        if is_strict:
            self._door = _SerialDoor(host, port, self)
        else:
            self._door = Door(host, port, WHAT, self._serve)
        self.address = self._door.address

    def close(self) -> None:
        """Hang up and listen no more; a second call does nothing."""
        self._door.close()

    def answer(self, command: str) -> bytes | None:
        """Do what a command says; return the reply, empty for none, None if nobody knows the command."""
        game = self._game
        if command == "reset":
            with self._lock:
                game.reset()
            reply = ""
        elif command == "get_static_info":
            with self._lock:
                reply = json.dumps(game.static_info())
        elif command == "get_config":
            reply = str(game.config() | self.ports)
        elif command == "get_track_info":
            reply = json.dumps(game.track_info(self._every))
        else:
            self.counts["unknown"] += 1
            log.warning("Nobody knows the command %r.", command[:60])
            return None
        self.counts[command] += 1
        return reply.encode()

    def send(self, connection: socket.socket, reply: bytes) -> bool:
        """Send a reply, in one call unless a fault cuts it; return whether the connection is to go on.

        Raises:
            OSError: the other end is gone.
        """
        faults = self._game.faults
        if not reply:
            return True
        time.sleep(faults.slow_reply_s)
        if faults.half_reply:
            connection.sendall(reply[: len(reply) // 2])
            return False
        size = faults.reply_piece_bytes or len(reply)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for begin in range(0, len(reply), size):
            if begin:
                time.sleep(faults.reply_pause_s)
            connection.sendall(reply[begin : begin + size])
        return True

    def _serve(self, connection: socket.socket) -> None:
        """Serve one connection until its other end has nothing more to say."""
        while chunk := connection.recv(_CHUNK):
            for command in chunk.decode("utf-8", "replace").split():
                reply = self.answer(command)
                if reply is not None and not self.send(connection, reply):
                    return


class _SerialDoor:
    """Listen as the original does: one connection at a time, closed from here only when the next one has come."""

    def __init__(self, host: str, port: int, service: ManagementPort) -> None:
        self._listener = listen_at(host, port, WHAT)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._service = service
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._is_closed = False
        threading.Thread(target=self._run, name=WHAT, daemon=True).start()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            found = [self._listener, *self._open]
        for one in found:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in it
            one.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if self._is_closed:
                    return
                log.warning("%s could not accept a connection: %s.", WHAT, error)
                time.sleep(RETRY_S)
                continue
            with self._lock:
                if self._is_closed:
                    connection.close()
                    return
                for one in self._open:
                    one.close()
                self._open = [connection]
            with contextlib.suppress(OSError, UnicodeDecodeError):
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        """Serve until the other end has ended, or says what nobody knows; then it is left as it is."""
        while chunk := connection.recv(_CHUNK):
            reply = self._service.answer(chunk.decode())
            if reply is None:
                return
            if not self._service.send(connection, reply):
                connection.close()
                return
