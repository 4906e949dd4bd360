"""What fuzzing calls: the parsers of the socket protocol, with what must hold whatever they are fed."""

import json
import socket
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from envs.dummy import DummyEnv
from envs.errors import ConfigError, SimulatorUnavailable
from envs.remote import leases, replies
from envs.remote.clock import RealTimeClock
from envs.remote.conversation import LINE_LIMIT, Conversation, Service
from envs.remote.fold import Account
from envs.remote.gates import Gate
from envs.remote.leases import SeatSettings
from envs.remote.lines import LineBuffer, LineTooLongError
from envs.remote.link import Link
from envs.remote.messages import LINE_TOO_LONG, LOCKSTEP, MessageError
from envs.remote.seats import Fault, Seats
from envs.remote.served_game import ServedGame
from envs.remote.session import Session
from envs.remote.sight import Sight
from envs.remote.snapshot import Told
from envs.remote.spaces import describe
from envs.remote.world import World


class ImpatientGame(ServedGame):
    """A game whose readers do not wait."""

    def state(self, reader: Any, *, wait_ticks: int = 0, timeout_s: float = 0.0) -> Told:
        """Tell what there is."""
        return super().state(reader, wait_ticks=wait_ticks, timeout_s=0.0)


class ServerTarget:
    """Feed a conversation, between ticks of its games, with a client's bytes."""

    def __init__(self) -> None:
        worlds = [World(lambda training: DummyEnv(num_decisions=5, training=training)) for _ in range(2)]
        self._games = [ImpatientGame(index, world, hold_s=0.0) for index, world in enumerate(worlds)]
        self._service = Service(games=self._games, clock=RealTimeClock(0.02), env_id="fuzzed")

    def __call__(self, data: bytes) -> None:
        """Answer every line, and a plain question after them; afterwards all accounts close."""
        conversation = Conversation(self._service, 1)
        answers = [conversation.greeting()]
        buffer = LineBuffer(limit=LINE_LIMIT)
        buffer.feed(data + b"\n")
        while not conversation.is_over:
            try:
                line = buffer.line()
            except LineTooLongError as error:
                answers.append(conversation.refusal(MessageError(LINE_TOO_LONG, str(error))))
                continue
            if line is None:
                break
            answers.append(conversation.answer(line))
            for game in self._games:
                game.tick()
        for answer in filter(None, answers):
            head, _, _ = answer.partition(b"\n")
            assert isinstance(json.loads(head)["type"], str), head
        if not conversation.is_over:
            head, _, _ = conversation.answer(b'{"type": "GET_STATE"}').partition(b"\n")
            told = json.loads(head)
            assert told["type"] == "STATE", told
        for game in self._games:
            for fold in game._folds.values():
                _check_account(fold.sent, fold.delivered, fold.dropped, fold.pending)
        conversation.close()
        assert not any(game.is_leased or game._folds for game in self._games)


def _check_account(sent: Account, delivered: Account, dropped: Account, pending: int) -> None:
    assert sent.ticks == delivered.ticks + dropped.ticks + pending, (sent, delivered, dropped, pending)


class _Bytes:
    """A socket from which `data` arrives, and nothing after it."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def recv(self, size: int) -> bytes:
        piece, self._data = self._data[:size], self._data[size:]
        return piece

    def sendall(self, data: bytes) -> None:
        pass

    def settimeout(self, seconds: float | None) -> None:
        pass

    def close(self) -> None:
        pass


class _OneServer(Gate):
    """A server that says `data`, once."""

    places = ("fuzz",)

    def __init__(self, data: bytes) -> None:
        self._data: bytes | None = data

    def open(self, place: str, timeout_s: float) -> Session:
        """Return the session, the first time."""
        data, self._data = self._data, None
        if data is None:
            raise SimulatorUnavailable("it was there once")
        connect: Callable[[float], socket.socket] = lambda _: _Bytes(data)  # type: ignore[assignment, return-value] # noqa: E731
        session = Session(Link(connect, name="fuzz", line_limit=LINE_LIMIT))
        session.open()
        return session


class ClientTarget:
    """Feed an env with a server's bytes, after a greeting as it should be or with all of it."""

    def __init__(self) -> None:
        env = DummyEnv(obs="both", image_size=8)
        self.space: gym.Space[Any] = env.observation_space
        welcome = {
            "games": [0],
            "obs": describe(env.observation_space),
            "act": describe(env.action_space),
            "decision": 1,
        }
        self.greeting = b"".join(
            (
                replies.line({"type": "HANDSHAKE", "num_games": 1, "protocol": 2, "fps": 20}),
                replies.answer("WELCOME", 1, **welcome),
                replies.answer("CONFIG_OK", 2),
                replies.answer("WELCOME", 3, **welcome),
            )
        )

    def __call__(self, data: bytes) -> None:
        """Begin an episode and drive two steps; whatever comes is a state of the space, or a fault in words."""
        gate = _OneServer(data[1:] if data[:1] == b"!" else self.greeting + data)
        settings = SeatSettings(mode=LOCKSTEP, connect_timeout_s=0.0)
        try:
            driven = Seats(gate, 1, settings)
        except (SimulatorUnavailable, ConfigError):
            return
        assert driven.leases.observation_space is not None
        sight = Sight(driven.leases.observation_space, 1, is_free=False, link=lambda: (0.0, 0))
        actions: list[dict[int, Any]] = [{}, {0: [0.0, 0.0]}, {0: [0.0, 0.0]}]
        try:
            for action in actions:
                heard = driven.advance(action, 1, {} if action else {0: 1})[0]
                if isinstance(heard, Fault):
                    assert heard.reason
                    sight.step(heard)
                    break
                observation, reward, *ends, info = sight.step(heard)
                assert observation in driven.leases.observation_space or np.isfinite(reward)
                assert all(isinstance(end, bool) for end in ends)
                assert isinstance(info, dict)
        except SimulatorUnavailable:
            pass
        finally:
            driven.close()


def hurry() -> None:
    """Let nothing wait between attempts."""
    leases.RETRY_S = 0.0
