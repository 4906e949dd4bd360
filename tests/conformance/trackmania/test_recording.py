"""What is recorded in a game: trajectories out of a drive, demonstrations out of episodes."""

import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from envs.demonstrations import Demonstration, config_hash
from envs.errors import ConfigError, SimulatorUnavailable
from envs.factory import record
from envs.trackmania.drive_recorder import DriveRecorder
from envs.trackmania.env import TrackmaniaEnv
from envs.trackmania.layouts import RACE16, TMRL11
from envs.trackmania.records import Record
from envs.trackmania.sinks import NullSink
from envs.trackmania.starts import StartWatch
from envs.trackmania.trajectory import load_trajectory

TARGET = "envs.trackmania.env.TrackmaniaEnv"


def request(file, **changes):
    return {"kind": "trajectory", "file": str(file), "episodes": 1, "map_uid": "", "timeout_s": 20.0} | changes


COUNTDOWN = 45  # records at 30 fps: 1.5 s


def race(cars, last=450):
    """Values of records: the finish of the race before, then a restart, a drive of 40 m/s at 30 fps, and its end."""
    stale = [cars.driving(900, finished=1.0)] * 40 + [cars.told(finished=1.0)] * 5
    drive = [cars.told()] * COUNTDOWN + [cars.driving(index) for index in range(last)]
    return [*stale, *drive, *[cars.driving(last, finished=1.0)] * 20]


def seen(states, layout=TMRL11):
    """Return a recorder that has seen these values, at 30 fps."""
    recorder = DriveRecorder()
    for number, values in enumerate(states):
        told = tuple(float(values.get(name, 0.0)) for name in layout.fields)
        recorder.see(Record(layout, told, number / 30.0, number))
    return recorder


def test_a_drive_is_what_lies_between_a_restart_and_the_finish(cars):
    recorder = seen(race(cars))
    assert recorder.is_complete.is_set()
    trajectory = recorder.trajectory("uid", "by hand")
    np.testing.assert_allclose(trajectory.points[0], cars.START, atol=1e-6)
    assert trajectory.length_m == pytest.approx(600.0, abs=0.2)  # 450 frames of 4/3 m


def test_a_stale_sign_records_nothing(cars):
    states = [cars.told(finished=1.0), cars.told(), cars.told(finished=1.0), *[cars.driving(i) for i in range(300)]]
    recorder = seen([*states, *[cars.told(finished=1.0)] * 3, *race(cars)[45:]])
    assert recorder.is_complete.is_set()
    assert recorder.trajectory("", "").length_m == pytest.approx(600.0, abs=0.2)


def test_a_car_that_stands_when_recording_begins_is_at_the_start(cars):
    recorder = seen([cars.told(), *[cars.driving(i) for i in range(451)], cars.driving(451, finished=1.0)])
    assert recorder.trajectory("", "").length_m == pytest.approx(451 * 4 / 3, abs=0.2)


def test_half_a_drive_is_none(cars):
    driving = [cars.driving(i) for i in range(200, 450)]
    assert not seen([*driving, cars.driving(450, finished=1.0)]).is_complete.is_set()
    recorder = seen([*driving, *race(cars)])  # its finish does not count, the next race does
    assert recorder.trajectory("", "").length_m == pytest.approx(600.0, abs=0.2)


def test_a_restart_after_a_few_metres_begins_anew(cars, caplog):
    short = [*[cars.told()] * COUNTDOWN, *[cars.driving(i) for i in range(10)]]  # 12 m
    recorder = seen([*short, *race(cars)[45:]])
    assert recorder.trajectory("", "").length_m == pytest.approx(600.0, abs=0.2)
    assert "jumped after 12 m" in caplog.text


def test_a_respawn_on_the_way_is_no_start(cars):
    begun = [*[cars.told()] * COUNTDOWN, *[cars.driving(i) for i in range(200)]]
    stands = {name: cars.driving(150)[name] for name in ("x_m", "z_m")}
    again = [*[cars.told(**stands)] * COUNTDOWN, *[cars.driving(i) for i in range(150, 200)]]
    rest = [*[cars.driving(i) for i in range(200, 450)], cars.driving(450, finished=1.0)]
    assert not seen([*begun, *again, *again, *rest]).is_complete.is_set()
    recorder = seen([*begun, *again, *race(cars)])
    assert recorder.trajectory("", "").length_m == pytest.approx(600.0, abs=0.2)


def test_the_races_clock_tells_the_start(cars):
    drive = [cars.driving(i, direction_z=1.0) for i in range(450)]
    countdown = [cars.told(race_time_s=-1.5 + i / 30.0) for i in range(COUNTDOWN)]
    done = cars.driving(450, finished=1.0)
    assert not seen([cars.told(race_time_s=3.0), *drive[200:], done], RACE16).is_complete.is_set()
    recorder = seen([*drive[200:], *countdown, *drive[:9], *countdown, *drive, done], RACE16)
    assert recorder.trajectory("", "").length_m == pytest.approx(600.0, abs=0.2)


