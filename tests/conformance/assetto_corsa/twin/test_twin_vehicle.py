"""The cars: figures near those published, gears, limits, many at once."""

import numpy as np
import pytest

from envs.assetto_corsa.twin.cars import TwinCars
from envs.assetto_corsa.twin.channels import NUM_CHANNELS
from envs.assetto_corsa.twin.columns import LEFT_M, TYRES_OUT
from envs.errors import ConfigError

KMH = 3.6


def straight(game, wide_ring, car, **arguments):
    return game(track=wide_ring, car=car, **arguments)


def follow(one, acc, brake=-1.0):
    """Hold the pedals and stay on the line."""
    one.press(one.line_command()[0], acc, brake)


# Top speed and 0 to 100 km/h, in ranges around what is published of the three.
@pytest.mark.parametrize(
    ("car", "top_kmh", "hundred_s"),
    [
        ("dallara_f317", (250, 280), (2.2, 4.2)),
        ("bmw_z4_gt3", (265, 300), (2.6, 4.5)),
        ("ks_mazda_miata", (180, 210), (7.5, 10.5)),
    ],
)
def test_cars_are_as_fast_as_published(game, wide_ring, car, top_kmh, hundred_s):
    one = straight(game, wide_ring, car)
    reached, gears, last = None, [], 0.0
    while one.time_s < 90.0:
        follow(one, 1.0)
        one.advance(0.1)
        state = one.state()
        gears.append(state["actualGear"])
        if reached is None and state["speed"] * KMH >= 100.0:
            reached = one.time_s
        assert state["RPM"] < 9500.0
        last = state["speed"] * KMH
    assert hundred_s[0] < reached < hundred_s[1]
    assert top_kmh[0] < last < top_kmh[1]
    assert gears[0] == 2
    assert gears == sorted(gears)
    assert gears[-1] == (6 if car == "ks_mazda_miata" else 7)


@pytest.mark.parametrize(
    ("car", "mass", "friction", "downforce", "drag"),
    [
        ("dallara_f317", 565, 1.6, 1.35, 0.40),
        ("bmw_z4_gt3", 1250, 1.45, 1.25, 0.72),
        ("ks_mazda_miata", 1030, 1.15, 0.0, 0.43),
    ],
)
def test_brakes_are_limited_by_grip(game, wide_ring, car, mass, friction, downforce, drag):
    one = straight(game, wide_ring, car, start_speed_mps=40.0)
    follow(one, -1.0, 1.0)
    one.advance(0.2)
    state = one.state()
    squared = state["speed"] ** 2
    most = (friction * (mass * 9.81 + downforce * squared) + drag * squared) / mass / 9.81
    assert 0.75 * most < -state["accelY"] < 1.02 * most


def test_a_car_corners_no_harder_than_its_tyres_hold(game, wide_ring):
    one = straight(game, wide_ring, "ks_mazda_miata", start_speed_mps=25.0)
    most = 0.0
    for steer in np.linspace(0.0, 0.6, 120):
        one.press(float(steer), 0.0, -1.0)
        one.advance(0.04)
        most = max(most, -one.state()["accelX"])
    assert 0.85 * 1.15 < most < 1.1 * 1.15


def test_a_car_rolls_out_and_stays(game):
    one = game(start_speed_mps=5.0)
    one.press(0.0, -1.0, 0.5)
    one.advance(5.0)
    state = one.state()
    assert state["speed"] == pytest.approx(0.0, abs=1e-3)
    place = state["world_position_x"], state["world_position_y"]
    one.advance(20.0)
    assert (one.state()["world_position_x"], one.state()["world_position_y"]) == pytest.approx(place, abs=1e-3)


def test_a_driver_of_the_line_stays_on_the_road():
    from envs.assetto_corsa.tracks.synthetic import synthetic_ac_track

    cars = TwinCars(8, synthetic_ac_track(3), paces=np.linspace(0.5, 0.95, 8).tolist())
    for _ in range(60 * 5):
        cars.advance(20)
        assert cars.states[:, TYRES_OUT].max() == 0
    assert np.abs(cars.states[:, LEFT_M]).max() < 3.0


def test_many_cars_are_each_as_one_alone(ring):
    random = np.random.default_rng(2)
    many = TwinCars(5, ring)
    alone = [TwinCars(1, ring) for _ in range(5)]
    poses = np.stack([200.0 + random.uniform(-3, 3, 5), random.uniform(-3, 3, 5), np.full(5, 1.6)], axis=-1)
    many.place(poses, 20.0)
    for index, one in enumerate(alone):
        one.place(poses[index : index + 1], 20.0)
    for _ in range(50):
        commands = random.uniform(-1.0, 1.0, (5, 3))
        many.commands[:] = commands
        many.advance(4)
        for index, one in enumerate(alone):
            one.commands[:] = commands[index]
            one.advance(4)
    np.testing.assert_array_equal(many.states, np.concatenate([one.states for one in alone]))
    assert many.channels().shape == (5, NUM_CHANNELS)
    assert np.isfinite(many.channels()).all()


def press(one, seconds=0.08, **buttons):
    one.press(0.0, -1.0, -1.0, **buttons)
    one.advance(seconds)
    return one.state()["actualGear"]


def test_one_request_is_one_gear(game):
    one = game(is_automatic=False, start_speed_mps=15.0)
    begin = one.state()["actualGear"]
    up = {"shift_up": True, "enable_gear_shift": True}
    assert press(one, **up) == begin + 1
    assert press(one, 0.4, **up) == begin + 1  # held
    assert press(one) == begin + 1
    assert press(one, shift_up=True) == begin + 1  # not enabled
    assert press(one) == begin + 1
    assert press(one, **up | {"shift_down": True}) == begin + 2  # up goes first
    assert press(one) == begin + 2
    assert press(one, shift_down=True, enable_gear_shift=True) == begin + 1
    assert one.static_info()["autoShifterOn"] == 0


def test_edges_within_the_debounce_are_not_taken(game):
    one = game(is_automatic=False, start_speed_mps=15.0)
    begin = one.state()["actualGear"]
    for _ in range(2):  # two edges 20 ms apart
        press(one, 0.01, shift_up=True, enable_gear_shift=True)
        press(one, 0.01)
    assert press(one) == begin + 1


def test_gears_end_at_reverse_and_at_the_last(game):
    one = game(is_automatic=False)
    for count, word, gear in ((4, "shift_down", 0), (9, "shift_up", 7)):
        for _ in range(count):
            press(one, **{word: True, "enable_gear_shift": True})
            press(one)
        assert one.state()["actualGear"] == gear


def test_an_automatic_gearbox_takes_no_requests(game):
    one = game()
    press(one, shift_up=True, enable_gear_shift=True)
    assert one.state()["actualGear"] == 2
    assert one.static_info()["autoShifterOn"] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"car": "lada"},
        {"mode": "both"},
        {"seed": -1},
        {"num_opponents": 64},
        {"start_row": 1000},
        {"track": "/nowhere"},
        {"config": {"nonsense": 1}},
        {"config": {"ego_sampling_freq": 0}},
    ],
)
def test_wrong_arguments_are_refused(game, arguments):
    with pytest.raises(ConfigError):
        game(**arguments)


@pytest.mark.parametrize("values", [(float("nan"), 0.0, 0.0), (0.0, float("inf"), 0.0)])
def test_the_joystick_takes_finite_numbers_only(game, values):
    with pytest.raises(ValueError, match="finite"):
        game().press(*values)


def test_time_goes_forwards_only(game):
    with pytest.raises(ValueError, match="at least 0"):
        game().advance(-0.1)
