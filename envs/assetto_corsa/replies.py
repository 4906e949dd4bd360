"""Replies of the management service: text without a length, in any pieces, as JSON or as a Python literal.

A reply is complete where its brackets are balanced outside of strings. Literals are read by `ast.literal_eval`, which
knows constants and containers only: an expression is an error, and nothing of it runs.
"""

import ast
import re
from typing import Any

from envs.assetto_corsa.messages import parse_json
from envs.errors import ProtocolError

MOST_BYTES = 16 << 20
_MOST_LITERAL_BYTES = 1 << 20  # a syntax tree takes a hundred times its text
_MOST_DEPTH = 64
_OPEN, _CLOSE, _QUOTES = b"[{(", b"]})", b"\"'"
_MARKS = re.compile(rb"[\[\]{}()\"']")
_STRING_ENDS = {quote: re.compile(rb"[\\" + bytes([quote]) + rb"]") for quote in _QUOTES}


class BracketedText:
    """Collect pieces of a text until its brackets are balanced.

    Args:
        most_bytes: beyond which it is refused.

    Attributes:
        is_complete: whether the last bracket has closed.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._text = bytearray()
        self._looked_at = 0
        self._depth = 0
        self._quote: int | None = None
        self._end = 0
        self.is_complete = False

    @property
    def text(self) -> bytes:
        """The balanced text."""
        return bytes(self._text[: self._end])

    @property
    def rest(self) -> bytes:
        """What came after it."""
        return bytes(self._text[self._end :])

    @property
    def size(self) -> int:
        """Bytes so far."""
        return len(self._text)

    def feed(self, piece: bytes) -> bool:
        """Take the next piece; return whether the text is complete.

        Raises:
            ProtocolError: it begins with no bracket, is nested too deeply, or is too long.
        """
        self._text += piece
        if len(self._text) > self._most_bytes:
            raise ProtocolError(f"Expected a reply of at most {self._most_bytes} bytes, got more.")
        if not self.is_complete:
            self._scan()
        return self.is_complete

    def _scan(self) -> None:
        text, place = self._text, self._looked_at
        if self._depth == 0:
            stripped = text.lstrip()
            if not stripped:
                return
            if stripped[0] not in _OPEN:
                raise ProtocolError(f"Expected a reply that begins with a bracket, got {bytes(stripped[:40])!r}.")
        while True:
            if self._quote is not None:
                mark = _STRING_ENDS[self._quote].search(text, place)
                if mark is None:
                    place = len(text)
                    break
                if mark[0] == b"\\":
                    if mark.end() == len(text):  # the escaped byte is still to come
                        place = mark.start()
                        break
                    place = mark.end() + 1
                    continue
                self._quote, place = None, mark.end()
                continue
            mark = _MARKS.search(text, place)
            if mark is None:
                place = len(text)
                break
            place = mark.end()
            byte = text[mark.start()]
            if byte in _QUOTES:
                self._quote = byte
            elif byte in _OPEN:
                self._depth += 1
                if self._depth > _MOST_DEPTH:
                    raise ProtocolError(f"Expected a reply nested at most {_MOST_DEPTH} deep.")
            else:
                self._depth -= 1
                if self._depth <= 0:
                    self.is_complete, self._end = True, place
                    break
        self._looked_at = place


def parse_reply(text: bytes) -> dict[str, Any]:
    """Return a reply as an object.

    Raises:
        ProtocolError: it is no object, neither in JSON nor as a Python literal.
    """
    parsed = parse_plain(text)
    if not isinstance(parsed, dict) or not all(isinstance(key, str) for key in parsed):
        raise ProtocolError(f"Expected a reply that is an object, got {type(parsed).__name__}: {text[:60]!r}.")
    return parsed


def parse_plain(text: bytes) -> Any:
    """Return constants and containers from JSON or a Python literal.

    Raises:
        ProtocolError: it is neither.
    """
    try:
        return parse_json(text)
    except ProtocolError:
        if len(text) > _MOST_LITERAL_BYTES:
            raise
    try:
        return ast.literal_eval(text.decode("utf-8").strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ProtocolError(f"Expected JSON or a Python literal, got {text[:60]!r} ({error}).") from error
