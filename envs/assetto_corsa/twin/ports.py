"""The plugin's three ports, as a twin opens them: all of them, or none."""

import contextlib
import socket
import threading

from envs.assetto_corsa.twin.ego_stream import Address
from envs.assetto_corsa.twin.game import TwinGame
from envs.assetto_corsa.twin.management import ManagementPort
from envs.assetto_corsa.twin.opponents_port import OpponentsPort
from envs.ports import bind_datagrams

_EGO = "The twin's ego channel"


class TwinPorts:
    """Listen for clients of a game.

    Args:
        host: where to listen.
        port: of the ego channel, UDP; the opponents' is the next, management's the one after, both TCP. 0: any three.
        game: that clients drive.
        lock: held while the game is looked at.
        is_strict: with the original's faults.
        every: so many-th row is in the track info.

    Attributes:
        ego: where datagrams go, host and port.
        management: where commands go.
        opponents: where the stream of the other cars is; None without any.
        socket: of the ego channel; None while nobody listens there.

    Raises:
        ConfigError: a port is taken.
    """

    def __init__(
        self, host: str, port: int, game: TwinGame, lock: threading.RLock, *, is_strict: bool, every: int
    ) -> None:
        self._game, self._lock, self._is_strict, self._every = game, lock, is_strict, every
        self._tcp = contextlib.ExitStack()
        self.socket: socket.socket | None = None
        self.ego, self.opponents, self.management = self._open(host, port, port and port + 1, port and port + 2)

    def open(self) -> None:
        """Listen again, where it was before `close`.

        Raises:
            ConfigError: a port is taken.
        """
        opponents_port = self.opponents[1] if self.opponents else 0
        self._open(*self.ego, opponents_port, self.management[1])

    def open_ego(self) -> None:
        """Listen again at the ego channel, if nobody does.

        Raises:
            ConfigError: its port is taken.
        """
        if self.socket is None:
            self.socket = bind_datagrams(*self.ego, _EGO)

    def close(self) -> None:
        """Listen nowhere; a second call does nothing."""
        self._tcp.close()
        self.close_ego()

    def close_ego(self) -> None:
        """Do not listen at the ego channel; a second call does nothing."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def send(self, data: bytes, client: Address) -> None:
        """Send a datagram; one that cannot be sent is lost."""
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.sendto(data, client)

    def receive(self, most_bytes: int) -> tuple[bytes, Address] | None:
        """Return a datagram that has come, and whose it is; None: nothing has."""
        if self.socket is None:
            return None
        try:
            data, sender = self.socket.recvfrom(most_bytes)
        except OSError:
            return None
        return data, sender[:2]

    def _open(
        self, host: str, port: int, opponents_port: int, management_port: int
    ) -> tuple[Address, Address | None, Address]:
        """Listen; return the addresses of ego, opponents and management."""
        with contextlib.ExitStack() as opened:  # what was opened before a port that is taken is closed again
            ego = bind_datagrams(host, port, _EGO)
            opened.callback(ego.close)
            address: Address = ego.getsockname()[:2]
            told = {"ego_server_port": address[1]}
            opponents = None
            if self._game.opponents():
                stream = OpponentsPort(host, opponents_port, self._game, self._lock, is_strict=self._is_strict)
                opened.callback(stream.close)
                opponents = stream.address
                told["opponents_server_port"] = opponents[1]
            management = ManagementPort(
                host, management_port, self._game, self._lock, is_strict=self._is_strict, every=self._every, ports=told
            )
            opened.callback(management.close)
            told["simulation_management_server_port"] = management.address[1]
            self.socket, self._tcp = ego, opened.pop_all()
            return address, opponents, management.address
