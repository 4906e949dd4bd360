"""Games on loan: which servers have some, what they serve, and getting enough of them in time."""

import logging
import random
import time
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

from envs.errors import ConfigError, ProtocolError, SimulatorUnavailable
from envs.remote import spaces
from envs.remote.gates import Gate
from envs.remote.messages import LOCKSTEP
from envs.remote.session import ServerError, Session

RETRY_S = 0.5

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Server:
    """One server, as far as this env uses it."""

    place: str
    session: Session


Game = tuple[Server, int]  # a leased one: where, and its number there


@dataclass(frozen=True, kw_only=True)
class SeatSettings:
    """How games are driven.

    Attributes:
        mode: `lockstep` or `free`.
        training: whether the rules of training apply.
        codec: of images.
        quality: of JPEG.
        connect_timeout_s: to get the games, at the start and after a loss.
        read_timeout_s: for an answer.
    """

    mode: str = LOCKSTEP
    training: bool = False
    codec: str = "raw"
    quality: int = 80
    connect_timeout_s: float = 60.0
    read_timeout_s: float = 10.0


class Leases:
    """Lease games from the servers of a gate; all of them must serve the same.

    Args:
        gate: where games come from.
        settings: how they will be driven.

    Attributes:
        servers: those that games are leased from.
        observation_space: of all games; None before the first server.
        action_space: of all games.
        decision: ticks of a decision, as the first server proposes.
        fps: ticks a second of a free-running game.
    """

    def __init__(self, gate: Gate, settings: SeatSettings) -> None:
        self._gate, self._settings = gate, settings
        self._trouble: dict[str, str] = {}
        self.servers: list[Server] = []
        self.observation_space: gym.Space[Any] | None = None
        self.action_space: gym.Space[Any] | None = None
        self.decision, self.fps = 1, 0.0

    def claim(self, num: int) -> list[Game]:
        """Return `num` more games.

        Raises:
            SimulatorUnavailable: there are not as many within `connect_timeout_s`.
            ConfigError: a server speaks no version 2, or serves another env than the first.
        """
        games: list[Game] = []
        deadline = time.monotonic() + self._settings.connect_timeout_s
        while len(games) < num:
            games += self._go_round(num - len(games), deadline)
            games = [(server, game) for server, game in games if server in self.servers]  # it may have gone by now
            if len(games) < num:
                if time.monotonic() > deadline:
                    raise SimulatorUnavailable(self._shortage(num, len(games)))
                time.sleep(RETRY_S * random.uniform(0.5, 1.0))  # runners that start together shall not stay so
        return games

    def drop(self, server: Server) -> None:
        """Hang up on a server; a second call does nothing."""
        server.session.link.close()
        if server in self.servers:
            self.servers.remove(server)

    def close(self) -> None:
        """Give all games back; a second call does nothing."""
        for server in self.servers:
            server.session.close()
        self.servers = []

    def _go_round(self, num: int, deadline: float) -> list[Game]:
        """Ask all servers once, for an equal share of each, then for what is left."""
        games: list[Game] = []
        places = list(self._gate.places)
        for most in (-(-num // len(places)), num):
            for place in places:
                wanted = min(most, num - len(games))
                if wanted < 1:
                    return games
                try:
                    games += self._claim_at(place, wanted, max(deadline - time.monotonic(), 1.0))
                except (OSError, ProtocolError, ServerError) as error:
                    self._trouble[place] = str(error) or type(error).__name__
        return games

    def _claim_at(self, place: str, wanted: int, timeout_s: float) -> list[Game]:
        server = next((one for one in self.servers if one.place == place), None)
        is_new = server is None or self._gate.listens
        if server is None or is_new:
            server = Server(place, self._gate.open(place, timeout_s))
            self.servers.append(server)
        try:
            if is_new:
                self._begin(server)
            told = server.session.hello(mode=self._settings.mode, games=wanted).fields.get("games")
        except BaseException:
            self.drop(server)
            raise
        games = [game for game in told if isinstance(game, int)] if isinstance(told, list) else []
        self._trouble[place] = f"{len(games)} of {server.session.num_games} games were free"
        if is_new and not games:
            server.session.close()  # its place is for others
            self.drop(server)
        return [(server, game) for game in games[:wanted]]

    def _begin(self, server: Server) -> None:
        """Agree with a new server on what is served, and on how states are told."""
        session, settings = server.session, self._settings
        if session.protocol != 2:
            raise ConfigError(
                f"The server at {server.place} speaks version 1 alone. Serve with python -m envs.serve, or choose "
                "env=remote_original, which drives one game of such a server."
            )
        welcome = session.hello(mode=settings.mode).fields
        observations, actions = spaces.build(welcome.get("obs")), spaces.build(welcome.get("act"))
        if self.observation_space is None:
            try:
                self.decision, self.fps = int(welcome.get("decision", 1)), float(session.handshake.get("fps", 0.0))
            except (TypeError, ValueError) as error:
                raise ProtocolError(f"Expected numbers for decision and fps from {server.place}: {error}.") from error
            self.observation_space, self.action_space = observations, actions
        elif (observations, actions) != (self.observation_space, self.action_space):
            raise ConfigError(
                f"{server.place} serves another env than the other servers: observations {observations} and actions "
                f"{actions}, expected {self.observation_space} and {self.action_space}."
            )
        session.request(
            "CONFIG",
            obs=True,
            encoding="bin",
            codec=settings.codec,
            quality=settings.quality,
            training=settings.training,
        )

    def _shortage(self, wanted: int, found: int) -> str:
        trouble = "; ".join(f"{place}: {text}" for place, text in self._trouble.items())
        return (
            f"Wanted {wanted} games and found {found} within {self._settings.connect_timeout_s:g} s "
            f"(env.connect_timeout_s). {trouble}. Start the servers (python -m envs.serve), let them serve more games "
            "(num_games), or drive fewer (ray.num_env_runners, ray.envs_per_runner)."
        )
