"""The twin over its ports: telemetry for a client that knows only its description, a pad, pictures, other plugins."""

import json
import math
import socket
import struct
import zlib
from itertools import pairwise

import numpy as np
import pytest

from envs.errors import ConfigError, ProtocolError, SimulatorUnavailable
from envs.trackmania.twin.frame_channel import FrameClient
from envs.trackmania.twin.game import TwinGame
from envs.trackmania.twin.pad import datagram
from envs.trackmania.twin.server import TwinServer

A, B = 0x1000, 0x2000
FRAME_US = 10_000


@pytest.mark.point("trackmania", 31)
def test_a_client_of_the_description_alone_drives(twin, read, pad):
    server = twin()
    client, hands = read(server), pad(server)
    hands.send(right=255, stick=3277)
    server.step(150 * FRAME_US)
    records = client.records(150)
    assert {record["speed"] for record in records} == {0.0}  # the countdown
    assert records[-1]["gas"] == 1.0
    assert records[-1]["steer"] == pytest.approx(0.1, abs=1e-4)
    server.step(100 * FRAME_US)
    records = client.records(100)
    assert records[-1]["speed"] > 8.0
    for before, after in pairwise(records):
        moved = math.dist([before[k] for k in "xyz"], [after[k] for k in "xyz"])
        assert moved == pytest.approx(0.01 * after["speed"], rel=0.05, abs=1e-3)
    assert records[-1]["finished"] == 0.0
    assert records[-1]["rpm"] > 1000.0


@pytest.mark.point("trackmania", 31)
def test_restart_needs_a_rising_edge_of_b(twin, read, pad):
    server = twin()
    client, hands = read(server), pad(server)
    hands.send(right=255)
    server.step(300 * FRAME_US)
    client.records(299)
    driving = client.record()
    assert driving["speed"] > 10.0
    hands.send(right=255, buttons=B)
    server.step(FRAME_US)
    begun = client.record()
    assert begun["speed"] == begun["distance"] == 0.0
    assert math.dist([begun[k] for k in "xyz"], server.game.trajectory()[0]) < 0.01
    hands.send(right=255, buttons=B)  # held: no second restart
    server.step(200 * FRAME_US)
    hands.send(right=255, buttons=B)
    server.step(FRAME_US)
    assert client.records(201)[-1]["speed"] > 5.0
    hands.send(right=255)
    hands.send(right=255, buttons=B | A)
    server.step(FRAME_US)
    assert client.record()["speed"] == 0.0


@pytest.mark.point("trackmania", 31)
@pytest.mark.parametrize("name", ["TMRL8", "TMRL9", "TMRL11", "RACE16", "CP19", "OTHER19", "OTHER20", "MAP25", "IQN33"])
def test_every_layout_has_its_length(twin, read, name):
    sizes = dict(TMRL8=8, TMRL9=9, TMRL11=11, RACE16=16, CP19=19, OTHER19=19, OTHER20=20, MAP25=25, IQN33=33)
    server = twin(layout=name)
    client = read(server, sizes[name])
    server.game.press(1.0, 0.0, 0.0)
    server.step(250 * FRAME_US)
    records = np.array([client.floats() for _ in range(250)])
    assert np.isfinite(records).all()
    assert client.rest == b""


