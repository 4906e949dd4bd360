"""The client's end of a conversation: requests in order, answers by their numbers, arrays out of lines and blocks."""

import base64
import binascii
import contextlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from envs.errors import ProtocolError
from envs.remote.backoff import Backoff
from envs.remote.lines import LineTooLongError
from envs.remote.link import Link
from envs.remote.view import RAW, decoded

_SENT = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
_NUMBER = (int, float)
_STATE_1: dict[str, Any] = {"game_id": int, "reward": _NUMBER, "done": bool, "info": dict, "telemetry": dict}
_STATE_2 = _STATE_1 | {"terminated": bool, "truncated": bool, "tick": int, "ticks": int, "age_s": _NUMBER}
_NO_ANSWER = (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError, LineTooLongError)
_MAX_BLOCK = 1 << 26
_MAX_PIXELS = 1 << 24


class ServerError(RuntimeError):
    """A server has refused a message.

    Attributes:
        code: what kind of refusal, see `envs.remote.messages`; empty where the server did not say.
        game_id: the game that it was for, if any.
    """

    def __init__(self, text: str, code: str = "", game_id: int | None = None) -> None:
        super().__init__(text)
        self.code, self.game_id = code, game_id


@dataclass
class State:
    """What a STATE says.

    Attributes:
        fields: all of it, as it came.
        frame: `(H, W, C)` uint8, writable, or None.
        observation: the env's own, by name, where CONFIG asked for it.
    """

    fields: dict[str, Any]
    frame: npt.NDArray[np.uint8] | None = None
    observation: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        """Return a field by its name; one that version 1 does not have is None."""
        if name.startswith("_"):
            raise AttributeError(name)
        return self.fields.get(name)


@dataclass
class Answer:
    """One answer: its fields, and the states in it."""

    fields: dict[str, Any]
    states: list[State] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """Its type."""
        return str(self.fields.get("type"))

    @property
    def errors(self) -> dict[str, str]:
        """What a batch has to say of games that have no state, by number."""
        told = self.fields.get("errors")
        if not isinstance(told, dict):
            return {}
        return {str(game): str(one.get("message") if isinstance(one, dict) else one) for game, one in told.items()}


