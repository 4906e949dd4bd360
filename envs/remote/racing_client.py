"""`RacingGameClient`: drive games of a CarRacing server, in the original's methods and tuples."""

import logging
import ssl
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.errors import ProtocolError
from envs.remote.link import Link, tcp
from envs.remote.session import Answer, Session, State
from envs.remote.session import ServerError as ServerError  # what clients catch

DEFAULT_PORT = 5555
DEFAULT_TIMEOUT_S = 30.0
_WARM_UP = 10

StateTuple = tuple[dict[str, Any], npt.NDArray[np.uint8] | None, float, bool, dict[str, Any]]

log = logging.getLogger(__name__)


class RacingGameClient:
    """Drive the games of one server.

    A context manager that connects and disconnects. All states are `(telemetry, frame, reward, done, info)`; the frame
    is `(H, W, C)` uint8 or None, and writable.

    Args:
        host: name or address.
        port: None or 0: 5555.
        timeout: seconds for an answer; None or 0: 30.
        protocol: `auto` (2 where the server knows it), 1 or 2.
        token: that the server asks for.
        mode: of games that version 2 resets: `free`, or `lockstep` for `step`.
        context: for TLS.

    Attributes:
        num_games: that are served.
        connected: whether there is a connection.
        last_state: the last whole answer of each game, by its number.

    Raises:
        ValueError: a game that is not served, or a wrong protocol.
        ConnectionError: not connected, or the server is gone.
        TimeoutError: no answer in time.
        RuntimeError: an answer that is none; `ServerError`, with its `code`, where the server refused.

    Source: `RacingGameClient` of vedant-jumle/reinforcement-learning-101; here a timeout never lets a later call read
    an earlier answer.
    """

    def __init__(
        self,
        host: str = "localhost",
        port: int | None = None,
        timeout: float | None = None,
        *,
        protocol: str | int = "auto",
        token: str | None = None,
        mode: str = "free",
        context: ssl.SSLContext | None = None,
    ) -> None:
        if protocol not in ("auto", 1, 2):
            raise ValueError(f"Expected protocol to be 'auto', 1 or 2, got {protocol!r}.")
        self.host, self.port, self.timeout = host, port or DEFAULT_PORT, timeout or DEFAULT_TIMEOUT_S
        self.num_games = 0
        self.last_state: dict[int, State] = {}
        self._wanted, self._token, self._mode = protocol, token, mode
        name = f"the game server at {self.host}:{self.port}"
        link = Link(tcp(self.host, self.port, context), name=name, timeout_s=self.timeout)
        self._session = Session(link, token=token, name=name)

    def __enter__(self) -> "RacingGameClient":
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._session.link.is_open

    @property
    def round_trip_s(self) -> float:
        """The shortest that was seen."""
        return self._session.round_trip_s

    @property
    def socket(self) -> Any:
        """The connection, None without one."""
        return self._session.link.connection

    @property
    def protocol(self) -> int:
        """Version that is spoken."""
        return self._session.protocol

    def connect(self) -> None:
        """Connect, and learn how many games there are."""
        try:
            self._session.open()
            if self._wanted == 1:
                self._session.protocol = 1
            elif self._session.protocol == 2:
                self._session.hello(mode=self._mode)
            elif self._wanted == 2:
                raise ProtocolError("This server knows no version 2 of the protocol: connect with protocol=1.")
        except (ProtocolError, ServerError) as error:
            self._session.link.close()
            raise ConnectionError(str(error)) from error
        except BaseException:
            self._session.link.close()
            raise
        self.num_games = self._session.num_games
        log.info("Connected to %s:%d: %d games.", self.host, self.port, self.num_games)

    def disconnect(self) -> None:
        """Say goodbye, if connected, and hang up. Never raises."""
        self._session.close()

    def set_action(self, action: Mapping[str, float] | list[float] | int, game_id: int = 0) -> None:
        """Drive a free-running game with `action` (`steer`, `gas`, `brake`) until the next one."""
        self._check(game_id)
        self._session.send("SET_ACTION", game_id=game_id, action=_plain(action))

    def get_state(self, game_id: int = 0, wait_ticks: int = 0) -> StateTuple:
        """Return what happened since the last call, once `wait_ticks` ticks are over (version 2)."""
        self._check(game_id)
        wait = {"wait_ticks": wait_ticks} if wait_ticks else {}
        return self._state_of(self._ask("GET_STATE", game_id=game_id, **self._in_version_2(wait)))

    def reset(self, game_id: int = 0, seed: int | None = None, options: dict[str, Any] | None = None) -> StateTuple:
        """Begin an episode, on the track of `seed` (version 2)."""
        self._check(game_id)
        given = {name: value for name, value in (("seed", seed), ("options", options)) if value is not None}
        return self._state_of(self._ask("RESET", game_id=game_id, **self._in_version_2(given)))

    def step(self, action: Any, game_id: int = 0, repeat: int = 1) -> StateTuple:
        """Apply `action` for `repeat` ticks of a game in lock-step (version 2, mode `lockstep`)."""
        self._check(game_id)
        fields = self._in_version_2({"action": _plain(action), "repeat": repeat})
        return self._state_of(self._ask("STEP", game_id=game_id, **fields))

    def step_batch(self, actions: Mapping[int, Any], repeat: int = 1) -> dict[int, StateTuple]:
        """Step several games in lock-step, and return their states by number.

        Raises:
            ServerError: one of them was refused; the states of the others are in `last_state`.
        """
        for game_id in actions:
            self._check(game_id)
        plain = {str(game_id): _plain(action) for game_id, action in actions.items()}
        answer = self._ask("STEP_BATCH", **self._in_version_2({"actions": plain, "repeat": repeat}))
        states = {state.game_id: self._keep(state) for state in answer.states}
        for number, text in answer.errors.items():
            code = answer.fields["errors"][number].get("code", "")
            raise ServerError(text, str(code), int(number))
        return states

    def config(self, **values: Any) -> dict[str, Any]:
        """Change how states are told (version 2), see `envs.remote.view.View`; return what holds now."""
        return self._ask("CONFIG", **self._in_version_2(values)).fields

    def ping(self) -> dict[str, Any]:
        """Return the server's clock, tick rates and overruns (version 2)."""
        return self._ask("PING", **self._in_version_2({"t": time.time()})).fields

    def _check(self, game_id: int) -> None:
        if not 0 <= game_id < self.num_games:
            connected = "" if self.connected else " There is no connection: call connect()."
            raise ValueError(f"Invalid game_id: {game_id}; {self.num_games} games are served.{connected}")

    def _in_version_2(self, fields: dict[str, Any]) -> dict[str, Any]:
        if fields and self._session.protocol == 1:
            raise RuntimeError(f"The server speaks version 1, which has no {', '.join(fields)}.")
        return fields

    def _ask(self, kind: str, **fields: Any) -> Answer:
        try:
            return self._session.request(kind, **fields)
        except ProtocolError as error:
            raise RuntimeError(str(error)) from error

    def _state_of(self, answer: Answer) -> StateTuple:
        if answer.kind != "STATE":
            raise RuntimeError(f"Expected STATE, got {answer.kind}.")
        return self._keep(answer.states[0])

    def _keep(self, state: State) -> StateTuple:
        self.last_state[state.game_id] = state
        return state.telemetry or {}, state.frame, float(state.reward), bool(state.done), state.info or {}


def benchmark_latency(host: str = "localhost", port: int | None = None, iterations: int = 100) -> dict[str, float]:
    """Measure the round trip of GET_STATE, in milliseconds: mean, median, min, max, std, p95, p99."""
    with RacingGameClient(host, port) as client:
        times = []
        for _ in range(_WARM_UP + iterations):
            began = time.perf_counter()
            client.get_state()
            times.append(1000 * (time.perf_counter() - began))
    measured = np.array(times[_WARM_UP:])
    named = {"mean": measured.mean(), "median": np.median(measured), "min": measured.min(), "max": measured.max()}
    named |= {"std": measured.std(), "p95": np.percentile(measured, 95), "p99": np.percentile(measured, 99)}
    return {f"{name}_ms": float(value) for name, value in named.items()}


def _plain(action: Any) -> Any:
    """Return an action as JSON has it."""
    if isinstance(action, Mapping):
        return {str(name): value for name, value in action.items()}
    return np.asarray(action).tolist()
