"""From a client's line, one JSON object, to a message. No sockets here."""

import json
from typing import Any

from envs.remote.messages import (
    BAD_GAME_ID,
    BAD_JSON,
    BAD_MESSAGE,
    CONFIG_NAMES,
    FREE,
    LOCKSTEP,
    MAX_REPEAT,
    MAX_WAIT_MS,
    UNKNOWN_TYPE,
    Close,
    Config,
    GetState,
    Hello,
    Look,
    Message,
    MessageError,
    Ping,
    Request,
    Reset,
    ResetBatch,
    SetAction,
    Step,
    StepBatch,
)

_MAX_GAMES = 1024
_MAX_REQUEST = 200  # characters


def parse(line: bytes) -> Message:
    """Return the message of a line.

    Raises:
        MessageError: it is no JSON object of a known type, or a field is of the wrong type or out of range. Whether a
            game of that number exists, and what an action may be, is not for this module to say.
    """
    try:
        fields = json.loads(line.decode("utf-8"))  # takes NaN, as the original did; actions are checked later
    except (ValueError, RecursionError) as error:
        raise MessageError(BAD_JSON, f"Expected a JSON object on one line, in UTF-8: {error}.") from error
    if not isinstance(fields, dict):
        raise MessageError(BAD_MESSAGE, f"Expected a JSON object, got {type(fields).__name__}.")
    reader = _Fields(fields)
    kind = fields.get("type")
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        shown = kind if isinstance(kind, str) and kind.isprintable() else repr(kind)
        raise MessageError(UNKNOWN_TYPE, f"Unknown command type: {shown}"[:200], request=reader.request)
    try:
        return read(reader)
    except MessageError as error:
        error.kind = kind
        raise


class _Fields:
    """Typed access to the fields of one message."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields
        self.request = _request(fields.get("req"))

    def raw(self, name: str) -> Any:
        return self._fields.get(name)

    def integer(self, name: str, default: int, low: int, high: int, *, code: str = BAD_MESSAGE) -> int:
        value = self._fields.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(code, f"Expected {name} to be a whole number, got {_shown(value)}.")
        if not low <= value <= high:
            text = f"Invalid game_id: {value}" if code == BAD_GAME_ID else f"Expected {name} in {low} … {high}, got"
            raise self.error(code, text if code == BAD_GAME_ID else f"{text} {_shown(value)}.")
        return value

    def game_id(self) -> int:
        return self.integer("game_id", 0, 0, _MAX_GAMES, code=BAD_GAME_ID)

    def repeat(self) -> int:
        return self.integer("repeat", 1, 1, MAX_REPEAT)

    def text(self, name: str, default: str | None) -> str | None:
        value = self._fields.get(name, default)
        if value is not None and not isinstance(value, str):
            raise self.error(BAD_MESSAGE, f"Expected {name} to be a text, got {_shown(value)}.")
        return value

    def by_game(self, name: str) -> dict[int, Any]:
        value = self._fields.get(name)
        if not isinstance(value, dict):
            raise self.error(BAD_MESSAGE, f"Expected {name} to be an object of games by number, got {_shown(value)}.")
        if len(value) > _MAX_GAMES or not all(key.isascii() and key.isdigit() and len(key) < 6 for key in value):
            raise self.error(BAD_MESSAGE, f'Expected {name} to have whole numbers of games as keys, such as "0".')
        return {int(key): one for key, one in value.items()}

    def error(self, code: str, text: str) -> MessageError:
        game_id = self._fields.get("game_id")
        number = game_id if isinstance(game_id, int) and not isinstance(game_id, bool) else None
        return MessageError(code, text, game_id=number, request=self.request)


def _hello(fields: _Fields) -> Message:
    protocol = fields.integer("protocol", 0, 2, 2)
    mode = fields.text("mode", FREE) or FREE
    if mode not in (FREE, LOCKSTEP):
        raise fields.error(BAD_MESSAGE, f"Expected mode to be {FREE} or {LOCKSTEP}, got {_shown(mode)}.")
    games = fields.integer("games", 0, 0, _MAX_GAMES)
    return Hello(request=fields.request, protocol=protocol, token=fields.text("token", None), mode=mode, games=games)


def _set_action(fields: _Fields) -> Message:
    return SetAction(request=fields.request, game_id=fields.game_id(), action=fields.raw("action"))


def _step(fields: _Fields) -> Message:
    return Step(request=fields.request, game_id=fields.game_id(), action=fields.raw("action"), repeat=fields.repeat())


def _step_batch(fields: _Fields) -> Message:
    return StepBatch(request=fields.request, actions=fields.by_game("actions"), repeat=fields.repeat())


def _get_state(fields: _Fields) -> Message:
    return GetState(
        request=fields.request,
        game_id=fields.game_id(),
        wait_ticks=fields.integer("wait_ticks", 0, 0, 1_000_000),
        timeout_ms=fields.integer("timeout_ms", 1000, 0, MAX_WAIT_MS),
    )


def _look(fields: _Fields) -> Message:
    return Look(request=fields.request, game_id=fields.game_id())


def _reset(fields: _Fields) -> Message:
    seed, options = fields.raw("seed"), fields.raw("options")
    if seed is not None:
        seed = fields.integer("seed", 0, 0, 2**63 - 1)
    if options is not None and not isinstance(options, dict):
        raise fields.error(BAD_MESSAGE, f"Expected options to be an object, got {_shown(options)}.")
    return Reset(request=fields.request, game_id=fields.game_id(), seed=seed, options=options)


def _reset_batch(fields: _Fields) -> Message:
    resets: dict[int, Reset] = {}
    for game_id, one in fields.by_game("resets").items():
        if not isinstance(one, dict):
            raise fields.error(BAD_MESSAGE, f"Expected resets.{game_id} to be an object, got {_shown(one)}.")
        reset = _reset(_Fields(one | {"game_id": game_id, "req": fields.request}))
        assert isinstance(reset, Reset)
        resets[game_id] = reset
    return ResetBatch(request=fields.request, resets=resets)


def _config(fields: _Fields) -> Message:
    values = {name: fields.raw(name) for name in CONFIG_NAMES if fields.raw(name) is not None}
    return Config(request=fields.request, values=values)


def _ping(fields: _Fields) -> Message:
    t = fields.raw("t")
    return Ping(request=fields.request, t=float(t) if isinstance(t, int | float) and abs(t) < 1e300 else None)


def _close(fields: _Fields) -> Message:
    return Close(request=fields.request)


_READERS = {
    "HELLO": _hello,
    "SET_ACTION": _set_action,
    "STEP": _step,
    "STEP_BATCH": _step_batch,
    "GET_STATE": _get_state,
    "LOOK": _look,
    "RESET": _reset,
    "RESET_BATCH": _reset_batch,
    "CONFIG": _config,
    "PING": _ping,
    "CLOSE": _close,
}


def _request(value: Any) -> Request:
    """Return a client's `req` if it is one that can be echoed: a number that JSON keeps exact, or a short text."""
    if isinstance(value, str) and len(value) <= _MAX_REQUEST and value.isprintable():
        return value
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
