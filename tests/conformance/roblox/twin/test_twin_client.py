"""The twin as a server sees it: it calls, ticks, answers, goes and comes back. Ten times as fast as a game."""

import contextlib
import json
import queue
import time

import pytest

from envs.errors import ConfigError

DIALECTS = ["v0", "v1", "v2"]


def is_tick(message):
    return isinstance(message, dict) and any(not key.startswith("__") for key in message)


@pytest.mark.point("roblox", 3)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_probing_as_a_server_does(plain_server, twin, dialect):
    server = plain_server()
    twin(server.url, game={"dialect": dialect})
    cars = server.spawn(2)
    server.say("PING", {"t": 1.5})
    server.say("FREEZE", {"status": True})
    after = [json.loads(server.frame()) for _ in range(60)]
    assert ({"__pong": {"t": 1.5}} in after) == (dialect == "v2")
    assert (after[-1] == []) == (dialect != "v0")
    server.say("FREEZE", {"status": False})
    assert set(server.until(is_tick)[-1]) == set(cars)
    assert server.paths == ["/ws/twin"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_actions_drive_and_rewards_are_counted(plain_server, twin, dialect):
    server = plain_server()
    client = twin(server.url, game={"dialect": dialect, "seed": 2})
    cars = server.spawn(3)
    total, fastest = 0.0, 0.0
    for _ in range(60):
        server.say("ACTION", {car: [1.0, 0.0, -1.0] for car in cars})
        for message in server.until(is_tick):
            for entry in message.values() if isinstance(message, dict) else ():
                total += entry["reward"]
                fastest = max(fastest, entry["obs"][17])
    assert fastest > 0.5
    client.close()
    while not server.frames.empty():
        message = json.loads(server.frame())
        total += sum(entry["reward"] for entry in message.values()) if message else 0.0
    assert total == pytest.approx(client.wire.reward_sent, rel=1e-6)


def test_it_waits_for_a_server_and_comes_back(plain_server, twin, eventually):
    server = plain_server()
    port = server.port
    server.close()
    client = twin(f"ws://127.0.0.1:{port}/ws/x", game={"dialect": "v2"})
    eventually(lambda: client.trouble)
    assert not client.is_connected
    server = plain_server(port)
    server.spawn()
    server.socket.close()
    eventually(lambda: client.connections == 2)
    server.spawn()
    assert client.game.fleet.is_present.sum() == 1


@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_it_comes_back_after_five_seconds_of_its_clock(plain_server, twin, eventually, dialect):
    server = plain_server()
    client = twin(server.url, game={"dialect": dialect})
    server.spawn()
    before = client.game.now_s
    server.socket.close()
    eventually(lambda: client.connections == 2)
    assert client.game.now_s - before >= 5.0


def test_v0_never_comes_back(plain_server, twin, eventually):
    server = plain_server()
    client = twin(server.url, game={"dialect": "v0"})
    server.spawn()
    server.socket.close()
    eventually(lambda: not client.is_alive)
    assert client.connections == 1


def test_it_closes_after_silence_and_comes_back(plain_server, twin, eventually):
    server = plain_server()
    client = twin(server.url, game={"dialect": "v1"})
    eventually(lambda: client.connections == 2)  # 20 s of the game, and 5
    assert "nothing" in client.trouble
    assert client.game.now_s >= 24.0


def test_a_connection_breaks_on_request(plain_server, twin, eventually):
    server = plain_server()
    client = twin(server.url, faults={"disconnect_after": 3.0})
    server.spawn()
    eventually(lambda: client.connections == 3)
    assert client.trouble == "disconnect_after"


def test_a_quiet_connection_stays(plain_server, twin):
    server = plain_server()
    client = twin(server.url, faults={"stall_after": 2.0})
    server.spawn()
    frames = 0
    with contextlib.suppress(queue.Empty):
        for frames in range(100):  # noqa: B007
            server.frame(timeout_s=0.5)
    assert frames < 60
    assert client.is_connected
    assert client.connections == 1


def test_what_roblox_cannot_read_is_lost_and_the_twin_lives(plain_server, twin, eventually):
    server = plain_server()
    client = twin(server.url)
    (car,) = server.spawn()
    for text in ('{"command": "ACTION", "envid": "", "data": {"x": [NaN, 0, 0]}}', "hello", "", "[[[["):
        server.socket.send(text)
    server.socket.send(b"\x00\xff")
    eventually(lambda: client.game.commands.malformed == 5)
    server.say("PING", {"t": 3})
    server.until(lambda message: "__pong" in message)
    assert car in server.until(is_tick)[-1]


def test_closing_is_quick_and_twice_is_fine(plain_server, twin):
    server = plain_server()
    client = twin(server.url)
    server.spawn()
    began = time.monotonic()
    client.close()
    client.close()
    assert time.monotonic() - began < 3.0
    assert not client.is_alive


def test_closing_while_nobody_answers_is_quick(twin):
    client = twin("ws://127.0.0.1:9/ws/x")
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 3.0


@pytest.mark.timing
@pytest.mark.parametrize("speed", [1.0, 20.0])
def test_ticks_come_at_their_pace(plain_server, twin, speed):
    server = plain_server()
    twin(server.url, speed=speed)
    (car,) = server.spawn()
    began, count = time.monotonic(), round(3 * 15 * speed)
    for _ in range(count):
        server.until(is_tick)
        server.say("ACTION", {car: [0.0, 0.0, 0.0]})
    assert count / (time.monotonic() - began) == pytest.approx(15 * speed, rel=0.1)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/ws/x", "127.0.0.1:8000", "ws:///ws/x"])
def test_wrong_urls_are_refused(twin, url):
    with pytest.raises(ConfigError, match="url"):
        twin(url)


def test_wrong_arguments_are_refused(twin):
    with pytest.raises(ConfigError, match="speed"):
        twin("ws://127.0.0.1:9/", speed=0.0)
    with pytest.raises(ConfigError, match="dialekt"):
        twin("ws://127.0.0.1:9/", game={"dialekt": "v1"})
    with pytest.raises(ConfigError, match="drop_ticks"):
        twin("ws://127.0.0.1:9/", faults={"drop_ticks": 2.0})
