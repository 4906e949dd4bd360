"""Pictures of tracks: what is where, by colour."""

import math

import numpy as np
import pytest

from envs.errors import ConfigError
from envs.track.drawing import TopView
from envs.track.track import Track


def ring_view(**sizes):
    angles = 2 * math.pi * np.arange(180) / 180
    track = Track.from_widths(50 * np.stack([np.cos(angles), np.sin(angles)], axis=-1), 5.0, 5.0)
    return TopView(track, **sizes)


def colour_at(view, picture, x, y):
    column, row = np.rint(view.pixels((x, y))).astype(int)
    return picture[row, column].tolist()


def test_the_whole_track_is_in_the_picture():
    for height, width in ((300, 400), (400, 300)):
        view = ring_view(height=height, width=width)
        picture = view.draw()
        assert picture.shape == (height, width, 3)
        assert picture.dtype == np.uint8
        grass = picture[0, 0].tolist()
        for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
            assert (edge == grass).all()
        assert colour_at(view, picture, 0, 0) == grass
        road = colour_at(view, picture, 0, 52.5)
        assert road != grass
        for x, y in ((52.5 * math.cos(a), 52.5 * math.sin(a)) for a in np.linspace(0.1, 6.2, 50)):
            assert colour_at(view, picture, x, y) == road


def test_y_is_up_and_x_to_the_right():
    view = ring_view(height=200, width=200)
    assert view.pixels((0, 0)) == pytest.approx([99.5, 99.5])
    assert view.pixels((10, 20)) - 99.5 == pytest.approx(np.array([10, -20]) * 200 * 0.92 / 110)


def test_cars_and_rays_are_drawn_where_they_are():
    view = ring_view(height=400, width=400)
    empty = view.draw()
    poses = np.array([(50.0, 0.0, math.pi / 2), (0.0, -50.0, 0.0)])
    picture = view.draw(poses, angles_rad=[0.0], distances_m=[[20.0], [0.0]])
    colours = [colour_at(view, picture, x, y) for x, y, _ in poses]
    assert colours[0] != colours[1]
    for (x, y, _), colour in zip(poses, colours, strict=True):
        assert colour_at(view, empty, x, y) != colour
    assert colour_at(view, picture, 50, 15) != colour_at(view, empty, 50, 15)  # on the ray
    assert colour_at(view, picture, 50, 22) == colour_at(view, empty, 50, 22)  # beyond its end
    assert (picture != empty).any(axis=2).mean() < 0.01
    assert np.array_equal(view.draw(), empty)  # nothing is left behind


def test_cars_far_outside_do_no_harm():
    view = ring_view(height=100, width=100)
    assert np.array_equal(view.draw([(1e12, -1e12, 0.0)]), view.draw())


def test_pictures_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="height"):
        ring_view(height=4)
