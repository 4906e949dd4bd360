"""What the telemetry plugins of TrackMania 2020 send: records of little-endian floats, without any header.

Names carry units where the game has one. A field whose meaning nobody published has no name here, and a layout with
such fields is known so that it is not taken for another one; it cannot be driven with.

Source: public plugins and clients, TMRL 0.7.1 (the 11 floats) and others that follow it.
"""

import functools
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError

SPEED_MPS = "speed_mps"
POSITION = ("x_m", "y_m", "z_m")  # y is up
DIRECTION = ("direction_x", "direction_y", "direction_z")
VELOCITY = ("velocity_x", "velocity_y", "velocity_z")
STEER, GAS, BRAKE = "steer", "gas", "brake"  # what the game was told, not what the car does
FINISHED = "finished"  # of the screen: stays 1 until the race begins anew
GEAR, RPM = "gear", "rpm"
RACE_TIME_S, RACE_TIME_MS = "race_time_s", "race_time_ms"
SLIP_4 = ("slip_front_left", "slip_front_right", "slip_rear_left", "slip_rear_right")

MAX_MOVE_M = 16.0  # between two records; more is a restart
_WHOLE = (FINISHED, BRAKE, GEAR, "checkpoints", "lap")  # numbers
_DIRECTION_OFF = 0.01  # by which a direction's length may differ from 1
_RANGES: Mapping[str, tuple[float, float]] = {
    FINISHED: (0.0, 1.0),
    BRAKE: (0.0, 1.0),
    SPEED_MPS: (-1000.0, 1000.0),
    STEER: (-1.0, 1.0),
    GAS: (0.0, 1.0),
    GEAR: (-1.0, 7.0),
    RPM: (0.0, 20000.0),
    "checkpoints": (0.0, 10000.0),
    "lap": (0.0, 10000.0),
    RACE_TIME_S: (-60.0, 1e6),
    RACE_TIME_MS: (0.0, 1e9),
    "skidding_wheels": (0.0, 4.0),
    "crash": (0.0, 1.0),
}


