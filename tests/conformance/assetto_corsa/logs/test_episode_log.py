"""Logs of episodes: the 110 columns, whole or not there."""

import json
import os
import re
import signal
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from envs.assetto_corsa.logs.log_head import LogHead
from envs.errors import ConfigError

AXES, WHEELS = "xyz", ("fl", "fr", "rl", "rr")
INTEGERS = [
    "steps",
    "total_errors_out_of_sync",
    "packetId",
    "actualGear",
    "LapCount",
    "BestLap",
    "iLastTime",
    "completedLaps",
    "numberOfTyresOut",
    "LapInvalidated",
    "isInPit",
    "done",
    "rl_point",
]
LISTS = [
    "Mz",
    "dynamic_pressure",
    "tyre_loaded_radius",
    "tyres_load",
    "NdSlip",
    "SuspensionTravel",
    "CamberRad",
    "sensors",
]
FLAGS = ["terminated", "TimeLimit.truncated"]
FLOATS = [
    *[
        "timestamp_ac",
        "currentTime",
        "speed",
        "accelX",
        "accelY",
        "accStatus",
        "brakeStatus",
        "RPM",
        "steerAngle",
        "yaw",
        "pitch",
        "roll",
        "LastFF",
    ],
    *["NormalizedSplinePosition", "penaltyTime", "cgHeight"],
    *(
        f"{name}_{axis}"
        for name in ("world_position", "local_velocity", "angular_velocity", "velocity")
        for axis in AXES
    ),
    *(f"tyreContactHeading_{wheel.upper()}_{axis}" for wheel in WHEELS for axis in AXES),
    *(f"{name}_{wheel}" for name in ("SlipAngle", "tyre_slip_ratio", "Dy", "wheel_speed") for wheel in WHEELS),
    *(
        f"{wheel}_{name}"
        for name in ("tire_temperature_core", "damper_linear_potentiometer", "wheel_load", "tire_pressure")
        for wheel in WHEELS
    ),
    *[
        "timestamp_env",
        "LapDist",
        "gap",
        "out_of_track_calc",
        "out_of_track_ac",
        "out_of_track",
        "dist_to_border",
        "going_backwards",
    ],
    *(f"{name}_{index}" for name in ("current_action_abs", "actions") for index in range(3)),
    "reward",
]


@pytest.mark.point("assetto_corsa", 46)
def test_a_log_has_exactly_the_110_columns_and_their_types(drive, log_drive):
    states = [drive.around(index, 30.0, currentTime=1000 + 40 * index) for index in range(5)]
    path = log_drive(states, ends=(True, False))
    schema = pq.read_schema(path)
    kinds = {name: str(schema.field(name).type) for name in schema.names}
    assert len(schema.names) == len(kinds) == 110
    assert kinds == {
        **dict.fromkeys(INTEGERS, "int64"),
        **dict.fromkeys(FLOATS, "double"),
        **dict.fromkeys(FLAGS, "bool"),
        **dict.fromkeys(LISTS, "list<element: double>"),
    }
    table = pq.read_table(path)
    assert table.column("currentTime").to_pylist() == pytest.approx([1.0, 1.04, 1.08, 1.12, 1.16])  # seconds
    assert states[0]["currentTime"] == 1000  # the state is not touched
    assert table.column("Mz")[2].as_py() == [0.0, 1.0, 2.0, 3.0]
    assert len(table.column("sensors")[0].as_py()) == 11
    assert table.column("done").to_pylist() == [0, 0, 0, 0, 1]
    assert table.column("terminated").to_pylist() == [False] * 4 + [True]
    assert b"pandas" not in (schema.metadata or {})  # no index


