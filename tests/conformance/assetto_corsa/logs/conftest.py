"""Drives by hand: states as the plugin tells them, of a car that goes around a circle."""

import math

import numpy as np
import pytest

from envs.assetto_corsa.cars import CARS
from envs.assetto_corsa.geometry.derived import Geometry
from envs.assetto_corsa.logs.episode_log import EpisodeLog
from envs.assetto_corsa.logs.log_head import LogHead
from envs.assetto_corsa.state_keys import FOUR_VECTOR, INTEGER, STATE_KEYS, check_state
from envs.assetto_corsa.tracks.ac_track import AcTrack

RADIUS, STEP_S = 100.0, 0.04
LENGTH = 2 * math.pi * RADIUS
CAR = CARS["dallara_f317"]


def told(index, **fields):
    """Return the state of a car at rest in the middle of nowhere, in step `index`; `fields` differ."""
    empty = {INTEGER: 0, FOUR_VECTOR: [0.0, 1.0, 2.0, 3.0]}
    values = {key: empty.get(kind, 0.0) for key, kind in STATE_KEYS.items()}
    values |= {"steps": index + 1, "timestamp_ac": 100.0 + STEP_S * index, "currentTime": 40 * index, "actualGear": 2}
    return values | fields


def around(index, speed, *, begin=0.0, **fields):
    """Return the state of a car that goes around the circle, counter-clockwise, in step `index`."""
    place = begin + speed * STEP_S * index
    angle = place / RADIUS
    return told(
        index,
        **{
            "world_position_x": RADIUS * math.cos(angle),
            "world_position_y": RADIUS * math.sin(angle),
            "yaw": (angle + math.pi / 2 + math.pi) % (2 * math.pi) - math.pi,
            "speed": speed,
            "NormalizedSplinePosition": (place / LENGTH) % 1.0,
        }
        | fields,
    )


def circle():
    angles = 2 * np.pi * np.arange(420) / 420
    out = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return AcTrack("circle", "", 94 * out, 106 * out, RADIUS * out, None, None, LENGTH)


@pytest.fixture(scope="session")
def drive():
    """Return what makes drives: `told`, `around`, and the circle's `RADIUS`, `LENGTH`, `STEP_S`, `CAR`."""

    assert check_state(told(0)) == told(0)

    class Drive:
        pass

    Drive.told, Drive.around = staticmethod(told), staticmethod(around)
    Drive.RADIUS, Drive.LENGTH, Drive.STEP_S, Drive.CAR = RADIUS, LENGTH, STEP_S, CAR
    return Drive


@pytest.fixture(scope="session")
def geometry():
    return Geometry(circle())


@pytest.fixture
def make_log(tmp_path, geometry):
    """Return a function that makes a log of drives on the circle."""

    def make(**arguments):
        head = {
            **{"track": "circle", "track_digest": geometry.track.digest, "car": CAR.name, "rate_hz": 25.0},
            **{"is_fixed": False, "presets": {"actions": "relative"}},
        }
        extras = arguments.pop("extras", ())
        return EpisodeLog(tmp_path, LogHead(**head | arguments), extras=extras)

    return make


@pytest.fixture
def log_drive(make_log, geometry):
    """Return a function that logs states with commands `(T, 3)` and actions `(T, 3)`, and returns the file."""

    def log(states, commands=None, actions=None, *, rewards=None, ends=(False, False), **arguments):
        log = make_log(**arguments)
        for row, state in enumerate(states):
            is_last = row == len(states) - 1
            place = [state[key] for key in ("world_position_x", "world_position_y", "yaw")]
            derived = geometry.derive(*place, state["NormalizedSplinePosition"], state["numberOfTyresOut"])
            log.row(
                state,
                derived,
                command=(0.0, -1.0, -1.0) if commands is None else commands[row],
                action=(0.0, 0.0, 0.0) if actions is None else actions[row],
                reward=float(row) if rewards is None else rewards[row],
                terminated=is_last and ends[0],
                truncated=is_last and ends[1],
            )
        return log.finish()

    return log