def test_layouts_agree_about_what_they_share():
    game = TwinGame(1)
    game.press(1.0, 0.0, 0.3)
    game.advance(5.0)
    speed, _, x, y, z, steer, gas, brake, finished, gear, rpm = game.record()
    race, points, own, iqn = (game.record(name) for name in ("RACE16", "CP19", "MAP25", "IQN33"))
    for record, first in ((race, 3), (points, 3), (own, 2), (iqn, 4)):
        assert record[first : first + 3] == (x, y, z)
    assert math.hypot(race[0], race[1]) == pytest.approx(speed)
    assert race[6:12] == (steer, gas, brake, finished, gear, rpm)
    assert race[15] == pytest.approx(3.5)
    assert (points[2], points[6:10], points[18]) == (speed, (steer, gas, brake, finished), gear)
    assert own[:11] == game.record()
    assert iqn[16:19] == (speed, rpm, gear)
    assert iqn[30:33] == (steer, gas, brake)
    assert iqn[3] == pytest.approx(3500.0)
    yaw = own[11]
    assert points[12] == yaw
    assert race[12:15] == pytest.approx((math.sin(yaw), 0.0, math.cos(yaw)), abs=1e-6)
    assert iqn[10:13] == race[12:15]
    assert np.hypot(iqn[7], iqn[9]) == pytest.approx(1000.0 * speed, rel=1e-5)  # millimetres a second
    game.advance(0.01)
    moved = np.subtract(game.record("IQN33")[4:7], iqn[4:7]) / 0.01
    assert np.multiply(0.001, iqn[7:10]) == pytest.approx(moved, abs=0.3)


def test_the_rich_layout_carries_a_checksum():
    game = TwinGame(1)
    head = struct.Struct("<4sHHIIQII")
    magic, version, count, number, race_ms, map_hash, flags, checksum = head.unpack(game.record_bytes("RICH1")[:32])
    assert (magic, version, count, number, race_ms, flags) == (b"TMR1", 1, 30, 0, 0xFFFFFFFF, 2)
    game.press(1.0, 0.0, 0.0)
    game.advance(2.0)
    data = game.record_bytes("RICH1")
    _, _, _, number, race_ms, same_hash, flags, checksum = head.unpack(data[:32])
    assert (number, race_ms, flags, same_hash) == (200, 500, 0, map_hash)
    assert checksum == zlib.crc32(data[32:])
    payload = struct.unpack("<30f", data[32:])
    assert payload[:11] == game.record()
    assert np.linalg.norm(payload[11:14]) == pytest.approx(payload[0])
    assert np.linalg.norm(payload[14:17]) == pytest.approx(1.0)


def test_a_wrong_layout_is_refused_with_the_choices():
    with pytest.raises(ConfigError, match=r"TMRL11.*IQN33.*OTHER22"):
        TwinServer(port=0, layout="TMRL12")


@pytest.mark.point("trackmania", 33)
def test_the_wire_carries_what_the_game_shows(twin, read, pad):
    server, game = twin(game={"seed": 3}), TwinGame(3)
    client, hands = read(server), pad(server)
    random = np.random.default_rng(0)
    for _ in range(60):
        right, stick = int(random.integers(256)), int(random.integers(-32767, 32768))
        hands.send(right=right, stick=stick)
        server.step(5 * FRAME_US)
        game.press(right / 255, 0.0, stick / 32767)
        game.advance(0.05)
        assert [client.floats() for _ in range(5)][-1] == game.record()


def test_the_first_record_comes_with_the_first_frame_after_connecting(twin, read):
    server = twin()
    server.step(10 * FRAME_US)
    client = read(server)
    assert client.is_silent(0.05)
    server.step(FRAME_US)
    assert len(client.records(1)) == 1


def test_a_lost_client_is_noticed_at_a_write_and_the_next_one_is_served(twin, read):
    server = twin()
    client = read(server)
    client.close()
    server.step(0)
    assert server._port.is_connected  # not looked at
    while server._port.is_connected:
        server.step(FRAME_US)
    again = read(server)
    server.step(FRAME_US)
    assert again.record()["gear"] == 1.0


def test_a_second_client_hears_nothing_until_the_first_one_ends_it(twin, read, eventually):
    server = twin()
    client = read(server)
    second = read(server, accepted=False)  # in the backlog
    server.step(5 * FRAME_US)
    client.records(5)
    assert second.is_silent(0.2)
    client.close()
    while server._port.is_connected:
        server.step(FRAME_US)
    with pytest.raises((EOFError, ConnectionResetError)):
        second.record()
    third = read(server)
    server.step(FRAME_US)
    assert third.record()


