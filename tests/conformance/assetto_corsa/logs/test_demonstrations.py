"""Recorded laps as demonstrations: what was done is what is learnt from, and nothing is unpickled."""

import pickle
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.assetto_corsa.acgym_vector import VectorSettings
from envs.assetto_corsa.actions import ActionMap
from envs.assetto_corsa.cars import CARS, brake_command
from envs.assetto_corsa.geometry.derived import Geometry
from envs.assetto_corsa.logs.demonstrations import demonstrations
from envs.assetto_corsa.logs.feedback import commands_of_feedback
from envs.assetto_corsa.logs.recorded_lap import read_lap, read_laps
from envs.assetto_corsa.presets import VectorPreset
from envs.assetto_corsa.rewards import AcgymReward, AcgymRewardSettings
from envs.demonstrations import Demonstration, config_hash
from envs.errors import ConfigError

CONFIG = {"obs": "acgym"}


def driven(drive, car, count=60, seed=0, **fields):
    """Return states, commands and actions of a drive whose wheel and pedals follow the commands at once."""
    random = np.random.default_rng(seed)
    control = ActionMap("relative", car)
    commands, actions, states = [control.u.copy()], [np.zeros(3)], []
    for _ in range(count - 1):
        actions.append(random.uniform(-1, 1, 3))
        before = control.u.copy()
        commands.append(control.apply(actions[-1]).copy())
        actions[-1] = (commands[-1] - before) / control.limits  # what a clip at the range left of it
    for index, (steer, throttle, brake) in enumerate(commands):
        pedals = {"accStatus": (throttle + 1) / 2, "brakeStatus": ((brake + 1) / 2) ** 2.4}
        states.append(drive.around(index, 30.0, steerAngle=steer * car.scale, **pedals, **fields))
    return states, np.array(commands), np.array(actions)


def as_a_person_s(path, target):
    """Write what laps of people have of a log: no actions, no commands, no reward, none of our metadata."""
    table = pq.read_table(path)
    lost = [name for name in table.column_names if name.startswith(("actions_", "current_action_", "reward", "done"))]
    pq.write_table(table.drop_columns(lost).replace_schema_metadata(None), target)
    return target


@pytest.mark.point("assetto_corsa", 49)
@pytest.mark.parametrize("name", CARS)
def test_laps_of_people_and_of_policies_give_equal_actions(drive, log_drive, tmp_path, name):
    car = CARS[name]
    states, commands, actions = driven(drive, car, count=200)
    path = log_drive(states, commands, actions, car=name)
    policy, person = read_lap(path, car), read_lap(as_a_person_s(path, tmp_path / "person.parquet"), car)
    assert (policy.has_recorded_actions, person.has_recorded_actions) == (True, False)
    assert np.array_equal(policy.actions, actions)
    assert person.actions == pytest.approx(actions, abs=1e-6)
    assert person.commands == pytest.approx(commands, abs=1e-7)
    assert max(person.clipped.values()) == 0.0
    assert person.head is None
    assert policy.rate_hz == pytest.approx(25.0, rel=1e-3)  # chords of an arc


@pytest.mark.parametrize("name", CARS)
def test_ten_degrees_in_a_step_are_the_same_action_for_every_car(drive, log_drive, tmp_path, name):
    # D9: 10 of the 36 degrees that 900 degrees/s make at 25 Hz, whatever the command's unit is.
    path = log_drive([drive.around(index, 30.0, steerAngle=10.0 * (index > 1)) for index in range(4)])
    lap = read_lap(as_a_person_s(path, tmp_path / "person.parquet"), CARS[name])
    assert lap.actions[:, 0] == pytest.approx([0, 0, 10 / 36, 0])
    assert lap.actions[2, 0] == pytest.approx(0.278, abs=5e-4)


@settings(max_examples=200)
@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1))
def test_what_feedback_tells_is_inverted_exactly(steer, throttle, brake):
    # D20, down to where a cubic through 21 points is wrong by 0.03.
    car = CARS["bmw_z4_gt3"]
    feedback = (steer * car.norm * car.scale, (throttle + 1) / 2, ((brake + 1) / 2) ** 2.4)
    found = commands_of_feedback(*(np.array([one]) for one in feedback), car)[0]
    assert found[:2] == pytest.approx([steer * car.norm, throttle], abs=1e-9)
    again = ((found[2] + 1) / 2) ** 2.4
    assert again == pytest.approx(feedback[2], abs=1e-9)
    assert found[2] == pytest.approx(brake_command(feedback[2]), abs=1e-12)
    assert found[2] == pytest.approx(brake, abs=1e-9)


