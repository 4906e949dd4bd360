"""Replies in any pieces, the opponents' stream, and nothing of a wire that runs."""

import ast
import json
import random
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.assetto_corsa.faults import NO_REPLY, REFUSED, LinkFault
from envs.assetto_corsa.management import ManagementClient
from envs.assetto_corsa.messages import parse_message
from envs.assetto_corsa.opponents import OpponentsStream
from envs.assetto_corsa.replies import MOST_BYTES, BracketedText, parse_reply
from envs.assetto_corsa.state_keys import COPIES, FOUR_VECTORS, STATE_KEYS, check_state
from envs.errors import ProtocolError

STATIC = (
    b'{"TrackName": "a \\"quoted\\" } name", "LastSplits": [], "CAR_WHEEL_R": [0.3, 0.3, 0.3, 0.3], '
    b'"note": "\\\\", "\xc3\xa9t\xc3\xa9": {"x": [1, {"y": "]"}]}}'
)
CONFIG = rb"""{'version': '0.0.1', 'name': 'Local\\TriggerImageCapture', 'python': None, 'on': True, 'off': False,
 'quote': "it's } here", 'last\\': -1.5e-3}"""


@pytest.fixture
def tcp_service():
    """Return a function that starts a server which answers each connection as `answer(connection)` does."""
    servers = []

    def start(answer):
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def run():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    answer(connection)

        threading.Thread(target=run, daemon=True).start()
        return server.getsockname()[1]

    yield start
    for server in servers:
        server.close()


def test_the_keys_are_those_of_the_protocol(make_state):
    assert len(STATE_KEYS) == 90
    assert set(STATE_KEYS) == set(make_state())
    assert set(FOUR_VECTORS) == {key for key, value in make_state().items() if isinstance(value, list)}
    assert len(COPIES) == 12
    assert COPIES["rl_wheel_load"] == ("tyres_load", 2)


def test_missing_keys_are_named_and_others_kept(make_state):
    state = make_state()
    assert check_state(state | {"another": 3.5})["another"] == 3.5
    assert check_state(state | {"steps": 7.0})["steps"] == 7
    for key in ("yaw", "Mz"):
        del state[key]
    with pytest.raises(ProtocolError, match=r"(?s)yaw.*88 of 90|Mz.*88 of 90"):
        check_state(state)
    with pytest.raises(ProtocolError, match="list"):
        check_state([1])


@pytest.mark.point("assetto_corsa", 13)
@pytest.mark.parametrize("text", [STATIC, CONFIG, b" \n{}", b'{"a": "\\\\"}'])
def test_a_reply_split_anywhere_parses_to_the_same(text):
    whole = parse_reply(text)
    for place in range(len(text) + 1):
        collected = BracketedText()
        collected.feed(text[:place])
        assert collected.is_complete == (place == len(text))
        collected.feed(text[place:])
        assert collected.is_complete
        assert parse_reply(collected.text) == whole
    slow = BracketedText()
    for index in range(len(text)):
        slow.feed(text[index : index + 1])
    assert parse_reply(slow.text) == whole


def test_a_megabyte_in_random_pieces_parses(tcp_service):
    reply = {"left_lane": [[random.random() * 100, 1e-9] for _ in range(50000)], "word": "}]\"' \\"}
    text = json.dumps(reply).encode()
    assert len(text) > 1_000_000
    generator = random.Random(4)

    def answer(connection):
        connection.recv(1024)
        place = 0
        while place < len(text):
            size = generator.choice([1, 7, 1000, 60000])
            connection.sendall(text[place : place + size])
            place += size
        connection.recv(1)

    port = tcp_service(answer)
    assert ManagementClient("127.0.0.1", port).track_info() == reply


@pytest.mark.point("assetto_corsa", 14)
def test_a_config_is_a_python_literal(tmp_path):
    config = parse_reply(CONFIG)
    assert config["name"] == "Local\\TriggerImageCapture"
    assert (config["python"], config["on"], config["off"]) == (None, True, False)
    assert config["quote"] == "it's } here"
    assert config["last\\"] == -0.0015


@pytest.mark.point("assetto_corsa", 14)
@pytest.mark.parametrize(
    "text",
    [
        b"{'a': __import__('pathlib').Path('FILE').touch()}",
        b"{'a': open('FILE', 'w')}",
        b"{'a': [x for x in (1, 2)]}",
        b"{'a': (lambda: 1)()}",
        b"{'a': f'{1}'}",
        b"{'a': 2 ** 9}",
        b"{'a': NaN}",
        b"{1: 2}",
        b"[1, 2]",
        b"{'a': }",
        b"(1)",
    ],
)
def test_an_expression_is_an_error_and_nothing_of_it_runs(text, tmp_path):
    file = tmp_path / "ran"
    with pytest.raises(ProtocolError):
        parse_reply(text.replace(b"FILE", str(file).encode()))
    assert not file.exists()