def test_a_client_that_never_reads_is_dropped(twin, read):
    server = twin(layout="IQN33", faults={"copies": 1000})
    read(server)
    for _ in range(2000):
        server.step(FRAME_US)
        if not server._port.is_connected:
            break
    assert not server._port.is_connected


def test_datagrams_of_another_size_are_counted(twin, pad):
    server = twin()
    hands = pad(server)
    for size in (0, 1, 5, 7, 600):
        hands.socket.sendto(bytes([255] * size), hands.address)
    hands.send(right=51)
    server.step(FRAME_US)
    assert (server.pad.taken, server.pad.refused) == (1, 5)
    assert server.game.record()[6] == pytest.approx(0.2)


def test_any_datagrams_leave_a_game_that_drives(twin, pad):
    server, random = twin(), np.random.default_rng(3)
    hands = pad(server)
    for _ in range(300):
        hands.socket.sendto(random.bytes(int(random.choice([6, 6, 6, 5, 60]))), hands.address)
        server.step(int(random.integers(0, 60_000)))
        assert np.isfinite(server.game.record("IQN33")).all()
        assert server.game.record()[0] < 110.0
    hands.send(stick=-32768)
    server.step(FRAME_US)
    assert server.game.record()[5] == -1.0


@pytest.mark.parametrize(
    ("action", "bytes_"),
    [
        ((1.0, 0.0, 0.0), (255, 0, 0)),
        ((0.5, 1.0, 1.0), (128, 255, 32767)),
        ((-1.0, -0.3, -1.0), (0, 0, -32767)),
        ((3.0, 0.0, -2.0), (255, 0, -32767)),
    ],
)
def test_a_datagram_has_the_pads_resolution(action, bytes_):
    assert datagram(*action, buttons=B) == struct.pack("<BBhH", *bytes_, B)


def test_pictures_come_over_the_frame_channel(twin):
    server = twin(game={"seed": 2, "full_size": [64, 32]})
    server.step(40 * FRAME_US)
    client = FrameClient(*server.frames)
    picture, number, time_us = client.screenshot("full")
    assert (number, time_us) == (40, 400_000)
    np.testing.assert_array_equal(picture, server.game.screenshot("full"))
    assert client.step(0.5) == (90, 900_000)
    picture, number, _ = client.screenshot("lidar")
    assert picture.shape == (488, 958, 3)
    assert number == 90
    client.close()


def test_the_frame_channel_ends_what_it_does_not_know(twin):
    server = twin()
    for request in (b"HELLO   ", struct.pack("<4sI", b"SHOT", 7), struct.pack("<4sI", b"STEP", 2**32 - 1)):
        with socket.create_connection(server.frames, timeout=5.0) as connection:
            connection.sendall(request)
            assert connection.recv(1) == b""


def test_frame_clients_say_what_is_wrong(twin, read):
    server = twin()
    with pytest.raises(SimulatorUnavailable, match="Does the twin run"):
        FrameClient("127.0.0.1", 1)
    client = FrameClient(*server.frames, timeout_s=0.2)
    server.close()
    with pytest.raises(SimulatorUnavailable, match="ended"):
        client.screenshot("full")
    live = twin(layout="RICH1")
    wrong = FrameClient(*live.telemetry, timeout_s=5.0)
    while live._port.accepted == 0:
        live.step(0)
    live.step(FRAME_US)
    with pytest.raises(ProtocolError, match="telemetry"):
        wrong.screenshot("full")


def test_too_many_visitors_are_sent_away(twin):
    server = twin()
    visitors = [socket.create_connection(server.frames, timeout=5.0) for _ in range(12)]
    assert visitors[-1].recv(1) == b""
    for visitor in visitors:
        visitor.close()


def test_connecting_saves_a_ghost(twin, eventually):
    server = twin(ghost_port=0)
    for _ in range(2):
        with socket.create_connection(server.ghosts.address, timeout=5.0) as connection:
            assert connection.recv(1) == b""
    eventually(lambda: server.ghosts.saved == 2)
    assert twin().ghosts is None


