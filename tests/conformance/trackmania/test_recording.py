"""What is recorded in a game: trajectories out of a drive, demonstrations out of episodes."""

import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

from envs.demonstrations import Demonstration, config_hash
from envs.errors import ConfigError, SimulatorUnavailable
from envs.factory import record
from envs.trackmania.layouts import TMRL11
from envs.trackmania.recording import DriveRecorder
from envs.trackmania.records import Record
from envs.trackmania.trajectory import load_trajectory

TARGET = "envs.trackmania.env.TrackmaniaEnv"


def request(file, **changes):
    return {"kind": "trajectory", "file": str(file), "episodes": 1, "map_uid": "", "timeout_s": 20.0} | changes


def race(cars, last=450):
    """Values of records: the finish of the race before, then a drive of 40 m/s at 30 fps, then its end."""
    stale = [cars.driving(900, finished=1.0)] * 40 + [cars.told(finished=1.0)] * 5
    drive = [cars.driving(index) for index in range(last)]
    return [*stale, *drive, *[cars.driving(last, finished=1.0)] * 20]


def test_a_drive_is_what_lies_between_a_restart_and_the_finish(cars):
    recorder = DriveRecorder()
    for number, values in enumerate(race(cars)):
        recorder.see(Record(TMRL11, tuple(float(values[name]) for name in TMRL11.fields), 0.0, number))
    assert recorder.is_complete.is_set()
    trajectory = recorder.trajectory("uid", "by hand")
    np.testing.assert_allclose(trajectory.points[0], cars.START, atol=1e-6)
    assert trajectory.length_m == pytest.approx(600.0, abs=0.2)  # 450 frames of 4/3 m


def test_a_restart_begins_anew_and_a_stale_sign_records_nothing(cars):
    recorder = DriveRecorder()
    states = [cars.driving(index) for index in range(300)] + [cars.told(finished=1.0)] * 3
    states = [cars.told(finished=1.0), cars.told(), cars.told(finished=1.0), *states[:300], *race(cars)[45:]]
    for number, values in enumerate(states):
        recorder.see(Record(TMRL11, tuple(float(values[name]) for name in TMRL11.fields), 0.0, number))
    assert recorder.is_complete.is_set()
    assert recorder.trajectory("", "").length_m == pytest.approx(600.0, abs=0.2)


def test_a_trajectory_is_recorded_from_the_plugin(cars, tmp_path):
    data = b"".join(cars.packed(TMRL11, values) for values in race(cars))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(data)
                connection.recv(1)  # until the reader hangs up

        thread = threading.Thread(target=serve)
        thread.start()
        file = tmp_path / "line.npz"
        hosts = f"127.0.0.1:{listener.getsockname()[1]}"
        said = record({"_target_": TARGET, "hosts": hosts}, request(file, map_uid="abc"))
        thread.join(10.0)
    assert "600 m" in said
    trajectory = load_trajectory(file)
    assert trajectory.map_uid == "abc"
    assert trajectory.source == "driven by a person"
    assert trajectory.length_m == pytest.approx(600.0, abs=0.2)


def test_nobody_there_or_a_wrong_request(tmp_path, lockstep):
    config = {"_target_": TARGET, "hosts": "127.0.0.1:1", "connect_timeout_s": 0.2}
    with pytest.raises(SimulatorUnavailable, match="refused"):
        record(config, request(tmp_path / "line.npz"))
    for wrong, message in (({"kind": "ghost"}, "demonstrations"), ({"file": "line.pkl"}, "an npz")):
        with pytest.raises(ConfigError, match=message):
            record(config, request(tmp_path / "line.npz") | wrong)


def test_a_twins_own_trajectory_is_saved(tmp_path, lockstep):
    file = tmp_path / "line.npz"
    assert "400 m" in record({"_target_": TARGET, "twin": "lockstep"}, request(file))
    env = lockstep(obs="edges", trajectory=str(file))
    env.reset()
    assert env.step(np.zeros(3))[4]["end_cause"] is None


def test_a_person_is_watched(tmp_path, lockstep):
    config = {
        **{"_target_": TARGET, "twin": "lockstep", "obs": "lidar", "actions": "pedal"},
        **{"twin_game": {"person": [1.0, 0.0, 0.25]}},
    }
    said = record(config, request(tmp_path / "drives", kind="demonstrations", episodes=2))
    assert said.startswith("2 episodes")
    files = sorted((tmp_path / "drives").glob("*.npz"))
    one = Demonstration.load(files[1])
    steps = len(one.rewards)
    assert one.actions.shape == (steps, 2)
    np.testing.assert_array_equal(one.actions, [[0.25, 1.0]] * steps)  # [steer, pedal]
    assert {name: part.shape for name, part in one.observations.items()} == {
        "speed": (steps + 1, 1),
        "lidar": (steps + 1, 76),
        "actions": (steps + 1, 6),
    }
    np.testing.assert_array_equal(one.observations["actions"][-1], [1.0, 0.0, 0.25] * 2)  # what the person did
    assert one.terminated
    assert one.source == "person"
    arguments = {name: value for name, value in config.items() if name != "_target_"}
    assert one.config_hash == config_hash(arguments) == Demonstration.load(files[0]).config_hash
    np.savez(files[0], actions=one.actions)
    with pytest.raises(ValueError, match="no demonstration"):
        Demonstration.load(files[0])


def test_the_command_refuses_what_records_nothing(root, tmp_path):
    words = ["env=dummy", f"file={tmp_path / 'line.npz'}"]
    done = subprocess.run(
        [sys.executable, "-m", "envs.record", *words], cwd=root, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "DummyEnv records nothing" in done.stderr
    assert "Traceback" not in done.stderr
