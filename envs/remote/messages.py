"""What clients say to a served game, as values; `envs.remote.parsing` reads them out of lines.

Source: the original's `SET_ACTION`, `GET_STATE`, `RESET` and `CLOSE` (version 1), and version 2, which `HELLO` begins.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

# Codes of errors. A client of version 1 sees only the sentence beside them.
BAD_JSON, BAD_MESSAGE, UNKNOWN_TYPE, BAD_GAME_ID = "bad_json", "bad_message", "unknown_type", "bad_game_id"
BAD_ACTION, NOT_OWNER, WRONG_MODE, NEEDS_RESET = "bad_action", "not_owner", "wrong_mode", "needs_reset"
AUTH_REQUIRED, LINE_TOO_LONG, UNSUPPORTED, ENV_ERROR = "auth_required", "line_too_long", "unsupported", "env_error"

FREE, LOCKSTEP = "free", "lockstep"
CONFIG_NAMES = ("mode", "frame", "size", "encoding", "codec", "quality", "autoreset", "obs", "training")
MAX_REPEAT = 100
MAX_WAIT_MS = 10_000

Request = int | str | None  # what a client numbers its messages with


class MessageError(Exception):
    """A message that cannot be obeyed.

    Attributes:
        code: one of the codes above.
        game_id: the game that it was for, where it said so.
        request: the message's `req`, for the answer.
        kind: the message's type, as far as it is known.
    """

    kind: str | None = None

    def __init__(self, code: str, text: str, *, game_id: int | None = None, request: Request = None) -> None:
        super().__init__(text)
        self.code, self.game_id, self.request = code, game_id, request


@dataclass(frozen=True, kw_only=True)
class Message:
    """What all messages have."""

    kind: ClassVar[str]
    request: Request = None


@dataclass(frozen=True, kw_only=True)
class Hello(Message):
    """Ask for version 2."""

    kind = "HELLO"
    protocol: int
    token: str | None = None
    mode: str = FREE
    games: int = 0  # to lease at once, as far as they are free


@dataclass(frozen=True, kw_only=True)
class SetAction(Message):
    """Drive a free-running game with this until the next one; never answered in version 1."""

    kind = "SET_ACTION"
    game_id: int = 0
    action: Any = None


@dataclass(frozen=True, kw_only=True)
class Step(Message):
    """Apply an action for `repeat` ticks of a game in lock-step."""

    kind = "STEP"
    game_id: int = 0
    action: Any = None
    repeat: int = 1


@dataclass(frozen=True, kw_only=True)
class StepBatch(Message):
    """Step several games, an action each."""

    kind = "STEP_BATCH"
    actions: dict[int, Any]
    repeat: int = 1


@dataclass(frozen=True, kw_only=True)
class GetState(Message):
    """Ask for the state, once `wait_ticks` new ticks exist or the time is over."""

    kind = "GET_STATE"
    game_id: int = 0
    wait_ticks: int = 0
    timeout_ms: int = 1000


@dataclass(frozen=True, kw_only=True)
class Look(Message):
    """Ask for a picture of a game; what happened since the last state stays to be told."""

    kind = "LOOK"
    game_id: int = 0


@dataclass(frozen=True, kw_only=True)
class Reset(Message):
    """Begin an episode."""

    kind = "RESET"
    game_id: int = 0
    seed: int | None = None
    options: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ResetBatch(Message):
    """Begin episodes of several games."""

    kind = "RESET_BATCH"
    resets: dict[int, Reset]


@dataclass(frozen=True, kw_only=True)
class Config(Message):
    """Change how states are told; what is left out stays."""

    kind = "CONFIG"
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Ping(Message):
    """Ask for an answer, and for how the loop is doing."""

    kind = "PING"
    t: float | None = None


@dataclass(frozen=True, kw_only=True)
class Close(Message):
    """Say goodbye."""

    kind = "CLOSE"
