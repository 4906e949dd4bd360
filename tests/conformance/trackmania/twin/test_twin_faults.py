"""Every fault switch of the twin does what it says, seen by a client that knows only the telemetry's description."""

import itertools
import math
import socket
import struct
from pathlib import Path

import numpy as np
import pytest

from envs.errors import ConfigError
from envs.trackmania.twin.driver import CentreLineDriver
from envs.trackmania.twin.faults import Faults
from envs.trackmania.twin.game import TwinGame

FRAME_US = 10_000
B = 0x2000
pytestmark = pytest.mark.point("trackmania", 32)


def test_there_is_no_fault_by_default():
    assert not any(value for name, value in vars(Faults()).items() if isinstance(value, bool))
    assert all(value is None for name, value in vars(Faults()).items() if name.endswith("after_frames"))


def test_refused(twin, read):
    server = twin(faults={"refuse": True})
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(server.telemetry, timeout=5.0)
    server.faults = Faults()  # the plugin was loaded again
    client = read(server)
    server.step(FRAME_US)
    assert client.record()
    server.faults = Faults(refuse=True)
    with pytest.raises((EOFError, ConnectionResetError)):
        client.record()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(server.telemetry, timeout=5.0)


def test_silent_as_in_a_menu(twin, read):
    server = twin(faults={"silent": True})
    client = read(server)
    server.step(100 * FRAME_US)
    assert client.is_silent(0.1)
    server.faults = Faults()
    server.step(FRAME_US)
    assert client.record()


def test_closed_after_frames_and_taken_back(twin, read):
    server = twin(faults={"close_after_frames": 7})
    for _ in range(2):  # each connection
        client = read(server)
        server.step(20 * FRAME_US)
        assert len(client.records(7)) == 7
        with pytest.raises(EOFError, match="0 bytes"):
            client.record()


def test_half_a_record_then_closed(twin, read):
    server = twin(faults={"half_after_frames": 3})
    client = read(server)
    server.step(20 * FRAME_US)
    client.records(3)
    with pytest.raises(EOFError, match="22 bytes"):
        client.record()


def test_stalled_for_a_while(twin, read):
    server = twin(faults={"stall_after_frames": 5, "stall_s": 2.0})
    client = read(server)
    server.game.press(1.0, 0.0, 0.0)
    server.step(100 * FRAME_US)
    client.records(5)  # 1 to 5: the first frame of all was shown before anybody listened
    assert client.is_silent(0.1)
    server.step(120 * FRAME_US)
    told = client.records(15)  # 2.2 s in all, less 2.05 s
    assert told[0]["speed"] > 0.0  # the game went on
    assert server.game.time_s == pytest.approx(2.2)


def test_frozen_game_stands_still():
    game = TwinGame(1)
    game.press(0.5, 0.0, 0.0)
    game.advance(3.0)
    before, clock = game.record(), game.frame.race_time_s
    game.faults = Faults(freeze_after_frames=0, freeze_s=4.0)
    picture = game.screenshot("full")
    game.advance(3.9)
    assert game.record() == before
    assert (game.screenshot("full") == picture).all()
    game.advance(0.2)
    after = game.record()
    assert 0.0 < after[1] - before[1] < 0.2 * after[0]
    assert game.frame.race_time_s == pytest.approx(clock + 0.1, abs=0.011)


def test_one_byte_writes(twin, read):
    server, plain = twin(faults={"one_byte_writes": True}), twin()
    client, other = read(server), read(plain)
    for each in (server, plain):
        each.game.press(1.0, 0.0, 0.2)
    sizes = []
    for _ in range(20):
        server.step(10 * FRAME_US)
        plain.step(10 * FRAME_US)
        assert client.records(10) == other.records(10)
        sizes.append(len(client.rest))
    assert sizes == [0] * 20


def test_coalesced_bursts(twin, read):
    server = twin(faults={"burst_frames": 8})
    client = read(server)
    server.step(7 * FRAME_US)
    assert client.is_silent(0.05)
    server.step(FRAME_US)
    assert len(client.socket.recv(4096)) == 8 * 44


def test_duplicated_records(twin, read):
    server = twin(faults={"copies": 3})
    client = read(server)
    server.game.press(1.0, 0.0, 0.0)
    server.step(200 * FRAME_US)
    told = client.records(600)
    assert told[0::3] == told[1::3] == told[2::3]
    assert told[-1]["speed"] > told[-4]["speed"]


@pytest.mark.parametrize("field", [0, 2, 10])
def test_nan_in_one_field(twin, read, field):
    server = twin(faults={"nan_after_frames": 4, "nan_field": field, "nan_frames": 3})
    client = read(server)
    server.step(10 * FRAME_US)
    broken = [[i for i, value in enumerate(client.floats()) if math.isnan(value)] for _ in range(10)]
    # The first record that is read is of the second frame.
    assert broken == [[]] * 3 + [[field]] * 3 + [[]] * 4


def test_nan_in_process():
    game = TwinGame(0, faults=Faults(nan_after_frames=0))
    assert math.isnan(game.record()[2])
    game.faults = Faults()
    assert np.isfinite(game.record()).all()


