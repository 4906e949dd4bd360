"""A second connection that only watches: pictures of a game that somebody drives."""

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError
from envs.remote.addresses import parse_address
from envs.remote.link import Link, tcp
from envs.remote.messages import FREE
from envs.remote.security import connecting_context, known_token
from envs.remote.session import Session


class Spectator:
    """Look at games; connects when it is asked for the first picture.

    Args:
        arguments: of `RemoteEnv`.
    """

    def __init__(self, arguments: dict[str, Any]) -> None:
        if arguments["listen"] is not None:
            raise ConfigError("A game that dialled out has one connection, and cannot be watched: use env.hosts.")
        self._arguments = arguments
        self._sessions: dict[str, Session] = {}

    def picture(self, place: str, game_id: int) -> npt.NDArray[np.uint8] | None:
        """Return the game as it is, `(H, W, 3)` uint8; None if it has no pictures.

        Raises:
            SimulatorUnavailable: the server is gone.
        """
        if place not in self._sessions:
            self._sessions[place] = self._open(place)
        return self._sessions[place].request("GET_STATE", game_id=game_id).states[0].frame

    def close(self) -> None:
        """Hang up."""
        for session in self._sessions.values():
            session.close()
        self._sessions = {}

    def _open(self, place: str) -> Session:
        host, port = parse_address(place, "env.hosts")
        name = f"The game server at {place}"
        context = connecting_context(self._arguments["tls_authority"])
        link = Link(tcp(host, port, context), name=name, timeout_s=float(self._arguments["read_timeout_s"]))
        session = Session(link, token=known_token(self._arguments["token"]), name=name)
        session.open()
        session.hello(mode=FREE)
        session.request("CONFIG", frame="rgb", encoding="bin")
        return session
