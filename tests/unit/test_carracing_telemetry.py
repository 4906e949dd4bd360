"""CarRacing's telemetry by hand: cars at known places of roads whose shape is known."""

import math

import Box2D
import numpy as np
import pytest

from envs.carracing import telemetry
from envs.carracing.car import Car
from envs.carracing.env import CarRacingEnv
from envs.carracing.telemetry import COLUMNS, TelemetrySensor

STEP = 3.5  # metres between the points of a track
WHEEL_RADIUS = 0.54  # metres: 27 units of 0.02


def make_car(x, y, angle):
    """A car at rest; `angle` in radians from +y, anticlockwise."""
    return Car(Box2D.b2World((0, 0)), angle, x, y)


def straight_north():
    """40 points along +y."""
    return TelemetrySensor(np.zeros(40), np.column_stack([np.zeros(40), STEP * np.arange(40)]))


def circle(radius, *, to_the_right):
    """A closed circle round the origin that begins at (-radius, 0) northwards, or at (radius, 0)."""
    count = round(2 * math.pi * radius / STEP)
    turned = 2 * math.pi / count * np.arange(count)
    beta = -turned if to_the_right else turned
    side = -1 if to_the_right else 1
    return TelemetrySensor(beta, side * radius * np.column_stack([np.cos(beta), np.sin(beta)]))


def read(sensor, car):
    reading = sensor.read(car)
    assert reading.shape == (22,)
    return telemetry.by_name(reading)


def test_offset_is_positive_to_the_right():
    assert read(straight_north(), make_car(2.5, 50.0, 0.0))["centre_offset_m"] == pytest.approx(2.5)
    assert read(straight_north(), make_car(-1.5, 50.0, 0.0))["centre_offset_m"] == pytest.approx(-1.5)
    east = TelemetrySensor(np.full(40, -math.pi / 2), np.column_stack([STEP * np.arange(40), np.zeros(40)]))
    assert read(east, make_car(50.0, -2.0, -math.pi / 2))["centre_offset_m"] == pytest.approx(2.0)


@pytest.mark.parametrize("laps", [0, 1, -2])
def test_heading_error_is_positive_where_the_hull_points_to_the_right(laps):
    whole = 2 * math.pi * laps
    assert read(straight_north(), make_car(0.0, 50.0, -0.3 + whole))["heading_error_rad"] == pytest.approx(
        0.3, abs=1e-5
    )
    assert read(straight_north(), make_car(0.0, 50.0, 0.4 + whole))["heading_error_rad"] == pytest.approx(
        -0.4, abs=1e-5
    )


def test_speed_slip_and_yaw_rate():
    car = make_car(0.0, 50.0, -math.pi / 2)  # points east: south is its right
    car.hull.linearVelocity, car.hull.angularVelocity = (12.0, -5.0), -0.7
    values = read(straight_north(), car)
    assert values["speed_mps"] == pytest.approx(13.0)
    assert values["slip_mps"] == pytest.approx(5.0, abs=1e-5)
    assert values["yaw_rate_radps"] == pytest.approx(0.7)


def test_wheel_speeds_are_those_of_the_treads():
    car = make_car(0.0, 50.0, 0.0)
    for wheel, omega in zip(car.wheels, (10.0, 20.0, 0.0, -30.0), strict=True):
        wheel.omega = omega
    speeds = read(straight_north(), car)["wheel_speeds_mps"]
    np.testing.assert_allclose(speeds, [10 * WHEEL_RADIUS, 20 * WHEEL_RADIUS, 0, -30 * WHEEL_RADIUS])


@pytest.mark.parametrize("to_the_right", [True, False])
@pytest.mark.parametrize("radius", [20.0, 80.0])
@pytest.mark.parametrize("degrees", [0, 345])  # the seam of the track is at 360
def test_curvature_is_positive_in_a_bend_to_the_right_over_the_seam_too(radius, to_the_right, degrees):
    turned = math.radians(-degrees if to_the_right else degrees)
    start = -radius if to_the_right else radius
    car = make_car(start * math.cos(turned), start * math.sin(turned), turned)
    values = read(circle(radius, to_the_right=to_the_right), car)
    sign = 1 if to_the_right else -1
    np.testing.assert_allclose(values["curvature_ahead_per_m"], np.full(12, sign / radius), rtol=0.02)
    assert values["heading_error_rad"] == pytest.approx(0.0, abs=0.6 * STEP / radius)  # the nearest point's direction