def test_a_line_that_runs_back_is_refused(cars):
    back = [cars.driving(i) | {"speed_mps": -40.0} for i in range(200, 150, -1)]
    states = [cars.told(), *[cars.driving(i) for i in range(200)], *back, *[cars.driving(i) for i in range(150, 450)]]
    recorder = seen([*states, cars.driving(450, finished=1.0)])
    with pytest.raises(ConfigError, match=r"runs back .* after 26[67] m"):  # 200 frames of 4/3 m
        recorder.trajectory("", "")


def test_a_trajectory_is_recorded_from_the_plugin(cars, tmp_path):
    data = [cars.packed(TMRL11, values) for values in race(cars)]
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"".join(data[:46]))
                time.sleep(0.6)  # it stands, in the reader's time
                connection.sendall(b"".join(data[46:]))
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
    assert not [thread for thread in threading.enumerate() if thread.name == "telemetry 127.0.0.1:1"]
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
        **{"twin_game": {"person": [1.0, 0.0, 0.25], "returns_s": 3.0}},
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


def finish(env):
    """Let the person drive to the episode's end; return its last step."""
    while True:
        _, reward, terminated, truncated, info = env.step(None)
        if terminated or truncated:
            return reward, terminated, truncated, info


def test_an_episode_begins_where_the_person_restarts(lockstep):
    env = lockstep(
        obs="edges", controls="none", twin_game={"person": [1.0, 0.0, 0.0], "returns_s": 5.0, "stale_s": 0.1}
    )
    for lap in range(3):
        _, info = env.reset()
        assert info["progress_m"] == pytest.approx(0.0, abs=0.2)
        # A lap of 1.5 s of countdown and 400 m at 40 m/s, and 5 s until the person restarts.
        assert lockstep.games[-1].time_s == pytest.approx(16.5 * lap, abs=0.2)
        _, terminated, _, info = finish(env)
        assert terminated
        assert info["end_cause"] == "finish"
        assert info["lap_time_s"] == pytest.approx(10.0, abs=0.05)
    assert lockstep.games[-1].restarts == 2  # of the person alone
    assert not lockstep.games[-1].pressed


def test_a_persons_restart_ends_the_episode_and_begins_the_next(lockstep):
    env = lockstep(obs="edges", controls="none", twin_game={"person": [1.0, 0.0, 0.0]})
    env.reset()
    for _ in range(100):
        assert env.step(None)[2:4] == (False, False)
    lockstep.games[-1].restart()
    reward, terminated, truncated, info = finish(env)
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert "restarted the race" in info["fault"]
    assert env.reset()[1]["progress_m"] == pytest.approx(0.0, abs=0.2)
    assert finish(env)[3]["lap_time_s"] == pytest.approx(10.0, abs=0.05)


def test_a_person_who_never_restarts_is_told_so(lockstep):
    env = lockstep(obs="edges", controls="none", twin_game={"person": [1.0, 0.0, 0.0]})
    env.reset()
    finish(env)
    with pytest.raises(SimulatorUnavailable, match=r"controls=none.* restart the race within 120 s"):
        env.reset()


def test_a_start_is_a_jump_to_it_with_the_sign_down(cars):
    watch = StartWatch(cars.START)

    def see(received_s, values):
        watch.see(Record(TMRL11, tuple(float(values[name]) for name in TMRL11.fields), received_s))
        return watch.starts, watch.is_there

    assert see(0.0, cars.driving(900)) == (0, False)
    assert see(0.1, cars.told(finished=1.0)) == (0, False)  # stale
    assert see(0.2, cars.told()) == (1, True)
    assert watch.began_s == 0.1
    for index in range(1, 10):  # away, 10 m
        assert see(1.0 + index / 30.0, cars.driving(index)) == (1, True)
    assert see(1.4, cars.told(x_m=cars.START[0] + 6.0, z_m=cars.START[2] + 8.0)) == (1, True)  # it brakes there
    assert see(1.5, cars.told()) == (2, True)  # and restarts
    assert see(9.0, cars.driving(100)) == (2, False)


def test_a_served_twin_is_left_to_the_person(tmp_path):
    env = TrackmaniaEnv(twin=True, obs="edges", controls="none")
    try:
        env.reset()
        assert isinstance(env.interface.parts.sink, NullSink)
        assert not env.drives_itself
    finally:
        env.close()


def test_the_command_refuses_what_records_nothing(root, tmp_path):
    words = ["env=dummy", f"file={tmp_path / 'line.npz'}"]
    done = subprocess.run(
        [sys.executable, "-m", "envs.record", *words], cwd=root, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "DummyEnv records nothing" in done.stderr
    assert "Traceback" not in done.stderr
