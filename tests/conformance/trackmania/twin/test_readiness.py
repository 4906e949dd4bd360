"""Which map is loaded, asked of the twin's readiness channel as of the plugin's."""

import socket
import threading

import numpy as np
import pytest

from envs.errors import ProtocolError, SimulatorUnavailable
from envs.findings import OK, PROBLEM, WARNING
from envs.trackmania import readiness
from envs.trackmania.doctor import diagnose
from envs.trackmania.readiness import CONFIRM_READY, Readiness, ask_readiness
from envs.trackmania.recording import record
from envs.trackmania.trajectory import Trajectory, load_trajectory
from envs.trackmania.twin.faults import Faults


def test_the_twin_answers(twin):
    server = twin(readiness_port=0)
    host, port = server.readiness.address
    assert ask_readiness(host=host, port=port) == Readiness(server.game.map_uid, True)
    server.game.popup_open = True
    assert ask_readiness(CONFIRM_READY, host=host, port=port) == Readiness(None, False, "player_not_ready")
    server.faults = Faults(silent=True)
    assert ask_readiness(host=host, port=port) == Readiness(None, False, "no_local_map_loaded")


@pytest.mark.parametrize(
    "answer",
    [b"", b"{}\n", b"[1]\n", b"no JSON\n", b'{"status":"ok","protocol_version":"1","map_uid":"a","ready":"true"}\n'],
)
def test_what_is_no_answer_is_named(answer):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(ProtocolError, match="no answer"):
            ask_readiness(port=listener.getsockname()[1])


def test_a_missing_plugin_is_named():
    with pytest.raises(SimulatorUnavailable, match="IQN33"):
        ask_readiness(port=1)


def line(path, map_uid):
    points = np.stack([np.zeros(500), np.zeros(500), 0.1 * np.arange(500)], axis=1)
    Trajectory(points, map_uid).save(path)
    return str(path)


@pytest.mark.slow
def test_the_doctor_compares_maps(twin, tmp_path, monkeypatch):
    server = twin(readiness_port=0)
    monkeypatch.setattr(readiness, "PORT", server.readiness.address[1])
    arguments = {"obs": "edges", "hosts": "127.0.0.1:1", "controls": "none", "layout": "IQN33"}

    def ninth(map_uid):
        findings = diagnose({**arguments, "trajectory": line(tmp_path / "line.npz", map_uid)}, 0.1, tmrl_data=tmp_path)
        return next(one for one in findings if one.check.startswith("9 "))

    assert ninth(server.game.map_uid).verdict == OK
    other = ninth("oqIJ5rQDRrNwLPTh9H2p_W4tLof")
    assert other.verdict == PROBLEM
    assert server.game.map_uid in other.found
    server.close()
    assert ninth("").verdict == WARNING


def test_a_recording_says_which_map_it_belongs_to(twin, tmp_path, monkeypatch, eventually):
    straight = np.stack([np.zeros(1201), np.zeros(1201), 0.1 * np.arange(1201)], axis=1)
    server = twin(layout="IQN33", readiness_port=0, speed=8.0, game={"trajectory": straight, "countdown_s": 0.0})
    monkeypatch.setattr(readiness, "PORT", server.readiness.address[1])

    def person():
        """Drive as soon as somebody watches."""
        eventually(lambda: server._port.accepted > 0)
        with server.lock:
            server.game.restart()
            server.game.press(1.0, 0.0, 0.0)

    threading.Thread(target=person, daemon=True).start()
    request = {"kind": "trajectory", "file": tmp_path / "line.npz", "map_uid": "", "timeout_s": 30, "episodes": 1}
    record({"hosts": f"127.0.0.1:{server.telemetry[1]}", "layout": "IQN33"}, request)
    assert load_trajectory(tmp_path / "line.npz").map_uid == server.game.map_uid