def test_curvature_ahead_begins_at_the_car():
    """A straight of 30 points, then a bend to the right of 0.1 radians a point: stretches are two points long."""
    turned = np.concatenate([np.zeros(30), 0.1 * np.arange(1, 31)])
    steps = STEP * np.column_stack([np.sin(turned), np.cos(turned)])
    sensor = TelemetrySensor(-turned, np.cumsum(steps, axis=0))
    ahead = read(sensor, make_car(0.0, 26 * STEP, 0.0))["curvature_ahead_per_m"]  # at point 25
    np.testing.assert_allclose(ahead[:2], 0, atol=1e-9)
    np.testing.assert_allclose(ahead[3:], 0.1 / STEP, rtol=0.02)


def test_a_crossing_road_is_not_taken_for_the_own():
    """North for 60 points, a wide loop that is left out, then west across the first road at its point 30."""
    north = np.column_stack([np.zeros(60), STEP * np.arange(60)])
    west = np.column_stack([STEP * (30 - np.arange(60)), np.full(60, 30 * STEP + 1.0)])
    beta = np.concatenate([np.zeros(60), np.full(60, math.pi / 2)])
    sensor = TelemetrySensor(beta, np.concatenate([north, west]))
    for y in np.arange(20 * STEP, 40 * STEP, 1.0):
        values = read(sensor, make_car(0.5, float(y), 0.0))
        assert sensor.nearest == pytest.approx(y / STEP, abs=0.51)
        assert values["heading_error_rad"] == pytest.approx(0.0)
    back = sensor.nearest
    assert read(sensor, make_car(-20 * STEP, 30 * STEP, 0.0))["heading_error_rad"] == pytest.approx(math.pi / 2)
    assert sensor.nearest > 60 > back  # who is far off the own road may come back on another


def test_the_steering_angle_of_the_env_is_positive_to_the_right():
    env = CarRacingEnv(obs="telemetry", action_repeat=20)
    env.reset(seed=1)
    for steer, wanted in ((1.0, 0.4), (-1.0, -0.4)):  # the axle's limits, which Box2D keeps softly
        info = env.step(np.array([steer, 0, 0], np.float32))[4]
        assert info["steer_angle_rad"] == pytest.approx(wanted, abs=0.05)


def test_driving_agrees_with_what_the_car_did():
    env = CarRacingEnv(obs="telemetry")
    env.reset(seed=3)
    for _ in range(100):
        env.step(np.array([0.05, 0.6, 0], np.float32))
    hull = env._game.car.hull
    x, y, angle = *hull.position, hull.angle
    info = env.step(np.array([0.05, 0.6, 0], np.float32))[4]
    moved = math.hypot(hull.position[0] - x, hull.position[1] - y)
    assert moved > 0.3
    assert info["speed_mps"] * 0.02 == pytest.approx(moved, rel=0.03)  # a frame is 1/50 s
    assert info["yaw_rate_radps"] * 0.02 == pytest.approx(angle - hull.angle, rel=0.03)


def test_observation_is_the_reading_in_units_and_the_progress():
    reading = np.zeros(22)
    reading[COLUMNS["speed_mps"]] = 25.0
    reading[COLUMNS["centre_offset_m"]] = -20 / 3  # the road's left edge
    reading[COLUMNS["heading_error_rad"]] = math.pi / 2
    vector = telemetry.observation(reading, 0.25)
    assert vector.dtype == np.float32
    assert vector.tolist() == pytest.approx([0.5, *[0] * 7, -1.0, 0.5, *[0] * 12, 0.25])
    assert np.abs(telemetry.observation(np.array([1e4, -1e4] * 11), 1.0)).tolist() == [5.0] * 22 + [1.0]


def test_observations_stay_in_their_space_far_off_the_road_too(make_driver):
    env = CarRacingEnv(obs="telemetry")
    driver = make_driver("straight", 0)
    observation, _ = env.reset(seed=0)
    has_ended, most = False, 0.0
    while not has_ended:
        assert observation in telemetry.SPACE
        observation, _, has_ended, _, info = env.step(driver(env._game.car, env._game.track.centre))
        most = max(most, abs(info["centre_offset_m"]))
    assert observation in telemetry.SPACE
    assert most > 50
