"""A link to a game: what arrives however it is cut, what happens when the game is slow, gone, or comes back."""

import socket
import threading
import time

import pytest

from envs.errors import SimulatorUnavailable
from envs.remote.backoff import Backoff
from envs.remote.lines import LineTooLongError
from envs.remote.link import Link, tcp


@pytest.fixture
def game():
    """A server on loopback: returns its port, and a function that takes the next connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    connections = []

    def accept():
        connection, _ = listener.accept()
        connection.settimeout(10)
        connections.append(connection)
        return connection

    yield listener.getsockname()[1], accept
    for connection in (*connections, listener):
        connection.close()


@pytest.fixture
def link(game):
    port, _ = game
    link = Link(tcp("127.0.0.1", port), name=f"toy at 127.0.0.1:{port}", line_limit=100, timeout_s=10)
    yield link
    link.close()
    link.close()  # twice is fine


def test_lines_and_blocks_arrive_however_they_are_cut(game, link):
    link.open()
    other = game[1]()
    stream = b"first\nsecond\n\x00\n\x01tail\n"

    def drip():
        for index in range(len(stream)):
            other.sendall(stream[index : index + 1])

    sender = threading.Thread(target=drip)
    sender.start()
    assert [link.line(), link.line(), link.block(3), link.line()] == [b"first", b"second", b"\x00\n\x01", b"tail"]
    sender.join()
    assert link.counts.bytes_received == len(stream)
    link.send(b"hello\n")
    assert other.recv(100) == b"hello\n"
    assert link.counts.bytes_sent == 6


def test_a_line_that_is_late_may_still_come(game, link):
    link.open()
    other = game[1]()
    other.sendall(b"half")
    with pytest.raises(TimeoutError, match="toy at 127"):
        link.line(timeout_s=0.05)
    other.sendall(b" a line\n")
    assert link.line() == b"half a line"


def test_a_game_that_hangs_up_is_lost_in_words(game, link):
    link.open()
    game[1]().close()
    with pytest.raises(SimulatorUnavailable, match="hung up before it had sent a line"):
        link.line()
    assert not link.is_open
    with pytest.raises(SimulatorUnavailable, match="is not connected"):
        link.send(b"anyone?\n")


def test_a_line_beyond_the_limit_is_refused_and_skipped(game, link):
    link.open()
    game[1]().sendall(b"x" * 5000 + b"\nshort\n")
    with pytest.raises(LineTooLongError):
        link.line()
    assert link.line() == b"short"


def test_nobody_answers():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    link = Link(tcp("127.0.0.1", port), name=f"toy at 127.0.0.1:{port}", timeout_s=1)
    with pytest.raises(SimulatorUnavailable, match=r"toy at .* did not answer .*refused.*Is it running"):
        link.open(Backoff(first_s=0.001, attempts=3))


def test_a_game_that_comes_back_is_found_again(game, link):
    link.open()
    game[1]().close()
    with pytest.raises(SimulatorUnavailable):
        link.line()
    link.open(Backoff(first_s=0.001))
    game[1]().sendall(b"again\n")
    assert link.line() == b"again"
    assert link.counts.reconnects == 1


def test_attempts_are_bounded_and_their_waits_grow():
    attempts, began = [], time.monotonic()

    def refuse(timeout_s):
        attempts.append(timeout_s)
        raise ConnectionRefusedError("refused")

    link = Link(refuse, name="toy", timeout_s=3)
    with pytest.raises(SimulatorUnavailable):
        link.open(Backoff(first_s=0.001, most_s=0.002, attempts=5))
    assert attempts == [3] * 5
    assert time.monotonic() - began < 3
    for _ in range(20):
        waits = list(Backoff(first_s=0.1, most_s=0.5, attempts=6).waits())
        for wait, most in zip(waits, (0.1, 0.2, 0.4, 0.5, 0.5), strict=True):
            assert most / 2 <= wait <= most
