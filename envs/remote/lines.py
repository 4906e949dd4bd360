"""Lines, and blocks of bytes between them, out of a stream that arrives in pieces. No sockets here."""


class LineTooLongError(Exception):
    """A line is longer than its limit; what is left of it is skipped as it comes."""


class LineBuffer:
    """Put the pieces of a stream together again; hold no more than a line and a piece, or a block that is asked for.

    Args:
        limit: bytes of a line, without its end, at most.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()
        self._searched = 0  # up to here there is no end of a line
        self._is_skipping = False

    def feed(self, piece: bytes | memoryview) -> None:
        """Add what arrived."""
        self._data += piece

    def line(self) -> bytes | None:
        """Return the next line without its end, or None while its end has not arrived.

        Raises:
            LineTooLongError: once for each line beyond the limit, as soon as that is known; the next call goes on.
        """
        end = self._data.find(b"\n", self._searched)
        if self._is_skipping:
            del self._data[: end + 1 if end >= 0 else len(self._data)]
            self._searched = 0
            if end < 0:
                return None
            self._is_skipping = False
            return self.line()
        length = len(self._data) if end < 0 else end
        if length > self._limit:
            self._is_skipping = True
            raise LineTooLongError(f"Expected a line of at most {self._limit:,} bytes, got {length:,} and more.")
        if end < 0:
            self._searched = len(self._data)
            return None
        line = bytes(self._data[:end])
        del self._data[: end + 1]
        self._searched = 0
        return line

    def block(self, size: int) -> bytes | None:
        """Return the next `size` bytes, which no line's end bounds, or None while they have not all arrived."""
        if len(self._data) < size:
            return None
        block = bytes(self._data[:size])
        del self._data[:size]
        self._searched = 0
        return block
