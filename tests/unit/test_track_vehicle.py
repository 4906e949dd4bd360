"""The car against physics: kinematic turns, friction, energy, power, loads; by formulas that the code does not use."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.errors import ConfigError
from envs.track import bicycle
from envs.track.vehicle import Vehicle, Vehicles
from envs.track.vehicle_parameters import VehicleParameters

CAR = VehicleParameters()
FREE = CAR.changed(drag_kgpm=0.0, rolling_n=0.0)  # nothing but tyres
WHEELBASE = 1.156 + 1.423
G = 9.81
SPEEDS = st.floats(-60, 60)
ACTIONS = st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40)


def make(parameters=CAR, *, speed=0.0, heading=0.0):
    car = Vehicle(parameters)
    car.place((0, 0, heading), speed)
    return car


def drive(car, action, seconds, step=0.01):
    for _ in range(round(seconds / step)):
        car.step(np.array(action, np.float32), step)
    return car


def set_velocity(car, velocity_x, velocity_y, yaw_rate):
    car.state[bicycle.VELOCITY_X_MPS], car.state[bicycle.VELOCITY_Y_MPS] = velocity_x, velocity_y
    car.state[bicycle.YAW_RATE_RADPS] = yaw_rate


def energy(car):
    return 0.5 * (CAR.mass_kg * car.speed_mps**2 + CAR.yaw_inertia_kgm2 * car.yaw_rate_radps**2)


def test_a_car_at_rest_stays_there():
    for action in ((0, 0, 0), (1, 0, 0), (-1, 0, 1)):
        car = drive(make(), action, 5.0)
        assert car.pose == (0, 0, 0)
        assert car.speed_mps == 0


def test_a_straight_is_a_straight():
    car = drive(make(heading=0.5, speed=5.0), (0, 1, 0), 3.0)
    x, y, heading = car.pose
    assert heading == 0.5
    assert math.atan2(y, x) == pytest.approx(0.5, abs=1e-12)
    assert car.velocity_mps[1] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("speed", [0.3, 1.0, 3.0, -1.0])
@pytest.mark.parametrize("steer", [-1.0, -0.3, 0.1, 1.0])
def test_slow_turns_are_kinematic(speed, steer):
    # The rear axle goes where the car points, the front axle where its wheels point.
    before = 0.5 * CAR.mass_kg * speed**2
    car = drive(make(FREE, speed=speed), (steer, 0, 0), 1.5)
    ahead, left = car.velocity_mps
    angle = -steer * 0.6  # to the left
    assert car.steer_rad == pytest.approx(steer * 0.6)
    assert car.yaw_rate_radps == pytest.approx(ahead * math.tan(angle) / WHEELBASE, rel=0.02)
    assert left == pytest.approx(1.423 * car.yaw_rate_radps, rel=0.05, abs=0.005)
    assert 0.95 * before < energy(car) <= before  # tyres that roll take next to nothing


def test_steer_plus_1_is_right_and_takes_its_time():
    car = drive(make(speed=10.0), (1, 0, 0), 0.1)
    assert car.steer_rad == pytest.approx(0.12)  # 1.2 rad/s
    assert car.yaw_rate_radps < 0
    assert drive(car, (1, 0, 0), 0.5).pose[1] < 0  # to the right of +x
    assert car.steer_rad == pytest.approx(0.6)


@pytest.mark.parametrize("speed", [10.0, 20.0, 30.0])
@pytest.mark.parametrize("rear_stiffness", [20.9, 30.0])
def test_gentle_turns_follow_the_understeer_gradient(speed, rear_stiffness):
    # Gillespie 1992, Fundamentals of Vehicle Dynamics, eq. 6-15: angle = L / R + (W_f / C_f - W_r / C_r) a / g.
    wanted = 1.0  # m/s² to the left
    gradient = (1 / 20.9 - 1 / rear_stiffness) / 1.05
    angle = WHEELBASE * wanted / speed**2 + gradient * wanted / G
    car = make(FREE.changed(rear_stiffness_per_rad=rear_stiffness), speed=speed)
    drive(car, (-angle / 0.6, 0, 0), 4.0)
    assert car.speed_mps == pytest.approx(speed, rel=0.05)
    bend = car.yaw_rate_radps / car.speed_mps  # what the speed has lost makes the bend a bit tighter
    assert bend == pytest.approx(angle / (WHEELBASE + gradient * car.speed_mps**2 / G), rel=0.02)


@pytest.mark.parametrize("speed", [5.0, 20.0, 40.0])
@pytest.mark.parametrize("friction", [0.4, 1.05])
def test_stopping_takes_v_squared_by_2_mu_g(speed, friction):
    car = make(FREE.changed(friction=friction), speed=speed)
    drive(car, (0, 0, 1), speed / (friction * G) + 0.1, step=0.005)
    assert car.speed_mps == 0
    assert car.pose[0] == pytest.approx(speed**2 / (2 * friction * G), abs=speed * 0.005)
    assert drive(car, (0, 0, 1), 1.0).speed_mps == 0


def test_a_car_thrown_sideways_stops_by_the_same_friction():
    car = make(FREE)
    set_velocity(car, 0.0, 10.0, 0.0)
    drive(car, (0, 0, 1), 3.0)
    distance = math.hypot(*car.pose[:2])
    least = 10**2 / (2 * 1.05 * G)
    assert least - 0.05 <= distance <= 1.15 * least  # behind its peak a tyre holds a little less
    assert car.speed_mps < 0.05


@settings(deadline=None)
@given(SPEEDS, SPEEDS, st.floats(-6, 6), ACTIONS, st.sampled_from([0.005, 0.01, 0.04]))
def test_without_throttle_energy_never_rises(velocity_x, velocity_y, yaw_rate, actions, step):
    car = make(FREE)
    set_velocity(car, velocity_x, velocity_y, yaw_rate)
    before = energy(car)
    for steer, _, brake in actions:
        car.step(np.array([steer, 0.0, brake]), step)
        assert energy(car) <= before * (1 + 1e-9) + 1e-9
        before = energy(car)


@settings(deadline=None)
@given(SPEEDS, SPEEDS, st.floats(-6, 6), ACTIONS, st.floats(0, 3), st.floats(0.2, 2.0))
def test_tyres_never_hold_more_than_friction_times_load(velocity_x, velocity_y, yaw_rate, actions, downforce, friction):
    car = make(FREE.changed(downforce_kgpm=downforce, friction=friction))
    set_velocity(car, velocity_x, velocity_y, yaw_rate)
    for action in actions:
        load = CAR.mass_kg * G + downforce * car.speed_mps**2
        car.step(np.array(action), bicycle.SUBSTEP_S)
        assert CAR.mass_kg * math.hypot(*car.acceleration_mps2) <= friction * load * (1 + 1e-9)
        assert car.state[bicycle.FRONT_LOAD_N] + car.state[bicycle.REAR_LOAD_N] == pytest.approx(load)
        assert min(car.state[bicycle.FRONT_LOAD_N], car.state[bicycle.REAR_LOAD_N]) >= 0


@settings(deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(allow_nan=False)] * 3), min_size=1, max_size=30),
    SPEEDS,
    st.floats(1e-4, 0.5),
)
def test_any_number_is_an_action(actions, speed, step):
    car = make(speed=speed)
    for action in actions:
        car.step(np.array(action), step)
        assert np.isfinite(car.state).all()
    assert car.speed_mps < 120
    assert -math.pi <= car.pose[2] < math.pi


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31 - 1), st.integers(1, 9))
def test_one_car_drives_as_among_many_bit_for_bit(seed, count):
    random = np.random.default_rng(seed)
    many = Vehicles(count)
    poses, speeds = random.normal(size=(count, 3)), random.uniform(-5, 50, count)
    many.place(poses, speeds)
    single = [Vehicle() for _ in range(count)]
    for car, pose, speed in zip(single, poses, speeds, strict=True):
        car.place(pose, speed)
    for _ in range(20):
        actions = random.uniform([-1, 0, 0], 1, (count, 3)).astype(np.float32)
        many.step(actions, 0.02)
        for car, action in zip(single, actions, strict=True):
            car.step(action, 0.02)
        assert np.array_equal(many.states, [car.state for car in single])


@settings(deadline=None)
@given(ACTIONS, st.floats(0, 50))
def test_left_and_right_are_mirror_images(actions, speed):
    one, mirrored = make(speed=speed), make(speed=speed)
    for steer, throttle, brake in actions:
        one.step(np.array([steer, throttle, brake]), 0.02)
        mirrored.step(np.array([-steer, throttle, brake]), 0.02)
    x, y, heading = one.pose
    turned = math.remainder(heading + mirrored.pose[2], 2 * math.pi)
    assert mirrored.pose[:2] == pytest.approx((x, -y), abs=1e-6)
    assert turned == pytest.approx(0.0, abs=1e-6)


def test_it_drives_alike_in_every_direction():
    actions = np.random.default_rng(0).uniform([-0.3, 0, 0], [0.3, 1, 0.2], (100, 3))
    east, north = make(speed=10.0), make(speed=10.0, heading=math.pi / 2)
    for action in actions:
        east.step(action, 0.02)
        north.step(action, 0.02)
    x, y, _ = east.pose
    assert north.pose[:2] == pytest.approx((-y, x), abs=1e-6)


def test_a_long_step_is_many_short_ones():
    long, short = make(speed=20.0), make(speed=20.0)
    long.step(np.array([0.3, 0.5, 0.0]), 0.05)
    drive(short, (0.3, 0.5, 0.0), 0.05, step=0.005)
    assert long.state == pytest.approx(short.state, rel=1e-5)


def test_engine_force_and_power():
    car = drive(make(FREE.changed(drive_front_share=0.5), speed=5.0), (0, 0.5, 0), 0.1)
    assert car.acceleration_mps2[0] == pytest.approx(0.5 * 8000 / 1093.3)
    fast = drive(make(FREE, speed=40.0), (0, 1, 0), 0.01)
    assert fast.acceleration_mps2[0] == pytest.approx(150e3 / 40 / 1093.3, rel=1e-3)


def test_top_speed_is_where_power_goes_into_drag():
    (top,) = [root.real for root in np.roots([0.4, 0, 160, -150e3]) if abs(root.imag) < 1e-9]
    assert drive(make(speed=60.0), (0, 1, 0), 120, step=0.1).speed_mps == pytest.approx(top, rel=1e-3)


def test_the_reverse_gear():
    car = drive(make(), (0, -1, 0), 5.0)
    assert car.velocity_mps[0] == pytest.approx(-8.0, abs=0.1)
    assert drive(car, (0, 0, 1), 2.0).speed_mps == 0


def test_rolling_stops_a_car():
    car = drive(make(CAR.changed(drag_kgpm=0.0), speed=2.0), (0, 0, 0), 20.0)
    assert car.speed_mps == 0
    assert car.pose[0] == pytest.approx(2**2 * 1093.3 / (2 * 160), rel=0.01)


def test_loads_at_rest_and_under_braking():
    car = drive(make(speed=0.0), (0, 0, 0), 0.01)
    weight = 1093.3 * G
    assert car.state[bicycle.FRONT_LOAD_N] == pytest.approx(weight * 1.423 / WHEELBASE)
    drive(car := make(FREE, speed=30.0), (0, 0, 1), 0.01)
    moved = 1.05 * weight * 0.57 / WHEELBASE
    assert car.state[bicycle.FRONT_LOAD_N] == pytest.approx(weight * 1.423 / WHEELBASE + moved)
    assert car.state[bicycle.REAR_LOAD_N] == pytest.approx(weight * 1.156 / WHEELBASE - moved)


def test_slip_angles_are_from_the_wheels_to_their_motion():
    car = make(FREE)
    set_velocity(car, 20.0, 2.0, 0.5)
    car.step(np.zeros(3), 1e-6)
    assert car.state[bicycle.FRONT_SLIP_RAD] == pytest.approx(math.atan((2.0 + 1.156 * 0.5) / 20))
    assert car.state[bicycle.REAR_SLIP_RAD] == pytest.approx(math.atan((2.0 - 1.423 * 0.5) / 20))
    car.state[bicycle.STEER_RAD] = 0.1  # to the right
    set_velocity(car, 20.0, 0.0, 0.0)
    car.step(np.array([0.1 / 0.6, 0, 0]), 1e-6)
    assert car.state[bicycle.FRONT_SLIP_RAD] == pytest.approx(0.1, abs=1e-5)
    assert car.acceleration_mps2[1] < 0


def test_another_ground_in_the_middle_of_a_drive():
    car = drive(make(FREE, speed=20.0), (0, 0, 1), 0.1)
    car.parameters = FREE.changed(friction=0.3)
    assert drive(car, (0, 0, 1), 0.1).acceleration_mps2[0] == pytest.approx(-0.3 * G)


def test_some_of_many_cars_are_placed():
    cars = Vehicles(3)
    cars.place(np.array([(1.0, 2.0, 0.5)]), 3.0, cars=[1])
    assert cars.poses.tolist() == [[0, 0, 0], [1, 2, 0.5], [0, 0, 0]]
    assert cars.velocities_mps == pytest.approx(np.array([(0, 0), (3, 0), (0, 0)]))


def test_a_broken_action_moves_no_car():
    cars = Vehicles(2)
    cars.place(np.zeros((2, 3)), 10.0)
    before = cars.states.copy()
    with pytest.raises(ValueError, match=r"\(car 1\)"):
        cars.step(np.array([(0, 0, 0), (0, math.nan, 0)]), 0.01)
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        cars.step(np.zeros((2, 2)), 0.01)
    for duration in (0.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="duration above 0 s"):
            cars.step(np.zeros((2, 3)), duration)
    assert np.array_equal(cars.states, before)


@pytest.mark.parametrize(
    "changed",
    [{"mass_kg": 0.0}, {"friction": math.nan}, {"drive_front_share": 1.1}, {"max_steer_rad": 2.0}, {"wheels": 3}],
)
def test_cars_that_cannot_be_are_refused(changed):
    with pytest.raises(ConfigError):
        CAR.changed(**changed)
