"""Lines and blocks out of a stream, however it was cut into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.remote.lines import LineBuffer, LineTooLongError


def read(buffer, pieces):
    """Return the lines of a stream, "too long" for those that are."""
    found = []
    for piece in pieces:
        buffer.feed(piece)
        while True:
            try:
                line = buffer.line()
            except LineTooLongError:
                found.append("too long")
                continue
            if line is None:
                break
            found.append(line)
    return found


@given(st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line)), st.data())
def test_pieces_do_not_matter(lines, data):
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    expected = [line if len(line) <= 8 else "too long" for line in lines]
    assert read(LineBuffer(limit=8), pieces) == expected


def test_a_long_line_is_said_once_and_costs_no_memory():
    buffer = LineBuffer(limit=100)
    pieces = [b"x" * 64] * 1000 + [b"\nshort\n"]
    sizes = []
    found = []
    for piece in pieces:
        found += read(buffer, [piece])
        sizes.append(len(buffer._data))
    assert found == ["too long", b"short"]
    assert max(sizes) <= 164


@pytest.mark.parametrize("size", [0, 1, 5])
def test_blocks_may_hold_ends_of_lines(size):
    block = b"\n\x00\n\n\xff"[:size]
    buffer = LineBuffer(limit=10)
    buffer.feed(b"head\n" + block[:-1])
    assert buffer.line() == b"head"
    if size > 0:
        assert buffer.block(size) is None
    buffer.feed(block[-1:] + b"tail\n")
    assert buffer.block(size) == block
    assert buffer.line() == b"tail"
