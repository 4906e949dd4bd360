"""The 110 columns of an episode's log: names, order and types. What the original's readers expect."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import pyarrow as pa

from envs.assetto_corsa.state_keys import FOUR_VECTOR, INTEGER, STATE_KEYS

_INT, _FLOAT, _FLAG = pa.int64(), pa.float64(), pa.bool_()
_FLOATS = pa.list_(_FLOAT)

COMMAND_COLUMNS = tuple(f"current_action_abs_{index}" for index in range(3))  # steer, throttle, brake of the joystick
ACTION_COLUMNS = tuple(f"actions_{index}" for index in range(3))  # what the policy said
TRUNCATED = "TimeLimit.truncated"

# Beside the 90 of the wire.
ADDED_COLUMNS: Mapping[str, pa.DataType] = MappingProxyType(
    {
        "done": _INT,
        "timestamp_env": _FLOAT,
        "LapDist": _FLOAT,
        "rl_point": _INT,
        "gap": _FLOAT,
        "out_of_track_calc": _FLOAT,
        "out_of_track_ac": _FLOAT,
        "out_of_track": _FLOAT,
        "sensors": _FLOATS,
        "dist_to_border": _FLOAT,
        "going_backwards": _FLOAT,
        "terminated": _FLAG,
        TRUNCATED: _FLAG,
        **dict.fromkeys(COMMAND_COLUMNS, _FLOAT),
        **dict.fromkeys(ACTION_COLUMNS, _FLOAT),
        "reward": _FLOAT,
    }
)


def _wire_type(key: str, kind: str) -> pa.DataType:
    if key == "currentTime":  # an integer of milliseconds on the wire, seconds in logs
        return _FLOAT
    return {INTEGER: _INT, FOUR_VECTOR: _FLOATS}.get(kind, _FLOAT)


COLUMNS: Mapping[str, pa.DataType] = MappingProxyType(
    {**{key: _wire_type(key, kind) for key, kind in STATE_KEYS.items()}, **ADDED_COLUMNS}
)


def log_schema(metadata: Mapping[bytes, bytes], extras: Sequence[str] = ()) -> pa.Schema:
    """Return the schema of a log: the 110 columns, then float64 `extras`."""
    fields = [pa.field(name, kind) for name, kind in COLUMNS.items()]
    fields += [pa.field(name, _FLOAT) for name in extras]
    return pa.schema(fields, metadata=dict(metadata))
