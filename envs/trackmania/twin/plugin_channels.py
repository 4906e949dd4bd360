"""Two more plugins that the game may have: one saves ghosts, the other says whether a map is ready."""

import json
import socket
from collections.abc import Callable
from typing import Any

from envs.door import Door

PROTOCOL = "2"
LONGEST, READ_S = 16 * 1024, 2.0
TOO_LARGE, UNSUPPORTED = "invalid_or_too_large_request", "unsupported_protocol"
NO_MAP, NOT_READY, UNKNOWN = "no_local_map_loaded", "player_not_ready", "unknown_command"


class GhostPort:
    """Save a ghost whenever somebody connects; no byte is exchanged.

    Attributes:
        saved: how often.
    """

    def __init__(self, host: str, port: int) -> None:
        self.saved = 0
        self._door = Door(host, port, "The twin's ghost channel", self._save, most=1)
        self.address = self._door.address

    def close(self) -> None:
        """Listen no more."""
        self._door.close()

    def _save(self, connection: socket.socket) -> None:
        self.saved += 1


class ReadinessPort:
    """Answer one line of JSON per connection.

    Args:
        host: to listen at.
        port: 0 for any that is free.
        state: returns the map's uid, None in a menu, and whether the player can drive.
    """

    def __init__(self, host: str, port: int, state: Callable[[], tuple[str | None, bool]]) -> None:
        self._state = state
        self._door = Door(host, port, "The twin's readiness channel", self._answer, idle_s=READ_S)
        self.address = self._door.address

    def close(self) -> None:
        """Listen no more."""
        self._door.close()

    def _answer(self, connection: socket.socket) -> None:
        line = b""
        try:
            while b"\n" not in line and len(line) <= LONGEST and (piece := connection.recv(4096)):
                line += piece
        except TimeoutError:
            line = b""
        told = {"protocol_version": PROTOCOL, **self.answer(line.partition(b"\n")[0])}
        connection.sendall(json.dumps(told).encode() + b"\n")

    def answer(self, line: bytes) -> dict[str, Any]:
        """Return what a request is answered, without the version."""
        try:
            request = json.loads(line) if len(line) <= LONGEST else None
        except ValueError:
            request = None
        if not isinstance(request, dict):
            return _error(TOO_LARGE)
        if request.get("protocol_version") != PROTOCOL:
            return _error(UNSUPPORTED)
        map_uid, is_ready = self._state()
        command = request.get("command")
        if command not in ("verify_loaded_map", "confirm_ready"):
            return _error(UNKNOWN)
        if map_uid is None:
            return _error(NO_MAP)
        if command == "confirm_ready" and not is_ready:
            return _error(NOT_READY)
        return {"status": "ok", "map_uid": map_uid, "ready": "true" if is_ready else "false"}


def _error(name: str) -> dict[str, Any]:
    return {"status": "error", "error": name}
