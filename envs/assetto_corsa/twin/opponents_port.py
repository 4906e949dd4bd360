"""The plugin's stream of the other cars: their number, then their list again and again, each with its length."""

import socket
import threading

from envs.assetto_corsa.twin.game import TwinGame
from envs.door import Door

_HEADER_END = "HEADER-END"
_PACE_S = 0.02  # between two lists, lenient; the original sends without a pause


class OpponentsPort:
    """Tell whoever connects where the other cars are.

    Args:
        host: to listen at.
        port: 0 for any that is free.
        game: with opponents.
        lock: held while the game is looked at.
        is_strict: without a pause, as the original.

    Attributes:
        address: host and port.

    Raises:
        ConfigError: the port is taken.
    """

    def __init__(self, host: str, port: int, game: TwinGame, lock: threading.RLock, *, is_strict: bool = False) -> None:
        self._game, self._lock, self._is_strict = game, lock, is_strict
        self._has_ended = threading.Event()
        self._door = Door(host, port, "The twin's opponents", self._serve)
        self.address = self._door.address

    def close(self) -> None:
        """Hang up and listen no more; a second call does nothing."""
        self._has_ended.set()
        self._door.close()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            count = len(self._game.opponents())
        connection.sendall(str(count).encode())
        while not self._has_ended.is_set():
            with self._lock:
                text = str(self._game.opponents())
            connection.sendall(f"{len(text)}{_HEADER_END}{text}".encode())
            if not self._is_strict:
                self._has_ended.wait(_PACE_S)
