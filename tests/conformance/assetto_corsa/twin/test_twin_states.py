"""States: 90 keys of their types, copies that are equal, feedback by the laws, signs of a car that turns left."""

import json
import math

import numpy as np
import pytest

from envs.assetto_corsa.twin.state import StateText

# The keys of a state as the specification's table has them, by type.
INTEGERS = [
    "steps", "total_errors_out_of_sync", "packetId", "currentTime", "actualGear", "LapCount", "BestLap", "iLastTime",
    "completedLaps", "numberOfTyresOut", "LapInvalidated", "isInPit",
]  # fmt: skip
VECTORS = [
    "Mz", "dynamic_pressure", "tyre_loaded_radius", "tyres_load", "NdSlip", "SuspensionTravel", "CamberRad",
]  # fmt: skip
NUMBERS = [
    "timestamp_ac", "world_position_x", "world_position_y", "world_position_z", "speed", "local_velocity_x",
    "local_velocity_y", "local_velocity_z", "accelX", "accelY", "accStatus", "brakeStatus", "RPM", "steerAngle",
    "yaw", "pitch", "roll", "LastFF", "NormalizedSplinePosition", "penaltyTime", "angular_velocity_x",
    "angular_velocity_y", "angular_velocity_z", "velocity_x", "velocity_y", "velocity_z", "cgHeight", "SlipAngle_fl",
    "SlipAngle_fr", "SlipAngle_rl", "SlipAngle_rr", "tyreContactHeading_FL_x", "tyreContactHeading_FL_y",
    "tyreContactHeading_FL_z", "tyreContactHeading_FR_x", "tyreContactHeading_FR_y", "tyreContactHeading_FR_z",
    "tyreContactHeading_RL_x", "tyreContactHeading_RL_y", "tyreContactHeading_RL_z", "tyreContactHeading_RR_x",
    "tyreContactHeading_RR_y", "tyreContactHeading_RR_z", "tyre_slip_ratio_fl", "tyre_slip_ratio_fr",
    "tyre_slip_ratio_rl", "tyre_slip_ratio_rr", "Dy_fl", "Dy_fr", "Dy_rl", "Dy_rr", "wheel_speed_fl",
    "wheel_speed_fr", "wheel_speed_rl", "wheel_speed_rr", "fl_tire_temperature_core", "fr_tire_temperature_core",
    "rl_tire_temperature_core", "rr_tire_temperature_core", "fl_damper_linear_potentiometer",
    "fr_damper_linear_potentiometer", "rl_damper_linear_potentiometer", "rr_damper_linear_potentiometer",
    "fl_wheel_load", "fr_wheel_load", "rl_wheel_load", "rr_wheel_load", "fl_tire_pressure", "fr_tire_pressure",
    "rl_tire_pressure", "rr_tire_pressure",
]  # fmt: skip
COPIES = {
    "damper_linear_potentiometer": "SuspensionTravel",
    "wheel_load": "tyres_load",
    "tire_pressure": "dynamic_pressure",
}
WHEELS = ("fl", "fr", "rl", "rr")


def driven(game, seconds=8.0, steer=-0.03, acc=0.2):
    """Drive to the left for a while."""
    game.press(steer, acc, -1.0)
    game.advance(seconds)
    return game.state()


@pytest.mark.point("assetto_corsa", 19)
@pytest.mark.parametrize("car", ["dallara_f317", "bmw_z4_gt3", "ks_mazda_miata"])
def test_a_state_has_the_90_keys_in_their_types_and_any_order(twin, ego, car):
    client = ego(twin(is_strict=True, game={"car": car}))
    client.connect()
    orders = set()
    for index in range(40):
        client.send(json.dumps({"steer": 0.1 * math.sin(index), "acc": 1.0, "server_steps": index + 1}))
        data = client.receive()
        for word in (b"true", b"false", b"null", b"NaN", b"Infinity"):
            assert word not in data
        pairs = json.loads(data, object_pairs_hook=list)
        state = dict(pairs)
        orders.add(tuple(key for key, _ in pairs))
        assert len(pairs) == len(state) == 90
        assert set(state) == {*INTEGERS, *NUMBERS, *VECTORS}
        assert all(type(state[key]) is int for key in INTEGERS)
        assert all(type(state[key]) is float for key in NUMBERS)
        assert all(isinstance(state[key], list) and len(state[key]) == 4 for key in VECTORS)
        assert all(type(value) is float and math.isfinite(value) for key in VECTORS for value in state[key])
        assert all(math.isfinite(state[key]) for key in NUMBERS)
    assert 2 * 1480 < len(data) + 8 <= 3 * 1480  # as the original's, three fragments on Ethernet
    assert len(orders) > 5  # the order says nothing


def test_text_keeps_what_a_state_has_besides(game):
    state = game().state() | {"twin_s_m": 1.5}
    assert json.loads(StateText().text(state)) == state


@pytest.mark.point("assetto_corsa", 21)
def test_copies_equal_their_sources_exactly(game):
    one = game()
    for _ in range(200):
        one.press(0.05, 1.0, -1.0)
        one.advance(0.04)
        state = one.state()
        for copy, source in COPIES.items():
            assert [state[f"{wheel}_{copy}"] for wheel in WHEELS] == state[source]
    assert len(set(state["tyres_load"])) == 4  # a car that turns and accelerates loads every wheel differently