def test_teleport():
    game = TwinGame(1)
    game.press(0.5, 0.0, 0.0)
    game.advance(3.0)
    before = game.record()
    game.faults = Faults(teleport_after_frames=2, teleport_m=200.0)
    game.advance(0.02)
    near = game.record()
    game.advance(0.01)
    far = game.record()
    assert math.dist(before[2:5], near[2:5]) < 1.0
    line = game.trajectory()
    places = [int(np.argmin(np.linalg.norm(line - record[2:5], axis=1))) for record in (near, far)]
    assert 0.1 * (places[1] - places[0]) == pytest.approx(200.0, abs=1.0)
    assert far[0] == pytest.approx(near[0], abs=0.5)


def test_wrong_layout(twin, read):
    server = twin(faults={"wrong_layout": "IQN33"})
    client = read(server, 33)
    server.step(3 * FRAME_US)
    assert [client.floats()[10:13] for _ in range(3)][-1] == server.game.record("IQN33")[10:13]


def test_layout_change_at_reconnect(twin, read):
    server = twin(faults={"next_layout": "RACE16", "close_after_frames": 2})
    first = read(server)
    server.step(5 * FRAME_US)
    assert len(first.records(2)) == 2
    second = read(server, 16)
    server.step(5 * FRAME_US)
    second.floats()
    assert np.hypot(*np.take(second.floats(), [12, 14])) == pytest.approx(1.0)


def finished(**arguments):
    line = np.zeros((200, 3))
    line[:, 0] = np.arange(200.0)
    game = TwinGame(trajectory=line, **arguments)
    driver = CentreLineDriver(game.road)
    while not game.finishes:
        assert game.time_s < 60.0
        game.press(*driver.action(game.frame))
        game.advance(0.05)
    return game


def test_stale_finish():
    game = finished(faults=Faults(stale_finish_frames=4))
    game.restart()
    flags = []
    for _ in range(6):
        game.advance(0.01)
        flags.append(game.record()[8])
    assert flags == [1, 1, 1, 1, 0, 0]
    game.restart()  # nothing was finished: nothing is stale
    game.advance(0.01)
    assert game.record()[8] == 0.0


def test_finish_flag_stuck():
    game = TwinGame(0, faults=Faults(finish_stuck=True))
    game.restart()
    game.advance(3.0)
    assert game.record()[8] == 1.0
    assert game.finishes == 0


def test_five_frames_a_second(twin, read):
    server = twin(game={"frame_rate_fps": 5})
    client = read(server)
    server.step(2_000_000)
    assert len(client.records(10)) == 10
    assert client.is_silent(0.05)


def test_a_second_client_waits_in_the_backlog(twin, read):
    server = twin()
    first = read(server)
    second = read(server, accepted=False)
    server.step(3 * FRAME_US)
    assert first.records(3)
    assert second.is_silent(0.1)


def test_restart_in_mid_episode():
    game = TwinGame(2, faults=Faults(restart_after_frames=250))
    game.press(1.0, 0.0, 0.0)
    game.advance(2.48)
    assert game.record()[0] > 5.0
    game.advance(0.03)
    assert game.record()[:2] == (0.0, 0.0)
    assert game.frame.race_time_s < 0.0


def test_pad_not_plugged_in(twin, pad):
    server = twin(faults={"ignore_pad": True})
    hands = pad(server)
    hands.send(right=255, stick=20_000)
    server.step(300 * FRAME_US)
    assert server.pad.taken == 1
    assert server.game.record()[5:7] == (0.0, 0.0)
    assert server.game.record()[0] == 0.0


def test_restart_button_without_effect(twin, pad):
    server = twin(faults={"ignore_restart": True})
    hands = pad(server)
    hands.send(right=255)
    server.step(300 * FRAME_US)
    hands.send(right=255, buttons=B)
    server.step(FRAME_US)
    assert server.game.record()[0] > 5.0


def test_popup_that_blocks():
    game = finished(faults=Faults(popup_blocks=True))
    game.press(0.0, 0.0, 0.0)
    game.restart()
    game.advance(1.0)
    assert game.record()[8] == 1.0
    game.close_popup()
    game.restart()
    game.advance(0.01)
    assert game.record()[8] == 0.0


@pytest.mark.parametrize(
    ("key", "value"),
    [("close_after_frames", -1), ("copies", 0), ("stall_s", math.nan), ("wrong_layout", "X"), ("refuse", 1)],
)
def test_switches_refuse_in_words(key, value):
    with pytest.raises(ConfigError, match=f"{key}|layout"):
        Faults(**{key: value})


def test_each_switch_is_named_in_a_test():
    text = Path(__file__).read_text()
    assert [name for name in vars(Faults()) if name not in text] == []


def test_faults_together_do_not_stop_the_twin(twin, read):
    server = twin()
    switches = [
        {"one_byte_writes": True, "copies": 2},
        {"burst_frames": 3, "nan_after_frames": 0},
        {"half_after_frames": 1},
        {"refuse": True},
        {"teleport_after_frames": 0, "restart_after_frames": 1, "freeze_after_frames": 2, "freeze_s": 0.02},
    ]
    for chosen in itertools.islice(itertools.cycle(switches), 15):
        server.faults = Faults(**chosen)
        if not chosen.get("refuse") and not server._port.is_connected:
            read(server)
        server.step(20 * FRAME_US)
    server.faults = Faults()
    if server._port.is_connected:
        server.faults = Faults(close_after_frames=0)
        server.step(FRAME_US)
        server.faults = Faults()
    client = read(server)
    server.step(FRAME_US)
    assert struct.pack("<11f", *client.floats()) == server.game.record_bytes()
