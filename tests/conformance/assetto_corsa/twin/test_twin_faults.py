"""Every fault switch of the twin does what it says, seen by clients that know only the protocol's description."""

import ast
import json
import math
import socket

import pytest

from envs.assetto_corsa.twin.faults import Faults
from envs.errors import ConfigError


@pytest.fixture
def faulty(session):
    """Return a function that makes a connected session with faults."""

    def make(**faults):
        one = session(is_strict=True, game_options={"faults": faults})
        one.connect()
        return one

    return make


def steps(states):
    return [state["steps"] for state in states]


def test_there_is_no_fault_by_default():
    values = vars(Faults())
    assert not any(value for value in values.values() if isinstance(value, bool))
    assert all(value is None for name, value in values.items() if name.endswith("_after_states"))


@pytest.mark.parametrize(
    "values",
    [
        {"copies": 0},
        {"lose_every": 0},
        {"nan_key": "nonsense"},
        {"stall_s": -1.0},
        {"silent": 1},
        {"frame_rate_fps": 0.0},
        {"reply_piece_bytes": 0},
        {"die_after_states": 0},
    ],
)
def test_wrong_faults_are_refused(values):
    with pytest.raises(ConfigError):
        Faults(**values)


def test_refused(twin, ego):
    server = twin(faults={"refuse": True})
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(server.management, timeout=5.0)
    client = ego(server)
    client.send("connect")
    assert client.is_silent(0.1)
    server.faults = Faults()  # the plugin was loaded
    assert client.connect()["steps"] == 1
    socket.create_connection(server.management, timeout=5.0).close()
    server.faults = Faults(refuse=True)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(server.management, timeout=5.0)


def test_silent_and_management_answers(twin, ego, ask):
    server = twin(faults={"silent": True})
    client = ego(server)
    client.send("connect")
    assert client.is_silent(0.1)
    assert "CarName" in ask(server, "get_static_info")


def test_without_the_patch_a_reset_changes_nothing(game):
    one = game(faults={"no_reset": True})
    one.press(0.0, 1.0, -1.0)
    one.advance(5.0)
    before = one.state()
    one.reset()
    assert one.state() == before
    assert one.resets == 0


@pytest.mark.parametrize("is_strict", [True, False])
def test_replies_in_pieces(twin, tcp, is_strict):
    server = twin(is_strict=is_strict, faults={"reply_piece_bytes": 300, "reply_pause_s": 0.01})
    connection = tcp(server.management)
    connection.sendall(b"get_config")
    text, pieces = b"", 0
    while not text.endswith(b"}"):
        text += connection.recv(1 << 20)
        pieces += 1
    assert pieces >= 3
    assert len(ast.literal_eval(text.decode())) == 28


@pytest.mark.parametrize("is_strict", [True, False])
def test_half_a_reply_then_closed(twin, tcp, is_strict):
    connection = tcp(twin(is_strict=is_strict, faults={"half_reply": True}).management)
    connection.sendall(b"get_static_info")
    text = b""
    while piece := connection.recv(1 << 16):
        text += piece
    assert text.startswith(b"{")
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


def test_slow_replies(twin, tcp):
    connection = tcp(twin(faults={"slow_reply_s": 0.4}).management, timeout_s=0.1)
    connection.sendall(b"get_config")
    with pytest.raises(TimeoutError):
        connection.recv(1)
    connection.settimeout(5.0)
    assert connection.recv(1) == b"{"


def test_another_car_and_track_are_told(game):
    told = game(faults={"wrong_car": "lada", "wrong_track": "monza"}).static_info()
    assert (told["CarName"], told["TrackName"], told["TrackConfiguration"]) == ("lada", "monza", "")


@pytest.mark.parametrize(
    ("key", "value"), [("ego_sampling_freq", 50), ("vjoy_executed_by_server", False), ("color_mode", "other")]
)
def test_another_config_is_told(game, key, value):
    right, wrong = game().config(), game(faults={"wrong_config": key}).config()
    assert wrong == right | {key: value}


def test_a_config_key_that_is_none_is_refused(game):
    with pytest.raises(ConfigError, match="sampling_freq"):
        game(faults={"wrong_config": "nonsense"}).config()


