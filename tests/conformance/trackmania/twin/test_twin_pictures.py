"""Screenshots of the twin, read by the ray algorithm as the interface describes it."""

import math

import numpy as np
import pytest

from envs.errors import ConfigError
from envs.trackmania.twin.game import TwinGame

ANGLES = np.radians(90 + 10 * np.arange(19))  # ray 0 to the right, 9 straight up, 18 to the left
SHAPE = (488, 958, 3)


def lidar(image):
    """Return the index of the first point of each ray that is dark in all channels, else the last."""
    height, width = image.shape[:2]
    row0, column0 = 44 * height // 49, width // 2
    found = []
    for angle in ANGLES:
        index = -1
        while True:
            distance = 20 + index + 1
            row = math.trunc(row0 + distance * math.cos(angle))
            column = math.trunc(column0 + distance * math.sin(angle))
            if row <= 0 or column <= 0 or column >= width - 1:
                break
            index += 1
            if (image[row, column] < 55).all():
                break
        found.append(index)
    return found


def grey(value=200):
    return np.full(SHAPE, value, np.uint8)


def columns_black():
    image = grey()
    image[:, :300] = image[:, 700:] = 0
    return image


def rows(colour):
    image = grey()
    image[:200] = colour
    return image


FREE = [457, 465, 488, 531, 603, 550, 484, 445, 423, 417, 423, 445, 484, 550, 603, 531, 488, 465, 458]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (grey(), FREE),
        (grey(0), [0] * 19),
        (
            columns_black(),
            [201, 205, 216, 236, 269, 324, 422, 445, 423, 417, 423, 445, 339, 259, 214, 187, 171, 162, 160],
        ),
        (rows(0), [457, 465, 488, 457, 351, 291, 255, 234, 222, 219, 222, 234, 255, 291, 351, 456, 488, 465, 458]),
    ],
)
def test_the_algorithm_of_these_tests_matches_the_vectors(image, expected):
    assert [lidar(image)[ray] for ray in range(19)] == expected


@pytest.mark.parametrize(("colour", "expected"), [(55, 417), (54, 219), ((54, 54, 200), 417)])
def test_the_threshold_is_strict_and_for_all_channels(colour, expected):
    assert lidar(rows(colour))[9] == expected


def at(game, s_m, *, left_m=0.0, turned_rad=0.0):
    """Return a frame with the car somewhere else on the road."""
    centre = game.road.centre
    heading, state = float(centre.heading(s_m)), game.frame.state.copy()
    state[:2] = centre.position(s_m) + left_m * np.array([-math.sin(heading), math.cos(heading)])
    state[2] = heading + turned_rad
    return game.frame._replace(state=state)


@pytest.fixture(scope="module")
def straight():
    line = np.zeros((1001, 3))
    line[:, 2] = np.arange(1001.0)
    return TwinGame(trajectory=line)


@pytest.fixture(scope="module")
def right_bend():
    """Return a road that goes straight for 100 m and then round to the right, 60 m wide."""
    angle = np.linspace(0.0, math.pi, 100)
    bend = np.stack([-60.0 * (1 - np.cos(angle)), 0 * angle, 100.0 + 60.0 * np.sin(angle)], axis=-1)
    before = np.stack([np.zeros(100), np.zeros(100), np.arange(100.0)], axis=-1)
    return TwinGame(trajectory=np.concatenate([before, bend]))


def test_the_middle_of_a_straight_road_is_symmetric(straight):
    seen = lidar(straight.screen.draw(at(straight, 300.0), "lidar"))
    np.testing.assert_allclose(seen[1:-1], seen[1:-1][::-1], atol=4)  # the rays' own columns differ by one
    assert len(set(seen)) > 5
    # Ray 9 ends at the horizon: 244 of 488 rows, 194 above the origin, less the 20 that are skipped.
    assert seen[9] == pytest.approx(174, abs=4)


def test_rays_are_as_long_as_the_perspective_says(straight):
    # The border at 12.8 m of a camera 1.514 m high is a line: columns = 12.8 / 1.514 × rows below the horizon.
    slope, below = 12.8 / 1.514, 438 - 244
    seen = lidar(straight.screen.draw(at(straight, 300.0), "lidar"))
    for ray in (3, 4, 5, 13, 14, 15):
        angle = abs(ANGLES[ray] - math.pi)
        distance = slope * below / (math.sin(angle) + slope * math.cos(angle))
        assert seen[ray] == pytest.approx(distance - 20, abs=6), ray


def test_the_nearer_border_is_nearer(straight):
    right = lidar(straight.screen.draw(at(straight, 300.0, left_m=-9.0), "lidar"))
    left = lidar(straight.screen.draw(at(straight, 300.0, left_m=9.0), "lidar"))
    assert sum(right[:6]) < sum(right[13:]) - 100
    assert sum(left[13:]) < sum(left[:6]) - 100


def test_a_turned_car_looks_at_the_border(straight):
    assert min(lidar(straight.screen.draw(at(straight, 300.0, turned_rad=math.pi / 2), "lidar"))[7:12]) < 170
    seen = lidar(straight.screen.draw(at(straight, 300.0, turned_rad=-0.4), "lidar"))  # to the right
    assert sum(seen[:9]) < sum(seen[10:])


def test_a_bend_to_the_right_opens_to_the_right(right_bend):
    seen = lidar(right_bend.screen.draw(at(right_bend, 70.0), "lidar"))
    assert sum(seen[5:9]) > sum(seen[10:14]) + 5


def test_sizes_and_kinds():
    game = TwinGame(0, full_size=(64, 32), lidar_size=(256, 128))
    assert game.screenshot("full").shape == (32, 64, 3)
    assert game.screenshot("lidar").shape == (128, 256, 3)
    assert game.screenshot("full").dtype == np.uint8
    with pytest.raises(ValueError, match="full, lidar"):
        game.screenshot("radar")
    with pytest.raises(ConfigError, match="width of a screenshot"):
        TwinGame(0, full_size=(0, 32))


def test_a_small_window_gives_the_same_road(straight):
    line = np.zeros((1001, 3))
    line[:, 2] = np.arange(1001.0)
    small = TwinGame(trajectory=line, lidar_size=(256, 128))
    seen = lidar(small.screen.draw(at(small, 300.0), "lidar"))
    assert seen[9] == pytest.approx(128 * 44 / 49 - 64 - 20, abs=3)


def test_the_landscape_shows_speed_and_place(straight):
    here, there = (straight.screen.draw(at(straight, s), "full") for s in (300.0, 303.0))
    assert (here != there).mean() > 0.02
    near_gate, far = (straight.screen.draw(at(straight, s), "full") for s in (960.0, 300.0))
    bar = (np.abs(near_gate.astype(int) - (30, 190, 240)).max(axis=2) < 30).sum()
    assert bar > 20
    assert (np.abs(far.astype(int) - (30, 190, 240)).max(axis=2) < 30).sum() == 0
    road = here[80, 128 - 40]
    assert np.ptp(road.astype(int)) < 12  # grey
    assert 60 < road.mean() < 130


def test_pictures_are_blue_green_red(straight):
    picture = straight.screen.draw(at(straight, 300.0), "full")
    blue, _, red = picture[2].mean(axis=0)  # sky
    assert blue > red + 40
