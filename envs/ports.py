"""Which ports a game uses: one rule for all games and runners."""

import socket

from envs.errors import ConfigError

_LAST_PORT = 65535


def ports_of(base_port: int, *, runner: int, games_per_runner: int, game: int, ports_per_game: int) -> range:
    """Return the ports of game `game` of runner `runner`, side by side from `base_port` on.

    Raises:
        ConfigError: they are beyond the last port that there is.
    """
    first = base_port + (runner * games_per_runner + game) * ports_per_game
    if not 0 < first <= first + ports_per_game - 1 <= _LAST_PORT:
        raise ConfigError(
            f"Port {base_port} leaves no room for game {game} of runner {runner}: it would use {first} and up, and "
            f"{_LAST_PORT} is the last. Choose a lower one."
        )
    return range(first, first + ports_per_game)


def listen_at(host: str, port: int, what: str) -> socket.socket:
    """Return a socket that listens at `host:port`, or at any free port for 0.

    Raises:
        ConfigError: the address cannot be listened at; names `what` wanted to.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise ConfigError(
            f"{what} cannot listen at {host}:{port} ({error}). Does another program listen there? Choose another port."
        ) from error


def bind_datagrams(host: str, port: int, what: str) -> socket.socket:
    """Return a UDP socket at `host:port`, or at any free port for 0, that never blocks. Raises as `listen_at`."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][0]
        bound = socket.socket(family, socket.SOCK_DGRAM)
        bound.setblocking(False)
        bound.bind((host, port))
    except OSError as error:
        raise ConfigError(
            f"{what} cannot listen at {host}:{port}/udp ({error}). Does another program? Choose another port."
        ) from error
    return bound
