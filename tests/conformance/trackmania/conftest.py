"""Streams of records by hand, for every layout whose fields are known."""

import struct

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
