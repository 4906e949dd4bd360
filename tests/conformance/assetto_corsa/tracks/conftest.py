"""Tracks by hand, whose geometry is known without a computer."""

import numpy as np
import pytest

from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.assetto_corsa.tracks.synthetic import synthetic_ac_track


def circle(radius=200.0, half_width=6.0, spacing=1.5, *, clockwise=False, **columns):
    """Return a circle about the origin, counter-clockwise unless told, row 0 at +x."""
    count = round(2 * np.pi * radius / spacing)
    angles = 2 * np.pi * np.arange(count) / count * (-1 if clockwise else 1)
    out = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    inner, outer = (radius - half_width) * out, (radius + half_width) * out
    left, right = (outer, inner) if clockwise else (inner, outer)
    chord = 2 * radius * np.sin(np.pi / count) * count
    arguments = {"curvature": None, "target_speed_mps": None, "length_m": chord} | columns
    return AcTrack("circle", "", left, right, radius * out, **arguments)


def stadium(straight=600.0, radius=50.0, half_width=5.0, spacing=1.5):
    """Return two straights along ±x, joined by half circles: row 0 in the middle of the lower one, towards +x."""
    length = 2 * straight + 2 * np.pi * radius
    s = np.arange(round(length / spacing)) * length / round(length / spacing)
    line, tangent = np.empty((len(s), 2)), np.empty((len(s), 2))
    for row, place in enumerate(s):
        place = (place + straight / 2) % length  # from the lower straight's begin
        if place < straight:
            line[row], tangent[row] = (place - straight / 2, 0.0), (1.0, 0.0)
        elif place < straight + np.pi * radius:
            turn = (place - straight) / radius - np.pi / 2
            line[row] = straight / 2 + radius * np.cos(turn), radius + radius * np.sin(turn)
            tangent[row] = -np.sin(turn), np.cos(turn)
        elif place < 2 * straight + np.pi * radius:
            line[row], tangent[row] = (straight * 1.5 + np.pi * radius - place, 2 * radius), (-1.0, 0.0)
        else:
            turn = (place - 2 * straight - np.pi * radius) / radius + np.pi / 2
            line[row] = -straight / 2 + radius * np.cos(turn), radius + radius * np.sin(turn)
            tangent[row] = -np.sin(turn), np.cos(turn)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) * half_width
    return AcTrack("stadium", "oval", line + normal, line - normal, line, None, None, length)


@pytest.fixture(scope="session")
def make_circle():
    return circle


@pytest.fixture(scope="session")
def make_stadium():
    return stadium


@pytest.fixture(scope="session")
def synthetic():
    """Return a function from a seed and arguments to a synthetic track, made once."""
    made = {}

    def make(seed=0, **arguments):
        key = (seed, *sorted(arguments.items()))
        if key not in made:
            made[key] = synthetic_ac_track(seed, **arguments)
        return made[key]

    return make