def test_a_log_is_named_by_the_time_and_says_what_it_is(drive, make_log, geometry, tmp_path):
    log = make_log(source="person", extras=("entropies",))
    log.write_static_info({"TrackName": "circle", "CarName": drive.CAR.name})
    state = drive.around(0, 30.0)
    derived = geometry.derive(100.0, 0.0, 1.57, 0.0, 0)
    files = []
    for value in (0.5, 0.25):  # at the same millisecond, maybe
        arguments = {"command": (0, -1, -1), "action": (0, 0, 0), "reward": 0.0, "timestamp_env_s": 3.5}
        log.row(state, derived, **arguments, extras={"entropies": value})
        files.append(log.finish(outcome="aborted"))
    assert files[0] != files[1]
    for path in files:
        assert path.parent == tmp_path / "laps"
        assert re.fullmatch(r"\d{8}_\d{6}\.\d{3}_states\.parquet", path.name)
    table = pq.read_table(files[0])
    assert table.column_names[110:] == ["entropies"]
    assert table.column("entropies").to_pylist() == [0.5]
    assert table.column("timestamp_env").to_pylist() == [3.5]
    head = LogHead.from_metadata(table.schema.metadata)
    assert (head.track, head.car, head.rate_hz, head.source) == ("circle", "dallara_f317", 25.0, "person")
    assert (head.outcome, head.format_version, head.presets) == ("aborted", 1, {"actions": "relative"})
    assert json.loads((tmp_path / "laps" / "static_info.json").read_text())["TrackName"] == "circle"


def test_an_episode_without_a_state_leaves_no_file(make_log, tmp_path):
    log = make_log()
    assert log.finish() is None
    assert list((tmp_path / "laps").iterdir()) == []


def test_a_row_that_lacks_a_key_is_not_taken(drive, make_log, geometry):
    log = make_log()
    state = drive.told(0)
    del state["RPM"]
    with pytest.raises(ValueError, match="but RPM are missing"):
        log.row(state, geometry.derive(0, 0, 0, 0, 0), command=(0, 0, 0), action=(0, 0, 0), reward=0.0)
    assert log.num_rows == 0


def test_a_folder_that_cannot_be_made_is_named(make_log, tmp_path):
    (tmp_path / "laps").write_text("in the way")
    with pytest.raises(ConfigError, match="folder for logs"):
        make_log()


WRITER = """
import sys
from envs.assetto_corsa.geometry.derived import Derived
from envs.assetto_corsa.logs.episode_log import EpisodeLog
from envs.assetto_corsa.logs.log_head import LogHead
from envs.assetto_corsa.state_keys import STATE_KEYS
import numpy as np

state = {key: {"i": 1, "v4": [1.0] * 4}.get(kind, 0.5) for key, kind in STATE_KEYS.items()}
derived = Derived(0.0, 0, 0.0, False, False, False, np.ones(11), 1.0)
log = EpisodeLog(sys.argv[1], LogHead("t", "d", "c", 25.0, False))
while True:
    for _ in range(400):
        log.row(state, derived, command=(0, -1, -1), action=(0, 0, 0), reward=0.0)
    log.finish()
    print("written", flush=True)
"""


@pytest.mark.point("assetto_corsa", 47)
def test_a_killed_run_leaves_no_half_file(tmp_path, root):
    environment = os.environ | {"PYTHONPATH": str(root)}
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, env=environment) as run:
        for _ in range(8):
            assert run.stdout.readline() == b"written\n"
        run.send_signal(signal.SIGKILL)  # anywhere in the next one
    files = list((tmp_path / "laps").glob("*.parquet"))
    assert len(files) >= 8
    for path in files:
        assert pq.read_table(path).num_rows == 400
    others = {path.suffix for path in (tmp_path / "laps").iterdir()} - {".parquet"}
    assert others <= {".part"}  # hidden, and nobody's lap


@pytest.mark.point("assetto_corsa", 47)
def test_an_interrupted_write_leaves_nothing(drive, log_drive, tmp_path, monkeypatch):
    def half(table, path):
        path.write_bytes(b"PAR1 and no more")
        raise KeyboardInterrupt

    monkeypatch.setattr(pq, "write_table", half)
    with pytest.raises(KeyboardInterrupt):
        log_drive([drive.around(0, 30.0)])
    assert list((tmp_path / "laps").iterdir()) == []