def test_hands_that_are_faster_than_actions_can_be_are_told(drive, log_drive, tmp_path, geometry, caplog):
    turned = [drive.around(index, 30.0, steerAngle=60.0 * (index % 4 == 0)) for index in range(101)]
    lap = read_lap(as_a_person_s(log_drive(turned), tmp_path / "person.parquet"), drive.CAR)
    assert lap.clipped == {"steer": pytest.approx(50 / 101), "throttle": 0.0, "brake": 0.0}
    assert np.abs(lap.actions[:, 0]).max() == 1.0
    reward = AcgymReward(AcgymRewardSettings())
    demonstrations(lap, geometry, VectorPreset(VectorSettings()), config=CONFIG, reward=reward)
    assert "steer 49.5%" in caplog.text


def test_a_drive_becomes_a_demonstration(drive, log_drive, geometry, tmp_path):
    states, commands, actions = driven(drive, drive.CAR)
    path = log_drive(states, commands, actions, ends=(False, True))
    (found,) = demonstrations(read_lap(path, drive.CAR), geometry, VectorPreset(VectorSettings()), config=CONFIG)
    assert found.observations["vector"].shape == (60, 125)
    assert found.observations["vector"].dtype == np.float32
    assert found.actions == pytest.approx(actions[1:].astype(np.float32))  # row t led to row t
    assert found.rewards.tolist() == [float(row) for row in range(1, 60)]
    assert (found.terminated, found.truncated, found.source) == (False, True, "policy")
    assert found.config_hash == config_hash(CONFIG)
    # Number 47 is the wheel now; the action before an observation is what the wheel turned by.
    wheel = found.observations["vector"][:, 47] * 450 / drive.CAR.scale
    assert wheel == pytest.approx(commands[:, 0], abs=1e-6)
    assert found.observations["vector"][3, 38:41] == pytest.approx(commands[:3, 0] * drive.CAR.scale / 450, abs=1e-6)
    absolute = demonstrations(
        read_lap(path, drive.CAR), geometry, VectorPreset(VectorSettings()), config=CONFIG, actions="absolute"
    )
    assert absolute[0].actions == pytest.approx(commands[1:].astype(np.float32))
    found.save(tmp_path / "one.npz")
    assert np.array_equal(Demonstration.load(tmp_path / "one.npz").actions, found.actions)


@pytest.mark.parametrize(
    ("rule", "steps", "terminated"),
    [
        ("ignore", [29], [False]),
        # Off the road in rows 10 and 11, and 20: the first row off ends an episode, the first back begins the next.
        ("cut", [10, 8, 8], [True, True, False]),
        ("terminal_frames", [10, 1, 9, 9], [True, True, True, False]),
    ],
)
def test_leaving_the_road_ends_an_episode(drive, log_drive, geometry, rule, steps, terminated):
    states = [drive.around(index, 30.0, numberOfTyresOut=4 * (index in (10, 11, 20))) for index in range(30)]
    lap = read_lap(log_drive(states), drive.CAR)
    preset = VectorPreset(VectorSettings())
    found = demonstrations(lap, geometry, preset, config=CONFIG, off_track=rule)
    assert [len(one.actions) for one in found] == steps
    assert [one.terminated for one in found] == terminated
    assert [one.truncated for one in found] == [not one for one in terminated]
    assert found[-1].rewards[-1] == 29.0
    # History goes on where the recording does, and begins anew where an episode of the env would.
    history = found[1].observations["vector"][0, 50:].any() if rule != "ignore" else None
    assert history == {"cut": False, "terminal_frames": True}.get(rule)


def test_rewards_are_computed_where_none_were_recorded(drive, log_drive, geometry, tmp_path):
    path = log_drive([drive.around(index, 50.0) for index in range(5)])
    lap = read_lap(as_a_person_s(path, tmp_path / "person.parquet"), drive.CAR)
    preset = VectorPreset(VectorSettings())
    with pytest.raises(ConfigError, match="people's laps have none"):
        demonstrations(lap, geometry, preset, config=CONFIG)
    reward = AcgymReward(AcgymRewardSettings())
    (found,) = demonstrations(lap, geometry, preset, config=CONFIG, reward=reward, source="person")
    assert found.rewards == pytest.approx(0.6, abs=1e-3)  # 3.6 · 50 / 300, centimetres beside the line
    assert found.source == "person"