def test_a_wrong_frame_rate_makes_all_rates_wrong(twin, ego):
    client = ego(twin(speed=20.0, faults={"frame_rate_fps": 60.0}))
    states = [client.connect()] + [client.state() for _ in range(30)]
    passed = states[-1]["timestamp_ac"] - states[0]["timestamp_ac"]
    assert 30 / passed == pytest.approx(15.0, rel=0.02)  # 60 fps, a state every 4th frame


def test_lost_states(faulty):
    assert steps(faulty(lose_every=3).states(0.4)) == [1, 2, 4, 5, 7, 8, 10]


def test_a_backlog_that_comes_at_once(faulty):
    one = faulty(burst_states=5)
    assert one.states(0.16) == []
    assert steps(one.states(0.04)) == [1, 2, 3, 4, 5]


def test_copies(faulty):
    assert steps(faulty(copies=3).states(0.08)) == [1, 1, 1, 2, 2, 2]


def test_a_stall(faulty):
    one = faulty(stall_after_states=3, stall_s=1.0)
    states = one.states(2.0)
    assert steps(states[:3]) == [1, 2, 3]
    assert states[3]["timestamp_ac"] - states[2]["timestamp_ac"] == pytest.approx(1.0, abs=0.05)
    assert states[3]["steps"] > 20  # they were lost


@pytest.mark.parametrize("key", ["speed", "tyres_load", "LapCount"])
def test_a_value_that_is_not_a_number(faulty, key):
    states = faulty(nan_after_states=2, nan_key=key).states(0.16)
    for state in states[:2]:
        assert math.isfinite(state["speed"])
    for state in states[2:]:
        value = state[key]
        assert math.isnan(value[0] if isinstance(value, list) else value)


def test_a_missing_key(faulty):
    (state,) = faulty(missing_key="yaw").states(0.04)
    assert "yaw" not in state
    assert len(state) == 89


def test_a_state_cut_short(faulty):
    ((data, _),) = faulty(truncate_bytes=1480).wait(0.04)
    assert len(data) == 1480
    with pytest.raises(json.JSONDecodeError):
        json.loads(data)


def test_a_server_that_dies(faulty):
    one = faulty(die_after_states=4)
    sent = [data for data, _ in one.wait(1.0)]
    assert sent[-1] == b"disconnect"
    assert len(sent) == 5
    assert one.ego.is_dead
    assert one.say("connect") == []


def test_a_disconnect_that_means_nothing(faulty):
    sent = [data for data, _ in faulty(disconnect_after_states=2).wait(0.2)]
    assert sent[2] == b"disconnect"
    assert len(sent) == 6


def test_a_stray_identified(faulty):
    sent = [data for data, _ in faulty(identified_after_states=2).wait(0.2)]
    assert sent[2] == b"identified"
    assert steps([json.loads(data) for data in (sent[3], sent[-1])]) == [3, 5]


def test_a_second_client_takes_the_stream(faulty):
    one = faulty(usurped_after_states=5)
    assert steps(one.states(1.0)) == [1, 2, 3, 4, 5]
    one.connect()
    assert steps(one.states(0.12)) == [1, 2, 3]


def test_a_plugin_that_begins_anew(faulty):
    assert steps(faulty(restart_after_states=5).states(0.48)) == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6, 7]


def test_a_jump(faulty):
    states = faulty(teleport_after_states=3).states(0.2)
    places = [(state["world_position_x"], state["world_position_y"]) for state in states]
    assert math.dist(places[2], places[3]) == pytest.approx(400.0, abs=1.0)  # the circle's diameter


def test_controls_without_effect(faulty, words):
    one = faulty(ignore_controls=True)
    one.say(words(1, acc=1.0, steer=0.5))
    (state,) = one.states(0.04)
    assert (state["accStatus"], state["steerAngle"]) == (0.0, 0.0)


def test_a_wheel_that_freezes(faulty, words):
    one = faulty(freeze_steer_after_states=3)
    angles = []
    for number in range(6):
        one.say(words(number, steer=0.01 * (number + 1)))
        angles.append(one.states(0.04)[0]["steerAngle"])
    assert angles[3:] == angles[2:3] * 3
    assert len(set(angles)) == 3


def test_a_gearbox_that_stays_in_neutral(game):
    one = game(faults={"stay_in_neutral": True})
    one.press(0.0, 1.0, -1.0)
    one.advance(3.0)
    state = one.state()
    assert (state["actualGear"], state["speed"]) == (1, 0.0)
    assert state["RPM"] > 5000.0
