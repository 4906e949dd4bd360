"""Point 44, as far as a game that is followed by hand shows it: each cause has its own finding and cure."""

import json
import socket
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from envs.errors import SimulatorUnavailable
from envs.findings import OK, PROBLEM, SKIPPED, WARNING
from envs.trackmania.doctor import diagnose
from envs.trackmania.doctor_controls import pad_finding
from envs.trackmania.doctor_screen import screen_checks
from envs.trackmania.layouts import IQN33
from envs.trackmania.trajectory import Trajectory

NAMES = (
    *("connection", "telemetry", "layout", "frame rate", "step timing", "plugin signature", "controls", "restart"),
    *("trajectory", "window", "lidar", "packages", "TMRL's config", "reward", "experiment log", "replays"),
)


def look(arguments, tmp_path, seconds=1.0):
    """Return the findings by number."""
    findings = diagnose(arguments, seconds, tmrl_data=tmp_path)
    assert [one.check for one in findings] == [f"{number} {name}" for number, name in enumerate(NAMES, 1)]
    assert all(one.cure for one in findings if one.verdict in (PROBLEM, WARNING))
    return {number: one for number, one in enumerate(findings, 1)}


@pytest.mark.point("trackmania", 44)
@pytest.mark.parametrize("obs", ["lidar", "full", "edges"])
def test_a_healthy_game_has_no_problem(obs, tmp_path, lockstep):
    findings = look({"twin": "lockstep", "obs": obs}, tmp_path)
    assert {number for number, one in findings.items() if one.verdict == PROBLEM} == set()
    ok = {number for number, one in findings.items() if one.verdict == OK}
    assert {1, 2, 3, 4, 5, 7, 8, 9, 14, 15} <= ok
    assert "TMRL11" in findings[3].found
    assert "50.0 frames/s" in findings[4].found
    assert "told as 1.00" in findings[7].found
    assert "turned -" in findings[7].found


def test_the_countdown_is_measured(tmp_path, lockstep):
    found = look({"twin": "lockstep", "obs": "edges", "twin_game": {"countdown_s": 1.5}}, tmp_path)[8]
    assert (found.verdict, "took 1.5" in found.found) == (OK, True)
    longer = {"twin": "lockstep", "obs": "edges", "twin_game": {"countdown_s": 2.2}}
    found = look(longer, tmp_path)[8]
    assert found.verdict == WARNING
    assert "env.countdown_s=2.2" in found.cure
    assert look({**longer, "countdown_s": 2.2}, tmp_path)[8].verdict == OK


@pytest.mark.point("trackmania", 44)
@pytest.mark.parametrize(
    ("changes", "number", "words"),
    [
        ({"override": {"x": float("nan")}}, 4, "stalled"),
        ({"override": {"gas": 0.0}}, 7, "told as 0.00"),
        ({"override": {"z": 0.0, "x": 0.0}}, 14, "best reward"),
        ({"restart": lambda: None}, 8, "finish sign down"),
    ],
)
def test_faults_of_a_game_are_told_apart(changes, number, words, tmp_path, lockstep, monkeypatch):
    module = sys.modules["envs.trackmania.twin.game"]
    make = module.TwinGame

    def broken(**arguments):
        game = make(**arguments)
        for name, value in changes.items():
            setattr(game, name, value)
        return game

    monkeypatch.setattr(module, "TwinGame", broken)
    findings = look({"twin": "lockstep", "obs": "lidar"}, tmp_path)
    assert findings[number].verdict == PROBLEM
    assert words in findings[number].found


@pytest.mark.parametrize(
    ("dies_s", "verdicts"),
    [
        (4.0, {7: PROBLEM, 8: SKIPPED, 5: SKIPPED, 14: SKIPPED}),  # while gas is pressed
        (12.0, {7: OK, 8: OK, 5: PROBLEM, 14: SKIPPED}),  # in the episode after it
    ],
)
def test_a_link_that_dies_while_it_is_driven_hides_no_check(dies_s, verdicts, tmp_path, lockstep, monkeypatch):
    module = sys.modules["envs.trackmania.twin.game"]
    make = module.TwinGame

    def mortal(**arguments):
        game = make(**arguments)
        advance = game.advance

        def advance_or_die(duration_s):
            advance(duration_s)
            game.override = {"x": float("nan")} if game.time_s > dies_s else {}

        game.advance = advance_or_die
        return game

    monkeypatch.setattr(module, "TwinGame", mortal)
    findings = look({"twin": "lockstep", "obs": "edges"}, tmp_path)
    assert {number: findings[number].verdict for number in verdicts} == verdicts
    lost = next(number for number, verdict in verdicts.items() if verdict == PROBLEM)
    assert "link was lost on the way" in findings[lost].found


