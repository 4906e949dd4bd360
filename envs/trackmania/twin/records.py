"""Records of a frame in the layouts of the wild: little-endian float32, order and units as each plugin has them.

These are the twin's own tables, written from the interface's description: what reads them has its own, and both agree
or a test fails. Fields whose meaning is not public are 0.
"""

import struct
from collections.abc import Callable

from envs.errors import ConfigError
from envs.trackmania.twin.frame import Frame
from envs.trackmania.twin.rich_record import FLOATS as RICH_FLOATS
from envs.trackmania.twin.rich_record import rich_floats

DEFAULT, RICH = "TMRL11", "RICH1"
IQN_VELOCITY_SCALE = 1000.0  # the unit is unverified; its public client multiplies by 0.001 unless told otherwise
_CAMERA_M = 1.514  # above the car


def _tmrl(frame: Frame) -> tuple[float, ...]:
    return (
        frame.speed_mps,
        frame.distance_m,
        *frame.position,
        *_inputs(frame),
        float(frame.is_finished),
        float(frame.gear),
        frame.rpm,
    )


def _inputs(frame: Frame) -> tuple[float, float, float]:
    """Return steer, gas, and whether the brake is pressed."""
    return frame.steer, frame.gas, float(frame.brake > 0.0)


def _race(frame: Frame) -> tuple[float, ...]:
    return (
        frame.ahead_mps,
        frame.right_mps,
        frame.distance_m,
        *frame.position,
        *_inputs(frame),
        float(frame.is_finished),
        float(frame.gear),
        frame.rpm,
        *frame.direction,
        frame.race_time_s,
    )


def _checkpoints(frame: Frame) -> tuple[float, ...]:
    return (
        float(frame.checkpoints),
        0.0,
        frame.speed_mps,
        *frame.position,
        *_inputs(frame),
        float(frame.is_finished),
        frame.acceleration_mps2,
        frame.jerk_mps3,
        frame.yaw_rad,
        0.0,
        frame.wheel_rad,
        frame.wheel_rad,
        *frame.slips[:2],
        float(frame.gear),
    )


def _map(frame: Frame) -> tuple[float, ...]:
    x, y, z = frame.position
    crash = float(not frame.is_on_road)
    camera = (x, y + _CAMERA_M, z)
    return (
        *_tmrl(frame), frame.yaw_rad, 0.0, 0.0, 0.0, *camera, frame.acceleration_mps2, frame.wheel_rad, *frame.slips,
        crash,
    )  # fmt: skip


def _iqn(frame: Frame) -> tuple[float, ...]:
    race_ms = max(float(round(frame.race_time_s * 1000.0)), 0.0)
    skidding = float(sum(slip > 0.5 for slip in frame.slips))
    material = 0.0 if frame.is_on_road else 1.0
    return (
        float(frame.checkpoints),
        0.0,
        float(frame.is_finished),
        race_ms,
        *frame.position,
        *(IQN_VELOCITY_SCALE * speed for speed in frame.velocity),
        *frame.direction,
        *(0.0, 1.0, 0.0),
        frame.speed_mps,
        frame.rpm,
        float(frame.gear),
        *frame.slips,
        *(material,) * 4,
        skidding,
        0.0,
        1.0,
        *_inputs(frame),
    )


def _other_19(frame: Frame) -> tuple[float, ...]:
    return *_tmrl(frame)[:9], *(0.0,) * 10


def _other_20(frame: Frame) -> tuple[float, ...]:
    return float(frame.checkpoints), *_tmrl(frame)[:9], *(0.0,) * 10


LAYOUTS: dict[str, tuple[int, Callable[[Frame], tuple[float, ...]]]] = {
    "TMRL8": (8, lambda frame: _tmrl(frame)[:8]),
    "TMRL9": (9, lambda frame: _tmrl(frame)[:9]),
    "TMRL11": (11, _tmrl),
    "RACE16": (16, _race),
    "CP19": (19, _checkpoints),
    "OTHER19": (19, _other_19),
    "OTHER20": (20, _other_20),
    "MAP25": (25, _map),
    "IQN33": (33, _iqn),
    RICH: (RICH_FLOATS, lambda frame: rich_floats(frame, _tmrl(frame))),
}


def check_layout(name: str) -> str:
    """Return the name of a layout that the twin can speak.

    Raises:
        ConfigError: it cannot; lists those that it can.
    """
    if name not in LAYOUTS:
        raise ConfigError(f"Expected a layout of {', '.join(LAYOUTS)}, got {name!r}. OTHER22's fields are not public.")
    return name


def pack(frame: Frame, layout: str) -> bytes:
    """Return the floats of a frame, without any header."""
    count, fields = LAYOUTS[layout]
    return struct.pack(f"<{count}f", *fields(frame))


def unpack(floats: bytes) -> tuple[float, ...]:
    """Return the numbers that a reader finds in `floats`: rounded as the wire rounds them."""
    return struct.unpack(f"<{len(floats) // 4}f", floats)