@pytest.mark.parametrize("text", [b"__import__('os')", b"hello", b"<html>", b"]"])
def test_a_reply_that_begins_with_no_bracket_is_refused_at_once(text):
    with pytest.raises(ProtocolError, match="bracket"):
        BracketedText().feed(text)


def test_a_reply_has_bounds():
    with pytest.raises(ProtocolError, match="deep"):
        BracketedText().feed(b"[" * 1000)
    text = BracketedText()
    text.feed(b"[")
    with pytest.raises(ProtocolError, match="at most"):
        text.feed(b" " * MOST_BYTES)


@given(st.binary(max_size=200))
def test_any_datagram_is_a_message_or_a_protocol_error(data):
    try:
        parse_message(data)
    except ProtocolError:
        return
    assert data in (b"identified", b"disconnect")


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_any_reply_and_any_stream_end_in_values_or_a_protocol_error(pieces):
    for taker in (BracketedText(), OpponentsStream()):
        try:
            for piece in pieces:
                taker.feed(piece)
            if isinstance(taker, BracketedText) and taker.is_complete:
                parse_reply(taker.text)
        except ProtocolError:
            pass


def test_nothing_that_reads_wires_can_run_them(root):
    for path in sorted((root / "envs" / "assetto_corsa").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec", "compile", "__import__"), f"{path}:{node.lineno}"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "pickle":
                assert node.attr in ("dump", "dumps", "HIGHEST_PROTOCOL"), f"{path}:{node.lineno}"


def test_a_service_that_says_nothing_half_or_is_not_there_is_told_apart(tcp_service):
    silent = tcp_service(lambda connection: connection.recv(1024) and connection.recv(1024))
    quick = {"connect_timeout_s": 0.1, "reply_timeout_s": 0.2}
    with pytest.raises(LinkFault, match="no reply to get_config") as caught:
        ManagementClient("127.0.0.1", silent, **quick).config()
    assert caught.value.cause == NO_REPLY

    def half(connection):
        connection.recv(1024)
        connection.sendall(STATIC[:50])

    with pytest.raises(LinkFault, match="closed after 50 bytes"):
        ManagementClient("127.0.0.1", tcp_service(half), **quick).static_info()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(LinkFault, match="sensors_par") as caught:
        ManagementClient("127.0.0.1", port, **quick).config()
    assert caught.value.cause == REFUSED


def cars(count):
    return [
        {"id": index, "world_position": [10.0 * index, -3.5, 0.25], "speedKMH": 36.0 * index, "yaw": 0.5}
        for index in range(1, count + 1)
    ]


def stream(count, lists=3):
    """Return the plugin's bytes: the count, and then each list with its length in characters."""
    text = str(cars(count))
    return (str(count) + f"{len(text)}HEADER-END{text}" * lists).encode()


@pytest.mark.parametrize("count", [1, 3, 12])
@pytest.mark.parametrize("size", [1, 3, 10, 1000, 10**6])
def test_the_opponents_count_runs_into_the_first_length(count, size):
    data = stream(count)
    taken = OpponentsStream()
    for place in range(0, len(data), size):
        taken.feed(data[place : place + size])
    assert (taken.count, taken.lists) == (count, 3)
    last = taken.newest[-1]
    assert (last.number, last.position_m, last.course_rad) == (count, (10.0 * count, -3.5, 0.25), 0.5)
    assert last.speed_mps == pytest.approx(10.0 * count)


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_lists_that_come_too_soon_are_passed_over(size):
    """By their headers, however they are cut; the first one that is due is looked at."""
    clock = [0.0]
    text = str(cars(2))
    moved = text.replace("0.25", "9.25")
    length = len(text)
    data = f"2{length}HEADER-END{text}".encode() + (f"{length}HEADER-END{text}" * 8).encode()
    taken = OpponentsStream(every_s=1.0, now=lambda: clock[0])
    for place in range(0, len(data), size):
        taken.feed(data[place : place + size])
    assert taken.lists == 1
    clock[0] = 1.0
    data = f"{length}HEADER-END{moved}{length}HEADER-END{text}".encode()
    for place in range(0, len(data), size):
        taken.feed(data[place : place + size])
    assert (taken.lists, taken.newest[0].position_m[2]) == (2, 9.25)
    with pytest.raises(ProtocolError, match="at most"):
        taken.feed(b"999999999999HEADER-END")


@pytest.mark.parametrize(
    "data",
    [
        b"3HEADER-END[]",
        b"x245HEADER-END[]",
        b"12HEADER-ENX[]",
        b"13HEADER-END{1}",
        b"14HEADER-END[{}]",
        stream(2).replace(b"0.25", b"1e999"),
    ],
)
def test_a_stream_of_something_else_is_refused(data):
    with pytest.raises(ProtocolError):
        OpponentsStream().feed(data)