@dataclass(frozen=True)
class Layout:
    """The fields of one kind of record.

    Attributes:
        name: as configs have it.
        fields: of each float, in order; empty where its meaning is not known.
        port: where its plugin listens.
    """

    name: str
    fields: tuple[str, ...]
    port: int = 9000
    _index: dict[str, int] = field(init=False, repr=False, compare=False)
    _bounds: tuple[tuple[int, float, float, bool], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Number the fields, and note the bounds of those that have some: place, low, high, whether it is whole."""
        index = {name: place for place, name in enumerate(self.fields) if name}
        bounds = tuple((place, *_RANGES[name], name in _WHOLE) for name, place in index.items() if name in _RANGES)
        object.__setattr__(self, "_index", index)
        object.__setattr__(self, "_bounds", bounds)

    @property
    def num_floats(self) -> int:
        """Floats of a record."""
        return len(self.fields)

    @property
    def num_bytes(self) -> int:
        """Bytes of a record."""
        return 4 * len(self.fields)

    @property
    def is_known(self) -> bool:
        """Whether it tells what driving needs: speed, position and finish."""
        return all(name in self._index for name in (SPEED_MPS, *POSITION, FINISHED))

    def __contains__(self, name: str) -> bool:
        """Whether records have a field of this name."""
        return name in self._index

    def place(self, name: str) -> int:
        """Return the index of a field; KeyError if there is none."""
        return self._index[name]

    def values(self, data: bytes) -> tuple[float, ...]:
        """Return the floats of one record, in its order."""
        return _unpacker(self.num_floats).unpack(data)

    def fits(self, block: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.bool_]:
        """Return for records `(N, F)` whether each is finite and within the ranges of its fields: `(N,)`."""
        good = np.isfinite(block).all(axis=1)
        with np.errstate(invalid="ignore"):
            for place, low, high, is_whole in self._bounds:
                column = block[:, place]
                good &= (column >= low) & (column <= high)
                if is_whole:
                    good &= column == np.floor(column)
            if DIRECTION[0] in self:
                begin = self._index[DIRECTION[0]]
                good &= np.abs(np.linalg.norm(block[:, begin : begin + 3], axis=1) - 1.0) <= _DIRECTION_OFF
        return good

    def fits_one(self, values: tuple[float, ...]) -> bool:
        """Return the same for one record, fifty times faster: every frame of a game is looked at."""
        if not math.isfinite(sum(values)):
            return False
        for place, low, high, is_whole in self._bounds:
            value = values[place]
            if not low <= value <= high or (is_whole and value != math.floor(value)):
                return False
        if DIRECTION[0] in self._index:
            begin = self._index[DIRECTION[0]]
            return abs(math.hypot(*values[begin : begin + 3]) - 1.0) <= _DIRECTION_OFF
        return True

    def positions(self, block: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
        """Return the positions `(N, 3)` of records `(N, F)`, metres."""
        begin = self._index[POSITION[0]]
        return block[:, begin : begin + 3]


@functools.cache
def _unpacker(num_floats: int) -> struct.Struct:
    return struct.Struct(f"<{num_floats}f")


_TMRL = (SPEED_MPS, "distance_m", *POSITION, STEER, GAS, BRAKE, FINISHED, GEAR, RPM)
_UNKNOWN = ("",)

TMRL11 = Layout("TMRL11", _TMRL)
TMRL9 = Layout("TMRL9", _TMRL[:9])
TMRL8 = Layout("TMRL8", _TMRL[:8])
RACE16 = Layout(
    "RACE16",
    (SPEED_MPS, "side_speed_mps", *_TMRL[1:], *DIRECTION, RACE_TIME_S),
    port=9002,
)
CP19 = Layout(
    "CP19",
    (
        *("checkpoints", "lap", SPEED_MPS, *POSITION, STEER, GAS, BRAKE, FINISHED, "acceleration", "jerk"),
        *("yaw_rad", "pitch_rad", "wheel_angle_left", "wheel_angle_right", *SLIP_4[:2], GEAR),
    ),
)
OTHER19 = Layout("OTHER19", (*_UNKNOWN * 2, *POSITION, *_UNKNOWN * 3, FINISHED, *_UNKNOWN * 10))
OTHER20 = Layout("OTHER20", (*_UNKNOWN * 3, *POSITION, *_UNKNOWN * 2, BRAKE, FINISHED, *_UNKNOWN * 10))
MAP25 = Layout(
    "MAP25",
    (
        *(*_TMRL, "yaw_rad", "sin_pitch", "sin_roll", "", "camera_x_m", "camera_y_m", "camera_z_m"),
        *("acceleration", "steering_angle", *SLIP_4, "crash"),
    ),
)
IQN33 = Layout(
    "IQN33",
    (
        *("checkpoints", "lap", FINISHED, RACE_TIME_MS, *POSITION, *VELOCITY, *DIRECTION, "up_x", "up_y", "up_z"),
        *(SPEED_MPS, RPM, GEAR, *SLIP_4, *(f"material_{slip.removeprefix('slip_')}" for slip in SLIP_4)),
        *("skidding_wheels", "flying_duration", "adherence", STEER, GAS, "brake_pedal"),
    ),
)

# Our own proposal: a header, which `envs.trackmania.rich_records` reads, before the floats; the last field is its.
CONTACT_4 = tuple(slip.replace("slip", "contact") for slip in SLIP_4)
RICH1 = Layout(
    "RICH1",
    (
        *(*_TMRL, *VELOCITY, *DIRECTION, "up_x", "up_y", "up_z", *SLIP_4, *CONTACT_4, "checkpoints", "lap"),
        RACE_TIME_MS,
    ),
    port=9010,
)

# A 22-float record is known to exist, but none of its fields: any stream would fit it, so it is no candidate.
CANDIDATES = (TMRL8, TMRL9, TMRL11, RACE16, CP19, OTHER19, OTHER20, MAP25, IQN33)
_BY_NAME = {layout.name: layout for layout in (*CANDIDATES, RICH1)}


def layout_of(name: str) -> Layout:
    """Return the layout of this name.

    Raises:
        ConfigError: there is none, or too little of it is known.
    """
    layout = _BY_NAME.get(name)
    if layout is None or not layout.is_known:
        known = ", ".join(one.name for one in _BY_NAME.values() if one.is_known)
        raise ConfigError(f"Expected env.layout to be auto or one of {known}, got {name!r}.")
    return layout