@pytest.mark.point("assetto_corsa", 26)
@pytest.mark.parametrize(("car", "lock"), [("dallara_f317", 240.0), ("bmw_z4_gt3", 320.0), ("ks_mazda_miata", 302.4)])
def test_feedback_follows_the_laws(game, car, lock):
    one = game(car=car)
    for command, angle in ((0.25, 112.5), (1.0, lock), (-1.0, -lock), (7.0, lock), (0.0, 0.0)):
        one.press(command, -1.0, -1.0)
        one.advance(0.02)
        assert one.state()["steerAngle"] == pytest.approx(angle, abs=0.0275)
    for acc, status in ((-1.0, 0.0), (0.0, 0.5), (1.0, 1.0), (5.0, 1.0)):
        one.press(0.0, acc, -1.0)
        one.advance(0.02)
        assert one.state()["accStatus"] == pytest.approx(status, abs=1e-4)
    for brake, status in ((-1.0, 0.0), (0.0, 0.1895), (0.5, 0.75**2.4), (1.0, 1.0)):
        one.press(0.0, -1.0, brake)
        one.advance(0.02)
        assert one.state()["brakeStatus"] == pytest.approx(status, abs=1e-4)


def test_steering_has_the_joysticks_resolution(game):
    one = game()
    angles = set()
    for command in np.linspace(0.1, 0.1005, 50):
        one.press(float(command), -1.0, -1.0)
        one.advance(0.01)
        angles.add(one.state()["steerAngle"])
    assert np.diff(sorted(angles)) == pytest.approx(450.0 / 16384)  # 0.0275 degrees


def test_signs_of_a_left_turn(game):
    one = game()
    before = one.state()
    assert before["yaw"] == pytest.approx(math.pi / 2, abs=0.01)  # at (200, 0), anticlockwise: along +y
    state = driven(one, 3.0, steer=-0.05)
    assert state["steerAngle"] < 0.0
    assert state["angular_velocity_y"] > 0.0
    assert state["accelX"] > 0.0
    assert state["world_position_y"] > before["world_position_y"]
    assert 0.0 < state["NormalizedSplinePosition"] < 0.5
    left, right = state["tyres_load"][::2], state["tyres_load"][1::2]
    assert left[0] < right[0]  # outside wheels carry more
    assert left[1] < right[1]
    one.press(0.0, -1.0, 1.0)
    one.advance(0.3)
    braking = one.state()
    assert braking["accelY"] < -0.5
    assert sum(braking["tyres_load"][:2]) > sum(state["tyres_load"][:2])


def test_frames_fit_each_other(game):
    one = game()
    state = driven(one)
    yaw, speed = state["yaw"], state["speed"]
    # The game's axes: x is the plan's y, z its x.
    plan = np.array([state["velocity_z"], state["velocity_x"]])
    assert np.linalg.norm(plan) == pytest.approx(speed)
    assert math.hypot(state["local_velocity_x"], state["local_velocity_y"]) == pytest.approx(speed)
    ahead, left = np.array([math.cos(yaw), math.sin(yaw)]), np.array([-math.sin(yaw), math.cos(yaw)])
    assert plan @ ahead == pytest.approx(state["local_velocity_x"])
    assert plan @ left == pytest.approx(state["local_velocity_y"])
    for wheel in ("RL", "RR"):  # rear wheels point where the car does
        heading = [state[f"tyreContactHeading_{wheel}_{axis}"] for axis in "zx"]
        assert heading == pytest.approx(ahead.tolist())
    front = [state[f"tyreContactHeading_FL_{axis}"] for axis in "zx"]
    assert ahead[0] * front[1] - ahead[1] * front[0] > 0.0  # turned to the left
    # The place moves with the velocity.
    one.advance(0.01)
    after = one.state()
    moved = [after[f"world_position_{axis}"] - state[f"world_position_{axis}"] for axis in "xy"]
    assert np.array(moved) / 0.01 == pytest.approx(plan, abs=0.2)


@pytest.mark.parametrize(
    ("car", "mass", "radius"),
    [("dallara_f317", 565, 0.285), ("bmw_z4_gt3", 1250, 0.335), ("ks_mazda_miata", 1030, 0.29)],
)
def test_channels_are_plausible(game, car, mass, radius):
    one = game(car=car)
    for acc in (0.5, 1.0, -1.0, 0.2):
        state = driven(one, 4.0, steer=-0.02, acc=acc)
        weight = mass * 9.81
        assert 0.95 * weight < sum(state["tyres_load"]) < 2.5 * weight
        assert all(0.9 * radius < value <= radius for value in state["tyre_loaded_radius"])
        assert all(10.0 < value < 45.0 for value in state["dynamic_pressure"])
        assert all(26.0 < state[f"{wheel}_tire_temperature_core"] < 130.0 for wheel in WHEELS)
        assert all(0.0 <= state[f"tyre_slip_ratio_{wheel}"] <= 1.0 for wheel in WHEELS)
        assert all(0.0 <= value < 0.2 for value in state["SuspensionTravel"])
        assert all(0.5 < state[f"Dy_{wheel}"] < 2.0 for wheel in WHEELS)
        assert -1.0 <= state["LastFF"] <= 1.0
        assert 500.0 < state["RPM"] < 10000.0
        assert 2 <= state["actualGear"] <= 7
        assert 0.0 < state["cgHeight"] < 1.0
        for wheel in WHEELS:  # a wheel that hardly slips rolls
            rolling = state[f"wheel_speed_{wheel}"] * radius
            assert rolling == pytest.approx(state["local_velocity_x"], rel=0.2)
            assert abs(state[f"SlipAngle_{wheel}"]) < 15.0