def test_recorded_channels_count_where_track_and_rules_are_the_same(drive, log_drive, geometry):
    states = [drive.around(index, 30.0) for index in range(5)]
    path = log_drive(states)
    table = pq.read_table(path)
    spoilt = table.set_column(table.column_names.index("gap"), "gap", pa.array([7.0] * 5))
    pq.write_table(spoilt, path)
    lap = read_lap(path, drive.CAR)
    preset = VectorPreset(VectorSettings())

    def gap(geometry):
        return demonstrations(lap, geometry, preset, config=CONFIG)[0].observations["vector"][0, 1] * 10

    assert gap(geometry) == pytest.approx(7.0)
    assert gap(Geometry(geometry.track, fixed=True)) == pytest.approx(0.0, abs=1e-2)
    other = replace(geometry.track, length_m=geometry.track.length_m + 1.0)
    assert gap(Geometry(other)) == pytest.approx(0.0, abs=1e-2)


def test_a_recording_of_another_rate_is_refused(drive, log_drive, geometry):
    fast = [drive.around(0, 30.0, begin=0.6 * index) for index in range(50)]
    lap = read_lap(log_drive(fast), drive.CAR)
    assert lap.rate_hz == pytest.approx(50.0, rel=0.01)
    with pytest.raises(ConfigError, match=r"25 rows a second, got about 50\.0"):
        demonstrations(lap, geometry, VectorPreset(VectorSettings()), config=CONFIG)


class Trap:
    def __reduce__(self):
        return (exec, ("open('sprung', 'w').close()",))


@pytest.mark.parametrize("name", ["lap.pkl", "lap.parquet"])
def test_pickles_are_refused_and_nothing_runs(drive, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(pickle.dumps({"states": [Trap()]}))
    with pytest.raises(ConfigError, match="is a pickle"):
        read_lap(tmp_path / name, drive.CAR)
    if name == "lap.pkl":
        with pytest.raises(ConfigError, match="There are 1 pickles"):
            read_laps(tmp_path, drive.CAR)
    assert not (tmp_path / "sprung").exists()


def test_what_is_no_lap_is_named(drive, log_drive, tmp_path):
    path = log_drive([drive.around(index, 30.0) for index in range(5)])
    table = pq.read_table(path)
    for change, words in (
        (lambda: pq.write_table(table.drop_columns(["yaw", "RPM"]), path), "yaw, RPM"),
        (lambda: pq.write_table(table.slice(0, 1), path), "2 … 1000000 rows in .*, got 1:"),
        (lambda: path.write_bytes(path.read_bytes()[:500]), "broken parquet"),
        (lambda: path.write_bytes(b"PAR1"), "broken parquet"),
        (lambda: path.write_bytes(b"a,b\n"), "begins with b'a,b"),
        (path.unlink, "No such file"),
    ):
        pq.write_table(table, path)
        change()
        with pytest.raises(ConfigError, match=words):
            read_lap(path, drive.CAR)
    spoilt = table.set_column(table.column_names.index("yaw"), "yaw", pa.array([0.0, 1.0, float("nan"), 0.0, 0.0]))
    pq.write_table(spoilt, path)
    with pytest.raises(ConfigError, match=r"finite numbers as yaw .* at row 2"):
        read_lap(path, drive.CAR)


def test_a_folder_is_read_in_the_order_of_its_names(drive, log_drive):
    paths = [log_drive([drive.around(index, speed) for index in range(5)]) for speed in (10.0, 20.0, 30.0)]
    laps = read_laps(paths[0].parent, drive.CAR)
    assert [lap.columns["speed"][0] for lap in laps] == [10.0, 20.0, 30.0]


def test_absolute_actions_of_a_log_are_not_taken_for_relative_ones(drive, log_drive):
    states, commands, actions = driven(drive, drive.CAR)
    lap = read_lap(log_drive(states, commands, commands), drive.CAR)  # an env with absolute actions: a = u
    assert lap.actions == pytest.approx(actions, abs=1e-9)
