"""Pictures: sizes and colours as asked for, the road ahead between grass, other cars on it."""

import numpy as np
import pytest

from envs.errors import ConfigError


@pytest.mark.parametrize(("mode", "channels"), [("gray", 1), ("bgr", 3)])
@pytest.mark.parametrize(("width", "height"), [(320, 240), (64, 64), (16, 16)])
def test_sizes(game, width, height, mode, channels):
    picture = game().picture(width, height, mode)
    assert picture.shape == (height, width, channels)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("arguments", [(8, 64, "gray"), (64, 5000, "gray"), (64, 64, "rgb")])
def test_wrong_requests(game, arguments):
    with pytest.raises(ConfigError):
        game().picture(*arguments)


def is_grass(colours):
    """Whether pixels are greener than anything else."""
    colours = colours.astype(int)
    return (colours[..., 1] > colours[..., 0] + 20) & (colours[..., 1] > colours[..., 2] + 20)


def test_the_road_is_where_the_car_is_and_grass_beside_it(game):
    row = 200  # of 240, near the car
    on_road = is_grass(game().picture(320, 240, "bgr")[row])
    assert not on_road[100:220].any()
    left_of_it = is_grass(game(start_left_m=20.0).picture(320, 240, "bgr")[row])
    assert left_of_it[100:220].all()
    sky = game().picture(320, 240, "bgr")[:80].astype(int)
    assert (sky[..., 0] > sky[..., 2] + 20).all()  # blue


def test_the_road_bends_to_the_left(game):
    picture = is_grass(game().picture(320, 240, "bgr"))
    far = ~picture[112]  # a few rows below the horizon, 50 m ahead
    columns = np.flatnonzero(far)
    assert columns.mean() < 150.0  # left of the middle


def test_other_cars_are_seen(game):
    alone, together = game(), game(num_opponents=1)
    changed = np.any(alone.picture(320, 240, "bgr") != together.picture(320, 240, "bgr"), axis=-1)
    assert changed.sum() > 50
    rows, columns = np.nonzero(changed)
    assert 90 < rows.mean() < 160
    assert 80 < columns.mean() < 200


def test_a_picture_changes_nothing(game):
    one, other = game(num_opponents=1), game(num_opponents=1)
    one.picture()
    for each in (one, other):
        each.advance(1.0)
    assert one.state() == other.state()
