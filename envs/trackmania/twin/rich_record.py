"""The layout of our own, `RICH1`: a header with a checksum, then 30 floats, of which the first 11 are TMRL's."""

import struct
import zlib

from envs.trackmania.twin.frame import Frame

MAGIC, VERSION, FLOATS = b"TMR1", 1, 30
HEADER = struct.Struct("<4sHHIIQII")
BEFORE_START_MS = 0xFFFFFFFF
FINISHED, COUNTDOWN, IN_MENU = 1, 2, 4


def rich_floats(frame: Frame, first: tuple[float, ...]) -> tuple[float, ...]:
    """Return the payload: TMRL's 11 fields, velocity, direction, up, slips, contacts, checkpoints, laps."""
    up, contacts, laps = (0.0, 1.0, 0.0), (1.0,) * 4, 0.0
    return *first, *frame.velocity, *frame.direction, *up, *frame.slips, *contacts, float(frame.checkpoints), laps


def with_header(frame: Frame, payload: bytes, map_hash: int) -> bytes:
    """Return header and payload of a frame; `map_hash` has 64 bits."""
    is_countdown = frame.race_time_s < 0.0
    flags = FINISHED * frame.is_finished | COUNTDOWN * is_countdown
    race_ms = BEFORE_START_MS if is_countdown else round(frame.race_time_s * 1000.0)
    number, checksum = frame.number & 0xFFFFFFFF, zlib.crc32(payload)
    return HEADER.pack(MAGIC, VERSION, len(payload) // 4, number, race_ms, map_hash, flags, checksum) + payload