@pytest.mark.parametrize("fails", [False, True])
def test_the_screen_that_was_looked_at_is_closed(fails, tmp_path, lockstep, monkeypatch):
    closed = []

    class Screen:
        def screenshot(self):
            if fails:
                raise SimulatorUnavailable("no window")
            return np.full((488, 958, 3), 200, np.uint8)

        def close(self):
            closed.append(self)

    env = lockstep(obs="lidar")
    env.game = replace(env.game, capture=Screen)
    found = list(screen_checks(env, "here"))
    assert len(closed) == 1
    assert found[0].verdict == (PROBLEM if fails else OK)


@pytest.mark.point("trackmania", 44)
def test_without_a_game_the_plugin_is_missed_first(tmp_path):
    findings = look({"hosts": "127.0.0.1:1", "obs": "edges", "controls": "none"}, tmp_path)
    assert (findings[1].verdict, findings[9].verdict) == (PROBLEM, PROBLEM)
    assert "reload it" in findings[1].cure
    assert "envs.record" in findings[9].cure
    assert {findings[number].verdict for number in (2, 3, 4, 5, 7, 8, 14)} == {SKIPPED}


@pytest.mark.point("trackmania", 44)
@pytest.mark.parametrize("case", ["silent", "closed", "other layout"])
def test_links_that_fail_say_how(case, tmp_path, cars):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections = []

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connections.append(connection)
                if case == "closed":
                    connection.close()
                elif case == "other layout":
                    connection.sendall(b"".join(cars.packed(IQN33, cars.driving(index)) for index in range(60)))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        hosts = f"127.0.0.1:{listener.getsockname()[1]}"
        findings = look({"hosts": hosts, "obs": "edges", "controls": "none"}, tmp_path)
        socket.create_connection(listener.getsockname()).close()
    for connection in connections:
        connection.close()
    number, word = {"silent": (2, "nothing"), "closed": (2, "closed"), "other layout": (3, "TMRL11")}[case]
    assert findings[number].verdict == PROBLEM
    assert word in findings[number].found
    assert findings[1].verdict == OK


def test_trajectories_are_looked_at(tmp_path, lockstep):
    path = tmp_path / "reward.pkl"
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    findings = look({"twin": "lockstep", "obs": "edges", "trajectory": str(path)}, tmp_path)
    assert findings[9].verdict == PROBLEM
    assert "Nothing of it was executed" in findings[9].found
    far = np.stack([np.zeros(500), np.zeros(500), 900.0 + 0.1 * np.arange(500)], axis=1)
    Trajectory(far).save(tmp_path / "line.npz")
    findings = look({"twin": "lockstep", "obs": "edges", "trajectory": str(tmp_path / "line.npz")}, tmp_path)
    assert findings[9].verdict == PROBLEM
    assert "900 m" in findings[9].found


def test_steering_that_is_reversed_is_found():
    assert pad_finding(1.0, 20.0, -0.4, "here").verdict == OK
    assert pad_finding(1.0, 20.0, 0.4, "here").verdict == PROBLEM
    assert pad_finding(1.0, 2.0, 0.0, "here").verdict == WARNING
    assert pad_finding(0.0, 0.0, 0.0, "here").verdict == PROBLEM


def test_tmrls_config_is_read_if_it_is_there(tmp_path, lockstep):
    (tmp_path / "config").mkdir()
    file = tmp_path / "config" / "config.json"
    for content, verdict in (
        ({"__VERSION__": "0.7.1"}, OK),
        ({"__VERSION__": "0.7.1", "PROT": 1}, WARNING),
        ([], WARNING),
    ):
        file.write_text(json.dumps(content))
        assert look({"twin": "lockstep", "obs": "edges"}, tmp_path)[13].verdict == verdict


@pytest.mark.slow
def test_the_command_exits_with_1_without_a_game(root):
    words = [
        "env=trackmania",
        "env.obs=edges",
        "env.hosts=127.0.0.1:1",
        "env.controls=none",
        "json=true",
        "seconds=0.5",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "envs.doctor", *words], cwd=root, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1, done.stderr
    assert len(json.loads(done.stdout)) == 16
