"""The plugin of the layout `IQN33` that says which map is loaded, and whether the car may drive: one line of JSON."""

import json
import socket
import time
from dataclasses import dataclass

from envs.errors import ProtocolError, SimulatorUnavailable

PORT = 9001
VERSION = "2"
VERIFY_MAP, CONFIRM_READY = "verify_loaded_map", "confirm_ready"
_LONGEST = 16 * 1024
_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Readiness:
    """What the plugin answers.

    Attributes:
        map_uid: of the loaded map; None in a menu.
        is_ready: whether the player can drive.
        error: the plugin's word for what is the matter; None if nothing is.
    """

    map_uid: str | None
    is_ready: bool
    error: str | None = None


def ask_readiness(command: str = VERIFY_MAP, *, host: str = "127.0.0.1", port: int = PORT) -> Readiness:
    """Ask once, on a connection of its own.

    Args:
        command: `verify_loaded_map`, or `confirm_ready`, which fails while the player is not.
        host: of the plugin.
        port: of the plugin.

    Raises:
        SimulatorUnavailable: nobody answers within 2 s.
        ProtocolError: the answer is no such line.
    """
    where = f"The readiness plugin at {host}:{port}"
    request = json.dumps({"protocol_version": VERSION, "command": command}).encode() + b"\n"
    line = b""
    try:
        deadline = time.monotonic() + _TIMEOUT_S
        with socket.create_connection((host, port), _TIMEOUT_S) as connection:
            connection.sendall(request)
            while not line.endswith(b"\n") and len(line) <= _LONGEST:
                connection.settimeout(max(deadline - time.monotonic(), 0.001))
                piece = connection.recv(4096)
                if not piece:
                    break
                line += piece
    except OSError as error:
        raise SimulatorUnavailable(
            f"{where} did not answer ({error}). It belongs to the plugin of env.layout=IQN33: is that one loaded?"
        ) from error
    try:
        told = json.loads(line[: _LONGEST + 1])
        if told["protocol_version"] != VERSION:
            raise ValueError(f"protocol_version {told['protocol_version']!r}, expected {VERSION!r}")
        if told["status"] == "ok":
            return Readiness(str(told["map_uid"]), told["ready"] == "true")
        return Readiness(None, False, str(told["error"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ProtocolError(f"{where} answered {line[:80]!r}, which is no answer ({error!r}).") from error
