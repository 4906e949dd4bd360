"""From telemetry to the 90 keys of a state, and to its text: JSON in an arbitrary order of keys."""

from operator import itemgetter
from typing import Any

import numpy as np
import orjson

from envs.assetto_corsa.state_keys import COPIES, FOUR_VECTORS, STATE_KEYS
from envs.assetto_corsa.twin.channels import FOUR_STARTS, scalar_columns
from envs.assetto_corsa.twin.columns import (
    BEST_LAP_S,
    GEAR,
    IS_INVALID,
    LAP_BEGIN_S,
    LAPS,
    LAST_LAP_S,
    TYRES_OUT,
)
from envs.track.frames import FloatArray

_ORDERS = 16  # of keys, which follow each other: what a dict of the plugin's Python may come to
_COLUMNS = scalar_columns()
for _copy, (_source, _index) in COPIES.items():  # the same number as its source
    _COLUMNS[_copy] = FOUR_STARTS[_source] + _index
_PICK = itemgetter(*_COLUMNS.values())
_MS = 1000.0
_INTEGERS = (GEAR, LAPS, TYRES_OUT, IS_INVALID)


def state_of(
    channels: FloatArray, car: FloatArray, *, time_s: float, num_frames: int, steps: int, out_of_sync: int
) -> dict[str, Any]:
    """Return the state of a car: all keys of `STATE_KEYS`.

    Args:
        channels: `(NUM_CHANNELS,)` of its telemetry.
        car: `(CAR_SIZE,)`.
        time_s: of the game's clock.
        num_frames: the game has shown.
        steps: states sent.
        out_of_sync: commands that named another state than the newest.
    """
    numbers = channels.tolist()
    state: dict[str, Any] = dict(zip(_COLUMNS, _PICK(numbers), strict=True))
    for name in FOUR_VECTORS:
        start = FOUR_STARTS[name]
        state[name] = numbers[start : start + 4]
    values = car.tolist()
    gear, laps, tyres_out, is_invalid = (int(values[column]) for column in _INTEGERS)
    state["steps"] = steps
    state["timestamp_ac"] = time_s
    state["total_errors_out_of_sync"] = out_of_sync
    state["packetId"] = num_frames
    state["currentTime"] = round(_MS * (time_s - values[LAP_BEGIN_S]))
    state["actualGear"] = gear
    state["LapCount"] = state["completedLaps"] = laps
    state["BestLap"] = round(_MS * values[BEST_LAP_S])
    state["iLastTime"] = round(_MS * values[LAST_LAP_S])
    state["numberOfTyresOut"] = tyres_out
    state["LapInvalidated"] = is_invalid
    state["isInPit"] = 0
    state["penaltyTime"] = 0.0
    return state


class StateText:
    """Write states as the plugin sends them.

    Args:
        seed: of the orders of keys.
    """

    def __init__(self, seed: int = 0) -> None:
        random = np.random.default_rng([seed, 90])
        keys = np.array(list(STATE_KEYS))
        self._orders = [tuple(keys[random.permutation(len(keys))].tolist()) for _ in range(_ORDERS)]
        self._next = 0

    def text(self, state: dict[str, Any]) -> bytes:
        """Return JSON of a state; keys that it has besides come last."""
        order = self._orders[self._next]
        self._next = (self._next + 1) % _ORDERS
        ordered = {key: state[key] for key in order if key in state}
        data = orjson.dumps(ordered if len(ordered) == len(state) else ordered | state)
        return data.replace(b":", b": ").replace(b",", b", ")  # no value is a string; the size is then the plugin's
