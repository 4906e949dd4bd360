"""Other cars: the stream's format, and that they drive along the line."""

import ast
import math

import pytest

from envs.assetto_corsa.opponents import OpponentsStream


def parsed(data, count):
    """Return the whole lists of a stream, read by its description: `<count><n>HEADER-END<n characters>…`."""
    text = data.decode()
    assert text.startswith(str(count))
    text, lists = text[len(str(count)) :], []
    while "HEADER-END" in text:
        digits, _, rest = text.partition("HEADER-END")
        if len(rest) < int(digits):
            break
        lists.append(ast.literal_eval(rest[: int(digits)]))
        text = rest[int(digits) :]
    return lists


@pytest.mark.point("assetto_corsa", 29)
@pytest.mark.parametrize("count", [1, 3, 12])
@pytest.mark.parametrize("is_strict", [True, False])
def test_the_stream_parses(twin, tcp, count, is_strict):
    server = twin(is_strict=is_strict, game={"num_opponents": count})
    with server.lock:
        server.game.advance(3.0)
        expected = server.game.opponents()
    connection = tcp(server.opponents)
    data, ours = b"", OpponentsStream()
    while ours.lists < 5:
        piece = connection.recv(4096)
        data += piece
        ours.feed(piece)
    connection.close()
    lists = parsed(data, count)
    assert len(lists) >= 5
    assert lists[0] == expected
    assert ours.count == count
    assert [car.number for car in ours.newest] == list(range(1, count + 1))


def test_there_is_no_port_without_opponents(twin):
    assert twin().opponents is None


def test_opponents_drive_along_the_line(game):
    one = game(num_opponents=3)
    before = one.opponents()
    one.advance(20.0)
    for was, car in zip(before, one.opponents(), strict=True):
        x, y, _ = car["world_position"]
        assert math.hypot(x, y) == pytest.approx(200.0, abs=2.0)  # the line is a circle
        assert math.dist(car["world_position"], was["world_position"]) > 20.0
        speed = car["speedKMH"] / 3.6
        assert 10.0 < speed < 60.0
        # Anticlockwise: the course is a quarter turn ahead of the place.
        turned = car["yaw"] - math.atan2(y, x) - math.pi / 2
        assert math.cos(turned) > 0.999
    assert len({car["speedKMH"] for car in one.opponents()}) == 3


def test_at_rest_the_course_is_0(game):
    assert [car["yaw"] for car in game(num_opponents=2).opponents()] == [0.0, 0.0]