def ask(address, line):
    with socket.create_connection(address, timeout=5.0) as connection:
        connection.sendall(line)
        return json.loads(connection.makefile().readline())


def test_readiness_is_told(twin):
    server = twin(readiness_port=0)
    told = ask(server.readiness.address, b'{"protocol_version":"2","command":"verify_loaded_map"}\n')
    assert (told["status"], told["protocol_version"], told["ready"]) == ("ok", "2", "true")
    assert told["map_uid"] == server.game.map_uid
    server.game.popup_open = True
    told = ask(server.readiness.address, b'{"protocol_version":"2","command":"confirm_ready"}\n')
    assert told == {"status": "error", "protocol_version": "2", "error": "player_not_ready"}
    server.faults = type(server.faults)(silent=True)
    told = ask(server.readiness.address, b'{"protocol_version":"2","command":"verify_loaded_map"}\n')
    assert told["error"] == "no_local_map_loaded"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"hello\n", "invalid_or_too_large_request"),
        (b"[]\n", "invalid_or_too_large_request"),
        (b'{"a":"' + b"x" * 17_000 + b'"}\n', "invalid_or_too_large_request"),
        (b'{"protocol_version":"1","command":"confirm_ready"}\n', "unsupported_protocol"),
        (b'{"protocol_version":"2","command":"drive"}\n', "unknown_command"),
    ],
)
def test_readiness_refuses_in_its_words(twin, line, error):
    assert ask(twin(readiness_port=0).readiness.address, line)["error"] == error


def test_several_twins_have_ports_of_their_own(twin):
    servers = [twin(number=number, game={"seed": 5}) for number in range(3)]
    addresses = {
        (kind, one) for s in servers for kind, one in (("t", s.telemetry), ("p", s.pad_address), ("f", s.frames))
    }
    assert len(addresses) == 9
    assert len({server.game.map_uid for server in servers}) == 3  # seeds 5, 6, 7
    assert servers[1].game.map_uid == TwinGame(6).map_uid


@pytest.mark.point("trackmania", 46)
def test_ports_are_side_by_side_on_loopback(twin):
    probe = socket.create_server(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    probe.close()
    server = twin(port=port)
    assert server.telemetry == ("127.0.0.1", port)
    assert server.pad_address == ("127.0.0.1", port + 1)
    assert server.frames == ("127.0.0.1", port + 2)
    with pytest.raises(ConfigError, match=f"{port}.*Choose another port"):
        twin(port=port)


def test_closing_twice_is_fine_and_frees_the_ports(twin):
    server = twin()
    port = server.telemetry[1]
    server.close()
    server.close()
    assert twin(port=port).telemetry[1] == port


def test_wrong_arguments_are_refused_in_words():
    for arguments, says in (
        ({"game": {"fps": 3}}, "frame_rate_fps"),
        ({"game": {"seed": "one"}}, "seed"),
        ({"faults": {"silence": True}}, "silent"),
        ({"faults": {"silent": 1}}, "silent: bool"),
        ({"speed": -1.0}, "speed"),
        ({"port": 65534}, "port"),
        ({"game": {"trajectory": "/nowhere.npz"}}, "/nowhere.npz"),
        ({"game": {"full_size": [64]}}, "width, height"),
    ):
        with pytest.raises(ConfigError, match=says):
            TwinServer(**{"port": 0} | arguments)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_a_recorded_drive_comes_from_a_file(twin, tmp_path, suffix):
    points = np.stack([np.arange(0.0, 50.0, 0.1), np.full(500, 10.0), np.full(500, 30.0)], axis=-1)
    path = tmp_path / f"drive.{suffix}"
    np.savez(path, points=points) if suffix == "npz" else np.save(path, points)
    game = twin(game={"trajectory": str(path)}).game
    np.testing.assert_allclose(game.trajectory()[:490], points[:490], atol=1e-9)
    broken = tmp_path / f"broken.{suffix}"
    broken.write_bytes(b"not this")
    with pytest.raises(ConfigError, match="broken"):
        TwinGame(trajectory=str(broken))
