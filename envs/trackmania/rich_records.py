"""`RICH1`, our own proposal of a record: a header that can be found again, what it was, and a checksum.

Header, 32 bytes: magic `TMR1`, version u16, number of floats u16, frame u32, race time u32 (milliseconds, all ones
before the start), hash of the map u64, flags u32 (finished, countdown, menu), CRC-32 of the floats; then the floats,
all little-endian.
"""

import struct
import zlib

from envs.errors import ProtocolError
from envs.trackmania.layouts import RICH1
from envs.trackmania.records import Record

MAGIC, VERSION = b"TMR1", 1
HEADER = struct.Struct("<4sHHIIQII")
NOT_STARTED = 0xFFFFFFFF
_NUM_FLOATS = RICH1.num_floats - 1  # the race time stands in the header
_FLOATS = struct.Struct(f"<{_NUM_FLOATS}f")
_SIZE = HEADER.size + _FLOATS.size
_PATIENCE = 1 << 16  # bytes without a record, after which this is another stream


class RichStream:
    """Cut a stream of bytes into records, from any byte of it on.

    Attributes:
        discarded: bytes that belonged to no record.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._seen = self._lost = 0
        self.discarded = 0

    def feed(self, data: bytes, received_s: float) -> list[Record]:
        """Return the records that are complete now, oldest first.

        Raises:
            ProtocolError: for long there has been none.
        """
        self._buffer += data
        records = []
        while True:
            begin = self._buffer.find(MAGIC)
            if begin < 0:
                self._drop(max(len(self._buffer) - len(MAGIC) + 1, 0))  # its first bytes may have come
                break
            self._drop(begin)
            if len(self._buffer) < _SIZE:
                break
            values = _values(bytes(self._buffer[:_SIZE]))
            if values is None:
                self._drop(1)
                continue
            del self._buffer[:_SIZE]
            records.append(Record(RICH1, values, received_s, self._seen))
            self._seen += 1
            self._lost = 0
        if self._lost > _PATIENCE:
            raise ProtocolError(f"{self._lost} bytes came without a record of RICH1. Is another plugin at this port?")
        return records

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self.discarded += count
        self._lost += count


def packed(values: tuple[float, ...], *, frame: int = 0, map_hash: int = 0, flags: int = 0) -> bytes:
    """Return the bytes of a record of `RICH1`; a race time of 0 has not started."""
    payload = _FLOATS.pack(*values[:_NUM_FLOATS])
    race_time_ms = round(values[_NUM_FLOATS]) or NOT_STARTED
    head = (MAGIC, VERSION, _NUM_FLOATS, frame, race_time_ms, map_hash, flags, zlib.crc32(payload))
    return HEADER.pack(*head) + payload


def _values(data: bytes) -> tuple[float, ...] | None:
    """Return the floats and the race time of a record; None if its header or its checksum is wrong."""
    _, version, num_floats, _, race_time_ms, _, _, checksum = HEADER.unpack_from(data)
    payload = data[HEADER.size :]
    if version != VERSION or num_floats != _NUM_FLOATS or zlib.crc32(payload) != checksum:
        return None
    return (*_FLOATS.unpack(payload), 0.0 if race_time_ms == NOT_STARTED else float(race_time_ms))
