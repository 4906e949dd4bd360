"""The games that an env or a vector env drives: stepped together, got back when lost."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.errors import ProtocolError
from envs.remote import spaces
from envs.remote.gates import Gate
from envs.remote.leases import Leases, SeatSettings, Server
from envs.remote.messages import FREE, LOCKSTEP, MAX_WAIT_MS
from envs.remote.session import Answer, ServerError, State

log = logging.getLogger(__name__)


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
        leases: the servers, and what they serve.
        reconnects: games that were lost and got back.

    Raises:
        SimulatorUnavailable: there are not as many games within `connect_timeout_s`.
        ConfigError: a server speaks no version 2, or serves another env than the first.
    """

    def __init__(self, gate: Gate, num: int, settings: SeatSettings) -> None:
        self._settings = settings
        self._seats = [Seat() for _ in range(num)]
        self.leases = Leases(gate, settings)
        self.reconnects = 0
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
        return min((server.session.round_trip_s for server in self.leases.servers), default=0.0)

    def picture(self, index: int) -> npt.NDArray[np.uint8] | None:
        """Return what a game looks like, `(H, W, 3)` uint8; None if it is lost, or has no pictures.

        Raises:
            SimulatorUnavailable: its server is gone.
        """
        seat = self._seats[index]
        if seat.server is None:
            return None
        return seat.server.session.request("LOOK", game_id=seat.game_id).states[0].frame

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
            index: Fault("The game was lost.") for index in [*actions, *seeds] if self._seats[index].server is None
        }
        rounds = [_Asked(server) for server in self.leases.servers]
        for asked in rounds:
            try:
                self._ask(asked, actions, ticks, seeds, options)
            except ConnectionError as error:
                results |= self._lose(asked.server, str(error))
        for asked in rounds:
            try:
                for number, seats in asked.messages if asked.server in self.leases.servers else ():
                    results |= self._hear(asked.server, number, seats)
            except (OSError, ProtocolError) as error:
                results |= self._lose(asked.server, str(error))
        return {index: results[index] for index in [*actions, *seeds]}

    def close(self) -> None:
        """Give all games back; a second call does nothing."""
        self.leases.close()
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
            wait = {"wait_ticks": ticks, "timeout_ms": min(int(500 * self._settings.read_timeout_s), MAX_WAIT_MS)}
            for game, index in driven.items():
                session.send("SET_ACTION", game_id=game, action=actions[index])
            for game, index in driven.items():
                asked.messages.append((session.send("GET_STATE", game_id=game, **wait), {game: index}))

    def _hear(self, server: Server, number: int, seats: dict[int, int]) -> dict[int, State | Fault]:
        """Return what a message was answered; a refusal is for all of its seats.

        Raises:
            OSError: the server is gone, or silent.
            ProtocolError: what it says is no answer.
        """
        try:
            return self._read(server.session.answer_to(number, self._settings.read_timeout_s), seats)
        except ServerError as error:
            return {index: Fault(str(error)) for index in seats.values()}

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
        assert self.leases.observation_space is not None
        spaces.assembled(self.leases.observation_space, state.observation)
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
        self.leases.drop(server)
        return {index: Fault(reason) for index in self._forget_lost()}

    def _fill(self, indices: Iterable[int]) -> None:
        """Find games for seats that have none."""
        empty = list(indices)
        for index, (server, game_id) in zip(empty, self.leases.claim(len(empty)) if empty else (), strict=True):
            self._seats[index].server, self._seats[index].game_id = server, game_id
        self._forget_lost()

    def _forget_lost(self) -> list[int]:
        """Empty the seats whose server is gone, and return them."""
        gone = [
            index
            for index, seat in enumerate(self._seats)
            if seat.server is not None and seat.server not in self.leases.servers
        ]
        for index in gone:
            self._seats[index].server = None
        return gone


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
