"""Streams of records by hand, for every layout whose fields are known, and a game that can be followed by hand."""

import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest

START = (496.0, 10.0, 624.0)


def told(**fields):
    """Return the values of a car, standing at the start, by name; `fields` differ."""
    values = {
        "speed_mps": 0.0,
        "side_speed_mps": 0.0,
        "distance_m": 0.0,
        "steer": 0.0,
        "gas": 0.0,
        "brake": 0.0,
        "brake_pedal": 0.0,
        "finished": 0.0,
        "gear": 1.0,
        "rpm": 1000.0,
        "checkpoints": 0.0,
        "lap": 0.0,
        "race_time_s": 0.0,
        "race_time_ms": 0.0,
        "direction_x": 0.6,
        "direction_y": 0.0,
        "direction_z": 0.8,
        "up_x": 0.0,
        "up_y": 1.0,
        "up_z": 0.0,
        "camera_x_m": 490.0,
        "camera_y_m": 15.0,
        "camera_z_m": 620.0,
        "yaw_rad": 0.6435,
    }
    values |= dict(zip(("x_m", "y_m", "z_m"), START, strict=True))
    return values | fields


def driving(index, *, fps=30.0, speed=40.0, **fields):
    """Return the values of a car that drives straight on at `speed`, in frame `index`."""
    way = speed * index / fps
    return told(
        speed_mps=speed,
        distance_m=way,
        x_m=START[0] + 0.6 * way,
        z_m=START[2] + 0.8 * way,
        gas=1.0,
        steer=0.25 * np.sin(0.3 * index),
        gear=3.0,
        rpm=8000.0 + 10.0 * index,
        velocity_x=0.6 * speed,
        velocity_z=0.8 * speed,
        race_time_s=index / fps,
        race_time_ms=1000.0 * index / fps,
        **fields,
    )


def packed(layout, values):
    """Return the bytes of one record."""
    return struct.pack(f"<{layout.num_floats}f", *(values.get(name, 0.0) for name in layout.fields))


@pytest.fixture(scope="session")
def cars():
    """Return what makes streams: `told`, `driving` and `packed`."""

    class Cars:
        pass

    Cars.told, Cars.driving, Cars.packed, Cars.START = staticmethod(told), staticmethod(driving), packed, START
    Cars.packed = staticmethod(packed)
    return Cars


ROAD_M = 400.0


class FakeGame:
    """`envs.trackmania.lockstep.LockstepGame` in its smallest form: full gas is 40 m/s at once, along +z.

    Args:
        countdown_s: after a restart.
        stale_s: for which the finish stays up after a restart.
        person: controls that are held whatever the pad says.
        returns_s: how long after a finish the person restarts; None: never.
    """

    def __init__(self, seed=0, countdown_s=1.5, stale_s=0.0, person=None, returns_s=None):
        self.time_us = 0
        self.returns_s, self.finished_us = returns_s, None
        self.countdown_us, self.stale_us = round(countdown_s * 1e6), round(stale_s * 1e6)
        self.pressed, self.restarts, self.popups = [], 0, 0
        self.override = {}  # fields of records that are wrong
        self.controls, self.person = tuple(person or (0.0, 0.0, 0.0)), person
        self.was_finished = False
        self._begin()

    @property
    def time_s(self):
        return self.time_us / 1e6

    def press(self, gas, brake, steer):
        self.controls = tuple(self.person or (gas, brake, steer))
        self.pressed.append(self.controls)

    def restart(self):
        self.restarts += 1
        self.was_finished = self.z >= ROAD_M
        self._begin()

    def close_popup(self):
        self.popups += 1

    def advance(self, duration_s):
        end_us = self.time_us + round(duration_s * 1e6)
        moving_from = max(self.time_us, self.begin_us + self.countdown_us)
        moving_us = max(end_us - moving_from, 0)
        gas, brake, steer = self.controls
        self.speed = 40.0 * gas * (1.0 - brake) if moving_us else 0.0
        self.z += self.speed * moving_us / 1e6
        self.x -= 10.0 * steer * moving_us / 1e6  # right is -x
        self.time_us = end_us
        if self.z >= ROAD_M and self.finished_us is None:
            self.finished_us = end_us
        if None not in (self.finished_us, self.returns_s) and end_us - self.finished_us >= self.returns_s * 1e6:
            self.restart()

    def record(self, layout="TMRL11"):
        is_stale = self.was_finished and self.time_us - self.begin_us < self.stale_us
        finished = float(self.z >= ROAD_M or is_stale)
        gas, brake, steer = self.controls
        values = {
            **{"speed": self.speed, "distance": self.z, "x": self.x, "y": 10.0, "z": self.z, "steer": steer},
            **{
                "gas": gas,
                "brake": float(brake > 0.0),
                "finished": finished,
                "gear": 1.0,
                "rpm": 1000.0 + 50 * self.speed,
            },
        }
        return tuple(float(np.float32(value)) for value in (values | self.override).values())

    def screenshot(self, kind):
        height, width = (488, 958) if kind == "lidar" else (128, 256)
        picture = np.full((height, width, 3), 200, np.uint8)
        picture[: height // 3] = 0
        picture[:, : 1 + int(self.z) % width] = 30
        return picture

    def trajectory(self):
        count = round(ROAD_M * 10) + 1
        return np.stack([np.zeros(count), np.full(count, 10.0), 0.1 * np.arange(count)], axis=1)

    def _begin(self):
        self.begin_us, self.finished_us = self.time_us, None
        self.x = self.z = self.speed = 0.0


@pytest.fixture
def lockstep(monkeypatch):
    """Return a function from arguments of `TrackmaniaEnv` to one that drives a `FakeGame`, and that game's class."""
    games = []

    def make_game(**arguments):
        games.append(FakeGame(**arguments))
        return games[-1]

    monkeypatch.setitem(sys.modules, "envs.trackmania.twin.game", SimpleNamespace(TwinGame=make_game))
    from envs.trackmania.env import TrackmaniaEnv

    made = []

    def make(**arguments):
        made.append(TrackmaniaEnv(**{"twin": "lockstep"} | arguments))
        return made[-1]

    make.games = games
    yield make
    for env in made:
        env.close()
