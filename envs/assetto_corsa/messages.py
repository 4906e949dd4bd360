"""What the plugin says on its ego channel: a word, or a state. Text is parsed as JSON and nothing else."""

import json
from enum import Enum
from typing import Any

import orjson

from envs.assetto_corsa.state_keys import State, check_state
from envs.errors import ProtocolError

MOST_BYTES = 1 << 18


class Word(Enum):
    """What is no state."""

    IDENTIFIED = b"identified"
    DISCONNECT = b"disconnect"  # the server's last word before it dies


def parse_message(data: bytes) -> Word | State:
    """Return what a datagram says.

    Raises:
        ProtocolError: it is neither word nor JSON, or a state with missing or unsound values; names the keys.
    """
    for word in Word:
        if data == word.value:
            return word
    return check_state(parse_json(data))


def parse_json(data: bytes) -> Any:
    """Return what a JSON text says; `NaN` and `Infinity` come as floats, for checks that name their keys.

    Raises:
        ProtocolError: it is no JSON.
    """
    try:
        return orjson.loads(data)
    except ValueError:
        pass  # perhaps only NaN, which orjson refuses without a key
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"Expected JSON, got {data[:60]!r} ({len(data)} bytes): {error}.") from error