class Session:
    """Talk to one server.

    Args:
        link: to the server; this object owns it.
        token: that the server asks for, if it does.
        name: of the server in messages.

    Attributes:
        link: for its counts.
        num_games: that are served.
        protocol: 1 where the server knows no more.
        round_trip_s: the shortest that was seen; infinite before the first answer.
    """

    def __init__(self, link: Link, *, token: str | None = None, name: str = "the server") -> None:
        self.link, self.token, self._name = link, token, name
        self.num_games = 0
        self.protocol = 1
        self.handshake: dict[str, Any] = {}
        self.round_trip_s = float("inf")
        self._number = 0

    def open(self, backoff: Backoff | None = None) -> None:
        """Connect, and read who is there.

        Raises:
            SimulatorUnavailable: nobody answers.
            TimeoutError: something took the connection, but does not greet.
            ProtocolError: it greets with something else.
        """
        self.link.open(backoff)
        self._number = 0
        answer = self.receive()
        if answer.kind == "ERROR":
            self.link.close()
            raise _refusal(answer.fields)
        num_games = answer.fields.get("num_games")
        if answer.kind != "HANDSHAKE" or not isinstance(num_games, int) or num_games < 1:
            self.link.close()
            raise ProtocolError(f"Expected {self._name} to greet with HANDSHAKE, got {str(answer.fields)[:120]}.")
        self.handshake, self.num_games = answer.fields, num_games
        protocol = answer.fields.get("protocol", 1)
        self.protocol = 2 if isinstance(protocol, int) and protocol >= 2 else 1

    def hello(self, *, mode: str, games: int = 0) -> Answer:
        """Ask for version 2, and for as many games as are free, up to `games`; return the WELCOME."""
        return self.request("HELLO", protocol=2, token=self.token, mode=mode, games=games)

    def send(self, kind: str, **fields: Any) -> int:
        """Send a message, and return the number under which its answer will come."""
        self._number += 1
        numbered = fields | {"req": self._number} if self.protocol == 2 else fields
        self.link.send(orjson.dumps({"type": kind, **numbered}, option=_SENT))
        return self._number

    def request(self, kind: str, timeout_s: float | None = None, **fields: Any) -> Answer:
        """Send a message, and wait for its answer.

        Raises:
            ServerError: the server refused it.
            SimulatorUnavailable: the server is gone; so is the link.
            TimeoutError: no answer in time. A late one is passed over in version 2; in version 1, where it could not be
                told from the next, the link is closed.
            ProtocolError: the answer is no answer; the link is closed.
        """
        began = time.monotonic()
        number = self.send(kind, **fields)
        answer = self.answer_to(number, timeout_s)
        self.round_trip_s = min(self.round_trip_s, time.monotonic() - began)
        return answer

    def answer_to(self, number: int, timeout_s: float | None = None) -> Answer:
        """Wait for the answer to message `number`, passing over those to earlier ones. Raises as `request` does."""
        deadline = time.monotonic() + (self.link.timeout_s if timeout_s is None else timeout_s)
        while True:
            try:
                answer = self.receive(max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                if self.protocol == 1:
                    self.link.close()
                raise
            told = answer.fields.get("req", number if self.protocol == 1 else None)
            if answer.kind == "ERROR" and (told is None or told == number):
                raise _refusal(answer.fields)
            if told == number:
                return answer
            if not isinstance(told, int) or told > number:
                self.link.close()
                raise ProtocolError(f"{self._name} answered message {told!r}, which was not sent yet.")

    def receive(self, timeout_s: float | None = None) -> Answer:
        """Return the next answer, whatever it answers, with its arrays."""
        try:
            fields = _parsed(self.link.line(timeout_s=timeout_s))
            kind = fields.get("type")
            told = fields["states"] if kind == "STATES" else [fields] if kind == "STATE" else []
            return Answer(fields, [self._state(one) for one in told])
        except _NO_ANSWER as error:
            self.link.close()
            raise ProtocolError(f"{self._name} sent what is no answer: {error}.") from error

    def close(self) -> None:
        """Say goodbye, and hang up; a second call does nothing."""
        if self.link.is_open:
            with contextlib.suppress(ConnectionError):  # it has hung up first
                self.send("CLOSE")
        self.link.close()

    def _state(self, fields: Any) -> State:
        frame = None
        if not isinstance(fields, dict):
            raise TypeError(f"a state that is {type(fields).__name__}")
        for name, kind in (_STATE_1 if self.protocol == 1 else _STATE_2).items():
            if not isinstance(fields.get(name), kind):
                raise TypeError(f"a state whose {name} is {str(fields.get(name))[:40]}")
        shape = fields.get("frame_shape")
        if shape is not None:
            packed = {"dtype": "uint8", "shape": shape, "codec": fields.get("frame_codec", RAW)}
            packed |= {"bytes": fields.get("frame_bytes"), "data": fields.get("frame")}
            frame = self._array(packed)
            fields["frame"] = None
        named = fields.pop("obs", None) or {}
        observation = {str(name): self._array(packed) for name, packed in named.items()}
        return State(fields, frame, observation)

    def _array(self, packed: Mapping[str, Any]) -> npt.NDArray[Any]:
        shape = tuple(int(size) for size in packed["shape"])
        if min(shape, default=1) < 0 or math.prod(shape) > _MAX_PIXELS:
            raise ValueError(f"an array of shape {shape}")
        size = packed.get("bytes")
        if size is None:
            try:
                data = base64.b64decode(packed["data"], validate=True)
            except binascii.Error as error:
                raise ValueError(f"an array that is no base64: {error}") from error
        else:
            if not isinstance(size, int) or not 0 <= size <= _MAX_BLOCK:
                raise ValueError(f"an array of {size!r} bytes")
            data = self._block(size)
        return decoded(data, packed.get("codec", RAW), np.dtype(packed["dtype"]), shape)

    def _block(self, size: int) -> bytes:
        try:
            return self.link.block(size)
        except TimeoutError:
            self.link.close()  # where the next line begins is not known any more
            raise


def _refusal(fields: Mapping[str, Any]) -> ServerError:
    return ServerError(str(fields.get("message")), str(fields.get("code", "")), fields.get("game_id"))


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        fields = json.loads(line)  # Python's own servers may send NaN
    if not isinstance(fields, dict):
        raise TypeError(f"{type(fields).__name__} instead of an object")
    return fields
