"""Commands to the plugin's management service: one connection for each, every wait with a deadline."""

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any

from envs.arguments import check_range
from envs.assetto_corsa.faults import NO_REPLY, REFUSED, LinkFault
from envs.assetto_corsa.replies import BracketedText, parse_reply

STATIC_INFO, CONFIG, TRACK_INFO, RESET = "get_static_info", "get_config", "get_track_info", "reset"
_PIECE = 1 << 16


class ManagementClient:
    """Ask and command the plugin. It answers one connection at a time, and never closes one by itself.

    Args:
        host: of the game.
        port: of the service.
        connect_timeout_s: to reach it.
        reply_timeout_s: from the command to the end of its reply.
        now: seconds, monotonic.
    """

    def __init__(
        self,
        host: str,
        port: int = 2347,
        *,
        connect_timeout_s: float = 2.0,
        reply_timeout_s: float = 5.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        check_range("connect_timeout_s", connect_timeout_s, 1e-3)
        check_range("reply_timeout_s", reply_timeout_s, 1e-3)
        self._address, self._where = (host, port), f"{host}:{port} (TCP)"
        self._connect_timeout_s, self._reply_timeout_s, self._now = connect_timeout_s, reply_timeout_s, now

    def static_info(self) -> dict[str, Any]:
        """Return what is loaded: car, track and their measures."""
        return self._ask(STATIC_INFO)

    def config(self) -> dict[str, Any]:
        """Return the plugin's settings."""
        return self._ask(CONFIG)

    def track_info(self) -> dict[str, Any]:
        """Return borders and racing line; empty where the game has none."""
        return self._ask(TRACK_INFO)

    def reset(self) -> None:
        """Let the car be put back. There is no reply; see what the car's place says.

        Raises:
            LinkFault: the service cannot be reached.
        """
        with self._connected(RESET):
            pass

    def _ask(self, command: str) -> dict[str, Any]:
        """Return a command's reply.

        Raises:
            LinkFault: there is none in time, or it ends before it is whole.
            ProtocolError: it is something else.
        """
        deadline = self._now() + self._connect_timeout_s + self._reply_timeout_s
        with self._connected(command) as connection:
            text = BracketedText()
            while not text.is_complete:
                left = deadline - self._now()
                if left <= 0.0:
                    raise self._silent(command, text.size)
                connection.settimeout(left)
                try:
                    piece = connection.recv(_PIECE)
                except TimeoutError as error:
                    raise self._silent(command, text.size) from error
                except OSError as error:
                    raise LinkFault(NO_REPLY, self._where, f"broke the reply to {command} off ({error}).") from error
                if not piece:
                    seen = f"closed after {text.size} bytes of its reply to {command}, which are not whole."
                    raise LinkFault(NO_REPLY, self._where, seen)
                text.feed(piece)
        return parse_reply(text.text)

    def _connected(self, command: str) -> contextlib.closing[socket.socket]:
        """Return a connection on which the command was sent."""
        try:
            connection = socket.create_connection(self._address, timeout=self._connect_timeout_s)
        except OSError as error:
            raise LinkFault(REFUSED, self._where, f"cannot be reached for {command} ({error}).") from error
        try:
            connection.sendall(command.encode("ascii"))
        except OSError as error:
            connection.close()
            raise LinkFault(NO_REPLY, self._where, f"did not take {command} ({error}).") from error
        return contextlib.closing(connection)

    def _silent(self, command: str, size: int) -> LinkFault:
        waited = self._connect_timeout_s + self._reply_timeout_s
        came = f"only {size} bytes of its reply" if size else "no reply"
        return LinkFault(NO_REPLY, self._where, f"sent {came} to {command} within {waited:g} s.")
