"""Our own way for pictures: a capture worker beside the game sends frames over TCP, each with its number and time.

A frame is a header of 36 bytes, little-endian, and its pixels, row by row: `ACIM`, version 1, channels, width, height,
number, steps (-1: not known), seconds of the worker's clock, bytes of pixels. The worker sends without being asked. Its
client may tell it the newest `steps` that it knows, 8 bytes each time: from then on frames carry them.
"""

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.assetto_corsa.images import CHANNELS
from envs.errors import ProtocolError

PORT = 2348  # beside the plugin's three
_MAGIC, _VERSION = b"ACIM", 1
STEPS = struct.Struct("<q")  # what a client tells
_HEADER = struct.Struct("<4sBBHHQidI2x")
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class SentFrame:
    """A frame as it travels.

    Attributes:
        image: `(H, W, C)` uint8.
        number: counts up.
        steps: of the newest state when it was taken, -1 where that is not known.
        timestamp_s: of the worker's clock.
    """

    image: npt.NDArray[np.uint8]
    number: int
    steps: int
    timestamp_s: float

    def encoded(self) -> bytes:
        """Return header and pixels."""
        height, width, channels = self.image.shape
        pixels = np.ascontiguousarray(self.image).tobytes()
        head = (_MAGIC, _VERSION, channels, width, height, self.number, self.steps, self.timestamp_s, len(pixels))
        return _HEADER.pack(*head) + pixels


class FrameStream:
    """Take a stream in any pieces, and keep its newest frame.

    Attributes:
        newest: the newest whole frame; None before the first.
        frames: that were whole so far.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self.newest: SentFrame | None = None
        self.frames = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece.

        Raises:
            ProtocolError: it is not such a stream; it cannot be read on then.
        """
        self._data += piece
        while len(self._data) >= _HEADER.size:
            head = bytes(self._data[: _HEADER.size])
            magic, version, channels, width, height, number, steps, timestamp, size = _HEADER.unpack(head)
            if magic != _MAGIC or version != _VERSION:
                raise ProtocolError(f"Expected frames {_MAGIC!r} of version {_VERSION}, got {head[:5]!r}.")
            if channels not in CHANNELS.values() or size != width * height * channels or not 0 < size <= _MOST_BYTES:
                raise ProtocolError(f"Expected {width} x {height} x {channels} pixels, got {size} bytes of them.")
            if not abs(timestamp) < 1e15:  # NaN is not either
                raise ProtocolError(f"Expected a time in seconds, got {timestamp}.")
            end = _HEADER.size + size
            if len(self._data) < end:
                return
            pixels = np.frombuffer(bytes(self._data[_HEADER.size : end]), np.uint8)
            self.newest = SentFrame(pixels.reshape(height, width, channels), number, steps, timestamp)
            self.frames += 1
            del self._data[:end]
