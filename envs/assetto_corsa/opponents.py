"""The stream of the other cars: their number, then lists of them without end or pace, each with its length.

The number has no delimiter: it runs into the first length, and where it ends is known when the first list is.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from envs.assetto_corsa.replies import MOST_BYTES, BracketedText, parse_plain
from envs.errors import ProtocolError

_HEADER_END = b"HEADER-END"
_MOST_DIGITS = 12
_KMH = 3.6


@dataclass(frozen=True)
class Opponent:
    """One other car.

    Attributes:
        number: the plugin's `id`.
        position_m: x, y (seen from above) and z (up).
        speed_mps: metres per second.
        course_rad: of its velocity, counter-clockwise from x; 0 at rest. Not the car's heading.
    """

    number: int
    position_m: tuple[float, float, float]
    speed_mps: float
    course_rad: float

    @classmethod
    def of(cls, parsed: Any) -> "Opponent":
        """Return what an object of the stream says.

        Raises:
            ProtocolError: it says something else.
        """
        try:
            x, y, z = (float(value) for value in parsed["world_position"])
            number, speed, course = int(parsed["id"]), float(parsed["speedKMH"]) / _KMH, float(parsed["yaw"])
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            raise ProtocolError(
                f"Expected a car with id, world_position, speedKMH and yaw, got {parsed!r:.80} ({error!r})."
            ) from error
        if not all(map(math.isfinite, (x, y, z, speed, course))):
            raise ProtocolError(f"Expected finite numbers of a car, got {parsed!r:.120}.")
        return cls(number, (x, y, z), speed, course)


class OpponentsStream:
    """Take the stream in any pieces, and keep its newest list.

    The plugin sends as fast as it is read. A list that comes sooner than `every_s` after the last one is passed over by
    the length that its header tells: to parse all of them would take the interpreter from whoever drives.

    Args:
        every_s: between two lists that are looked at.
        now: seconds, monotonic.

    Attributes:
        count: number of other cars; None until the first list came.
        newest: the newest list; None until then.
        lists: how many were looked at.
    """

    def __init__(self, *, every_s: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        self._every_s, self._now, self._due_s = every_s, now, -math.inf
        self._passed_over = 0  # bytes of a list that are still to come
        self.count: int | None = None
        self.newest: tuple[Opponent, ...] | None = None
        self.lists = 0
        self._head = bytearray()
        self._digits: bytes | None = None
        self._body = BracketedText()

    def feed(self, piece: bytes) -> None:
        """Take the next piece.

        Raises:
            ProtocolError: it is not such a stream; it cannot be read on then.
        """
        while piece:
            if self._passed_over:
                passed = min(self._passed_over, len(piece))
                self._passed_over, piece = self._passed_over - passed, piece[passed:]
                continue
            if self._digits is None:
                self._head += piece
                piece = self._end_head()
                self._pass_over()
                continue
            if not self._body.feed(piece):
                return
            self._take(self._body.text)
            piece, self._body, self._digits = self._body.rest, BracketedText(), None

    def _end_head(self) -> bytes:
        """Look for the end of a header; return what came after it, if anything."""
        end = self._head.find(_HEADER_END)
        digits = bytes(self._head if end < 0 else self._head[:end])
        # What is not complete may end in a part of the mark.
        sound = digits if end >= 0 else digits.rstrip(b"HEADR-EN")
        if (sound and not sound.isdigit()) or len(sound) > _MOST_DIGITS or (end >= 0 and not sound):
            raise ProtocolError(f"Expected a length and {_HEADER_END.decode()}, got {bytes(self._head[:40])!r}.")
        if end < 0:
            return b""
        rest = bytes(self._head[end + len(_HEADER_END) :])
        self._head.clear()
        self._digits = digits
        return rest

    def _pass_over(self) -> None:
        """Leave the list whose header has just come, if it is not due."""
        if self._digits is None or self.count is None or self._now() >= self._due_s:
            return
        if int(self._digits) > MOST_BYTES:
            raise ProtocolError(f"Expected a list of at most {MOST_BYTES} bytes, got one of {self._digits.decode()}.")
        self._passed_over, self._digits = int(self._digits), None

    def _take(self, text: bytes) -> None:
        assert self._digits is not None
        parsed = parse_plain(text)
        if not isinstance(parsed, list):
            raise ProtocolError(f"Expected a list of cars, got {text[:60]!r}.")
        size = len(text.decode("utf-8", "replace"))
        told, expected = self._digits.decode(), str(size)
        if self.count is None:
            expected = f"{len(parsed)}{size}"
        if told != expected:
            raise ProtocolError(
                f"Expected a header {expected} of a list of {len(parsed)} cars in {size} characters, got {told}."
            )
        self.count = len(parsed) if self.count is None else self.count
        self.newest = tuple(Opponent.of(one) for one in parsed)
        self.lists += 1
        self._due_s = self._now() + self._every_s
