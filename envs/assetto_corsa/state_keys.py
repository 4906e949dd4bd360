"""The 90 keys of a state, as the plugin names and types them; checks of a parsed object. No sockets here.

Source: the sensors_par plugin of dasGringuen/assetto_corsa_gym, commit ef0fa50. Units: metres, seconds, m/s and rad
where nothing else is said; accelerations in g; `currentTime`, `BestLap`, `iLastTime` in milliseconds; `steerAngle` and
slip angles in degrees; four-vectors are front left, front right, rear left, rear right.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from envs.errors import ProtocolError

State = dict[str, Any]  # int, float or list of four floats by key, checked

INTEGER, NUMBER, FOUR_VECTOR = "i", "f", "v4"

_WHEELS = ("fl", "fr", "rl", "rr")
_AXES = ("x", "y", "z")
FOUR_VECTORS = ("Mz", "dynamic_pressure", "tyre_loaded_radius", "tyres_load", "NdSlip", "SuspensionTravel", "CamberRad")
_INTEGERS = (
    *("steps", "total_errors_out_of_sync", "packetId", "currentTime", "actualGear", "LapCount", "BestLap"),
    *("iLastTime", "completedLaps", "numberOfTyresOut", "LapInvalidated", "isInPit"),
)
_NUMBERS = (
    "timestamp_ac",
    *(f"world_position_{axis}" for axis in _AXES),
    "speed",
    *(f"local_velocity_{axis}" for axis in _AXES),
    *("accelX", "accelY", "accStatus", "brakeStatus", "RPM", "steerAngle", "yaw", "pitch", "roll", "LastFF"),
    *("NormalizedSplinePosition", "penaltyTime"),
    *(f"angular_velocity_{axis}" for axis in _AXES),
    *(f"velocity_{axis}" for axis in _AXES),
    "cgHeight",
    *(f"SlipAngle_{wheel}" for wheel in _WHEELS),
    *(f"tyreContactHeading_{wheel.upper()}_{axis}" for wheel in _WHEELS for axis in _AXES),
    *(f"tyre_slip_ratio_{wheel}" for wheel in _WHEELS),
    *(f"Dy_{wheel}" for wheel in _WHEELS),
    *(f"wheel_speed_{wheel}" for wheel in _WHEELS),
    *(f"{wheel}_tire_temperature_core" for wheel in _WHEELS),
    *(f"{wheel}_damper_linear_potentiometer" for wheel in _WHEELS),
    *(f"{wheel}_wheel_load" for wheel in _WHEELS),
    *(f"{wheel}_tire_pressure" for wheel in _WHEELS),
)

# Every key with its type: INTEGER, NUMBER or FOUR_VECTOR.
STATE_KEYS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(_INTEGERS, INTEGER),
        **dict.fromkeys(_NUMBERS, NUMBER),
        **dict.fromkeys(FOUR_VECTORS, FOUR_VECTOR),
    }
)

# Copies: key -> the four-vector and the index in it that it equals.
COPIES: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        f"{wheel}_{copy}": (source, index)
        for copy, source in (
            ("damper_linear_potentiometer", "SuspensionTravel"),
            ("wheel_load", "tyres_load"),
            ("tire_pressure", "dynamic_pressure"),
        )
        for index, wheel in enumerate(_WHEELS)
    }
)


def check_state(parsed: Any) -> State:
    """Return a parsed object as a state: all 90 keys, finite, of their types; further numeric keys are kept.

    Integers may come as floats without a fraction (JSON knows one kind of number) and become ints.

    Raises:
        ProtocolError: it is no object, or keys are missing, not finite or of another type; names them.
    """
    if not isinstance(parsed, dict):
        raise ProtocolError(f"Expected a state, a JSON object of {len(STATE_KEYS)} keys, got {type(parsed).__name__}.")
    missing = [key for key in STATE_KEYS if key not in parsed]
    if missing:
        raise ProtocolError(
            f"A state lacks {_listed(missing)}: {len(STATE_KEYS) - len(missing)} of {len(STATE_KEYS)} keys came. "
            "Is the plugin assetto_corsa_gym's sensors_par, of a version that sends all of them?"
        )
    state: State = {}
    wrong: list[str] = []
    for key, value in parsed.items():
        checked = _checked(value, STATE_KEYS.get(key))
        if checked is None:
            wrong.append(key)
        else:
            state[key] = checked
    if wrong:
        shown = ", ".join(f"{key} = {parsed[key]!r:.40}" for key in wrong[:4])
        raise ProtocolError(
            f"A state has values that are not finite numbers of their types: {_listed(wrong)} ({shown})."
        )
    return state


def _checked(value: Any, kind: str | None) -> int | float | list[float] | None:
    """Return the value in its type, or None if it cannot be."""
    if kind == FOUR_VECTOR or (kind is None and isinstance(value, list)):
        if not isinstance(value, list) or (kind is not None and len(value) != len(_WHEELS)):
            return None
        return [float(one) for one in value] if all(_is_finite(one) for one in value) else None
    if not _is_finite(value):
        return None
    if kind == NUMBER:
        return float(value)
    if kind == INTEGER:
        return int(value) if value == int(value) else None
    return value  # type: ignore[no-any-return]


def _is_finite(value: Any) -> bool:
    # A bool is an int to Python; a huge int is no float.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _listed(keys: list[str], most: int = 8) -> str:
    shown = ", ".join(keys[:most])
    return shown if len(keys) <= most else f"{shown} and {len(keys) - most} more"
