"""What a Roblox game and the suite say to each other: JSON values, one a text frame; pure, for both sides.

Numbers may be the bare words `inf` and `nan`, as Roblox writes them; whoever reads decides what they count as. Nothing
is ever written that Roblox cannot read.

Source: the public server's messages at three points of its history, here the dialects v0, v1 and v2.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from envs.errors import ProtocolError

MAX_BYTES = 1 << 20  # of one message

# Commands of the server.
SPAWN_AGENTS = "SPAWN_AGENTS"
RESET = "RESET"
RESET_AGENTS = "RESET_AGENTS"
REMOVE_AGENTS = "REMOVE_AGENTS"
ACTION = "ACTION"
CREATE_ENV = "CREATE_ENV"
CLOSE = "CLOSE"
CLOSE_ALL = "CLOSE_ALL"
FREEZE = "FREEZE"
UPDATE_COLLISIONS = "UPDATE_COLLISIONS"
PING = "PING"
SET_TRACK = "SET_TRACK"  # this and the next: only for a game whose hello lists them
SET_REWARD = "SET_REWARD"

# Keys of commands.
COMMAND, ENVID, DATA = "command", "envid", "data"
AGENTS, STATUS, ENABLE_COLLISIONS, TIME = "agents", "status", "enable_collisions", "t"

# Keys of a car's entry in a tick; the last four are additions that old games do not have.
OBS, LAST_OBSERVATION, REWARD, TERMINATED, TRUNCATED = (
    "obs",
    "last_observation",
    "reward",
    "terminated",
    "truncated",
)
TICK, ACTION_ID, REASON, INFO = "tick", "action_id", "reason", "info"

# Keys at the top of a game's message that are no cars.
CONTROL = "__"
PONG, HELLO, TICK_NUMBER = "__pong", "__hello", "__tick"

CAR_ID = re.compile(r"^car_(\d+)_env_([0-9a-f-]{36})$")
_BARE_WORDS = re.compile(r'"(?:[^"\\]|\\.)*"|(-?)\b(inf|nan)\b(?:\(ind\))?')


def car_id(number: int, env_id: str) -> str:
    """Return the id of car `number`, from 0, of an env."""
    return f"car_{number}_env_{env_id}"


def command(name: str, env_id: str = "", data: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a command: exactly `command`, `envid` and `data`."""
    return {COMMAND: name, ENVID: env_id, DATA: dict(data or {})}


def agents_command(name: str, env_id: str, cars: Iterable[str]) -> dict[str, Any]:
    """Return a command about cars of one env: SPAWN_AGENTS, RESET, RESET_AGENTS or REMOVE_AGENTS."""
    return command(name, env_id, {AGENTS: list(cars)})


def action_command(env_id: str, actions: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return an ACTION: for each car `[throttle, steering, nitro]`, each within -1 and 1.

    Raises:
        ValueError: a car has not three finite numbers. One bad action would cost all cars after it theirs.
    """
    data = {car: [_within(value, car) for value in values] for car, values in actions.items()}
    for car, values in data.items():
        if len(values) != 3:
            raise ValueError(f"Expected [throttle, steering, nitro] for {car}, got {values}.")
    return command(ACTION, env_id, data)


def freeze_command(is_frozen: bool) -> dict[str, Any]:
    """Return a FREEZE of all cars, or its end."""
    return command(FREEZE, data={STATUS: is_frozen})


def collisions_command(are_enabled: bool) -> dict[str, Any]:
    """Return the command that lets cars of one env collide, or pass through each other."""
    return command(UPDATE_COLLISIONS, data={ENABLE_COLLISIONS: are_enabled})


def ping_command(time_s: float) -> dict[str, Any]:
    """Return a PING that a v2 game answers with `{"__pong": {"t": time_s}}`."""
    return command(PING, data={TIME: time_s})


def encode(message: Any) -> str:
    """Return a message as text.

    Raises:
        ValueError: it holds a number that is not finite, which Roblox cannot read.
    """
    return json.dumps(message, allow_nan=False, separators=(",", ":"))


def decode(text: str) -> Any:
    """Return the value of a text frame; the words inf, -inf and nan, in any of the usual spellings, are floats.

    Raises:
        ProtocolError: it is no JSON, or larger than 1 MiB.
    """
    size = len(text)
    if size > MAX_BYTES or (4 * size > MAX_BYTES and len(text.encode(errors="replace")) > MAX_BYTES):
        raise ProtocolError(f"Expected at most {MAX_BYTES} bytes in a message, got {size} characters.")
    try:
        return orjson.loads(text)
    except ValueError:  # the rare case: words that JSON does not know
        pass
    try:
        return json.loads(_BARE_WORDS.sub(_literal, text))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"Expected JSON, got {text[:80]!r}: {error}.") from error


def _literal(found: re.Match[str]) -> str:
    """Spell a bare word as Python's reader knows it; strings stay as they are."""
    if found[2] is None:
        return found[0]
    return "NaN" if found[2] == "nan" else f"{found[1]}Infinity"


def _within(value: Any, car: str) -> float:
    number = float(value)
    if -1.0 <= number <= 1.0:
        return number
    if not -float("inf") < number < float("inf"):
        raise ValueError(f"Expected a finite action for {car}, got {number}. Has the policy diverged?")
    return min(max(number, -1.0), 1.0)
