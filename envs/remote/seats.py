"""The games that an env or a vector env drives: leased from servers, stepped together, got back when lost."""

import logging
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError, ProtocolError, SimulatorUnavailable
from envs.remote import spaces
from envs.remote.gates import Gate
from envs.remote.messages import FREE, LOCKSTEP
from envs.remote.session import Answer, ServerError, Session, State

_RETRY_S = 0.5

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Server:
    """One server, as far as this env uses it."""

    place: str
    session: Session


@dataclass(eq=False)
class Seat:
    """One leased game.

    Attributes:
        server: None while it is lost.
        game_id: its number there.
        tick: that the newest state was of.
    """

    server: Server | None = None
    game_id: int = 0
    tick: int = 0


@dataclass(frozen=True)
class Fault:
    """Why there is no state of a game."""

    reason: str


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


@dataclass
class _Asked:
    """What a server was asked in one round: numbers of messages, and the seats in each."""

    server: Server
    messages: list[tuple[int, dict[int, int]]] = field(default_factory=list)


class Seats:
    """Lease `num` games, and drive them with one message a server and step.

    Args:
        gate: where games come from.
        num: how many.
        settings: how they are driven.

    Attributes:
        observation_space: of all games.
        action_space: of all games.
        decision: ticks of a decision, as the first server proposes.
        fps: ticks a second of a free-running game.
        reconnects: games that were lost and got back.

    Raises:
        SimulatorUnavailable: there are not as many games within `connect_timeout_s`.
        ConfigError: a server speaks no version 2, or serves another env than the first.
    """

    def __init__(self, gate: Gate, num: int, settings: SeatSettings) -> None:
        self._gate, self._settings = gate, settings
        self._servers: list[Server] = []
        self._seats = [Seat() for _ in range(num)]
        self._trouble: dict[str, str] = {}
        self.observation_space: gym.Space[Any] | None = None
        self.action_space: gym.Space[Any] | None = None
        self.decision, self.fps, self.reconnects = 1, 0.0, 0
        try:
            self._fill(range(num))
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._seats)

    @property
    def round_trip_s(self) -> float:
        """The shortest that any of the servers has shown."""
        return min((server.session.round_trip_s for server in self._servers), default=0.0)

    def picture(self, index: int) -> npt.NDArray[np.uint8] | None:
        """Return what a game looks like, `(H, W, 3)` uint8; None if it is lost, or has no pictures.

        Raises:
            SimulatorUnavailable: its server is gone.
        """
        seat = self._seats[index]
        return (
            None if seat.server is None else seat.server.session.request("LOOK", game_id=seat.game_id).states[0].frame
        )

    def reset(self, seeds: Mapping[int, int | None], options: dict[str, Any] | None = None) -> dict[int, State | Fault]:
        """Begin episodes of the games that `seeds` names, those first got back that were lost.

        Raises:
            SimulatorUnavailable: a lost game does not come back.
        """
        return self.advance({}, 1, seeds, options)

    def advance(
        self,
        actions: Mapping[int, Any],
        ticks: int,
        seeds: Mapping[int, int | None],
        options: dict[str, Any] | None = None,
    ) -> dict[int, State | Fault]:
        """Drive some games for a decision, and begin episodes of others; all servers work at the same time.

        Args:
            actions: plain values, by seat.
            ticks: of the decision.
            seeds: of episodes to begin, by seat.
            options: for these.

        Raises:
            SimulatorUnavailable: a lost game does not come back.
        """
        lost = [index for index in seeds if self._seats[index].server is None]
        self._fill(lost)
        self.reconnects += len(lost)
        results: dict[int, State | Fault] = {
            index: Fault("The game was lost.") for index in actions if self._seats[index].server is None
        }
        rounds = [_Asked(server) for server in self._servers]
        for asked in rounds:
            try:
                self._ask(asked, actions, ticks, seeds, options)
            except ConnectionError as error:
                results |= self._lose(asked.server, str(error))
        for asked in rounds:
            if asked.server not in self._servers:
                continue
            try:
                for number, seats in asked.messages:
                    timeout_s = self._settings.read_timeout_s
                    results |= self._read(asked.server.session.answer_to(number, timeout_s), seats)
            except (OSError, ProtocolError, ServerError) as error:
                results |= self._lose(asked.server, str(error))
        return {index: results[index] for index in [*actions, *seeds] if index in results}

    def close(self) -> None:
        """Give all games back; a second call does nothing."""
        for server in self._servers:
            server.session.close()
        self._servers = []
        for seat in self._seats:
            seat.server = None

    def _ask(
        self,
        asked: _Asked,
        actions: Mapping[int, Any],
        ticks: int,
        seeds: Mapping[int, int | None],
        options: dict[str, Any] | None,
    ) -> None:
        session = asked.server.session
        own = {index: seat.game_id for index, seat in enumerate(self._seats) if seat.server is asked.server}
        begun = {game: index for index, game in own.items() if index in seeds}
        driven = {game: index for index, game in own.items() if index in actions}
        if begun:
            resets = {str(game): _present(seed=seeds[index], options=options) for game, index in begun.items()}
            asked.messages.append((session.send("RESET_BATCH", resets=resets), begun))
        if driven and self._settings.mode == LOCKSTEP:
            plain = {str(game): actions[index] for game, index in driven.items()}
            asked.messages.append((session.send("STEP_BATCH", actions=plain, repeat=ticks), driven))
        elif driven:
            wait = {"wait_ticks": ticks, "timeout_ms": int(500 * self._settings.read_timeout_s)}
            for game, index in driven.items():
                session.send("SET_ACTION", game_id=game, action=actions[index])
            for game, index in driven.items():
                asked.messages.append((session.send("GET_STATE", game_id=game, **wait), {game: index}))

    def _read(self, answer: Answer, seats: dict[int, int]) -> dict[int, State | Fault]:
        results: dict[int, State | Fault] = {}
        for game, index in seats.items():
            state = next((one for one in answer.states if one.game_id == game), None)
            if state is not None:
                results[index] = self._checked(state, self._seats[index])
            elif (error := answer.errors.get(str(game))) is not None:
                results[index] = Fault(error)
            else:
                raise ProtocolError(f"Expected a state of game {game}, got {answer.kind} without it.")
        return results

    def _checked(self, state: State, seat: Seat) -> State | Fault:
        """Return a state that follows on from the last one; else ticks were lost, or done twice, on the way."""
        assert self.observation_space is not None
        spaces.assembled(self.observation_space, state.observation)
        before, seat.tick = seat.tick, state.tick
        if state.reset or state.ends_dropped:
            return state
        if state.tick - before != state.ticks:
            return Fault(f"Expected the game at tick {before + state.ticks}, got {state.tick}: another has driven it.")
        if self._settings.mode == FREE and not state.ticks:
            return Fault("The game stands still: it has made no tick in time.")
        return state

    def _lose(self, server: Server, reason: str) -> dict[int, State | Fault]:
        """Give a server up, and return what its seats have to say."""
        log.warning("%s: %s", server.place, reason)
        server.session.link.close()
        self._servers.remove(server)
        lost = {index: seat for index, seat in enumerate(self._seats) if seat.server is server}
        for seat in lost.values():
            seat.server = None
        return {index: Fault(reason) for index in lost}

    def _fill(self, indices: Iterable[int]) -> None:
        """Find games for seats that have none."""
        empty = list(indices)
        deadline = time.monotonic() + self._settings.connect_timeout_s
        while empty:
            self._claim(empty, deadline)
            if empty and time.monotonic() > deadline:
                raise SimulatorUnavailable(self._shortage(len(empty)))
            if empty:
                time.sleep(_RETRY_S * random.uniform(0.5, 1.0))  # runners that start together shall not stay so

    def _claim(self, empty: list[int], deadline: float) -> None:
        """Go once to all servers for seats in `empty`, for an equal share of each, then for what is left."""
        places = list(self._gate.places)
        share = -(-len(empty) // len(places))
        for wanted in (share, len(empty)):
            for place in places:
                if not empty:
                    return
                left = deadline - time.monotonic()
                try:
                    games = self._claim_at(place, min(wanted, len(empty)), max(left, 1.0))
                except (OSError, ProtocolError, ServerError) as error:
                    self._trouble[place] = str(error) or type(error).__name__
                    continue
                for server, game in games:
                    seat = self._seats[empty.pop(0)]
                    seat.server, seat.game_id = server, game

    def _claim_at(self, place: str, wanted: int, timeout_s: float) -> list[tuple[Server, int]]:
        server = next((one for one in self._servers if one.place == place), None)
        if server is None or self._gate.listens:
            server = self._begin(place, self._gate.open(place, timeout_s))
        try:
            answer = server.session.hello(mode=self._settings.mode, games=wanted)
        except (OSError, ProtocolError, ServerError) as error:
            self._lose(server, str(error))
            raise
        games = [int(game) for game in answer.fields.get("games", [])]
        self._trouble[place] = f"{len(games)} of {server.session.num_games} games were free"
        return [(server, game) for game in games]

    def _begin(self, place: str, session: Session) -> Server:
        """Agree with a new server on how states are told."""
        if session.protocol != 2:
            session.close()
            raise ConfigError(
                f"The server at {place} speaks version 1 alone. Serve with python -m envs.serve, or choose "
                "env=remote_original, which drives one game of such a server."
            )
        try:
            welcome = session.hello(mode=self._settings.mode).fields
            self._agree(place, welcome, float(session.handshake.get("fps", 0.0)))
            session.request(
                "CONFIG",
                obs=True,
                encoding="bin",
                codec=self._settings.codec,
                quality=self._settings.quality,
                training=self._settings.training,
            )
        except BaseException:
            session.close()
            raise
        server = Server(place, session)
        self._servers.append(server)
        return server

    def _agree(self, place: str, welcome: dict[str, Any], fps: float) -> None:
        observations, actions = spaces.build(welcome.get("obs")), spaces.build(welcome.get("act"))
        if self.observation_space is None:
            self.observation_space, self.action_space = observations, actions
            self.decision, self.fps = int(welcome.get("decision", 1)), fps
        elif (observations, actions) != (self.observation_space, self.action_space):
            raise ConfigError(
                f"{place} serves another env than the other servers: observations {observations} and actions "
                f"{actions}, expected {self.observation_space} and {self.action_space}."
            )

    def _shortage(self, missing: int) -> str:
        found = "; ".join(f"{place}: {text}" for place, text in self._trouble.items())
        return (
            f"Wanted {len(self._seats)} games and found {len(self._seats) - missing} within "
            f"{self._settings.connect_timeout_s:g} s (env.connect_timeout_s). {found}. Start the servers "
            "(python -m envs.serve), let them serve more games (num_games), or drive fewer (ray.num_env_runners, "
            "ray.envs_per_runner)."
        )


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
