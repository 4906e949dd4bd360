"""Columns of the twin's telemetry `(B, NUM_CHANNELS)`: what is measured in a car, named as in a state."""

from itertools import accumulate

_WHEELS, _AXES = ("fl", "fr", "rl", "rr"), ("x", "y", "z")
SCALARS = (
    *("world_position_x", "world_position_y", "world_position_z", "speed"),
    *("local_velocity_x", "local_velocity_y", "local_velocity_z", "accelX", "accelY"),
    *("accStatus", "brakeStatus", "RPM", "steerAngle", "yaw", "pitch", "roll", "LastFF", "NormalizedSplinePosition"),
    *("angular_velocity_x", "angular_velocity_y", "angular_velocity_z"),
    *("velocity_x", "velocity_y", "velocity_z", "cgHeight"),
    *(f"tyreContactHeading_{wheel.upper()}_{axis}" for wheel in _WHEELS for axis in _AXES),
)
# Four columns each, front left, front right, rear left, rear right.
FOURS = (
    *("SlipAngle", "tyre_slip_ratio", "Dy", "wheel_speed", "tire_temperature_core"),
    *("Mz", "dynamic_pressure", "tyre_loaded_radius", "tyres_load", "NdSlip", "SuspensionTravel", "CamberRad"),
)
FOUR_STARTS = dict(zip(FOURS, accumulate([4] * len(FOURS), initial=len(SCALARS)), strict=False))
NUM_CHANNELS = len(SCALARS) + 4 * len(FOURS)


def scalar_columns() -> dict[str, int]:
    """Return the column of every single number: the scalars, and each wheel's of the fours, named as in a state."""
    columns = {name: column for column, name in enumerate(SCALARS)}
    for name in ("SlipAngle", "tyre_slip_ratio", "Dy", "wheel_speed"):
        columns |= {f"{name}_{wheel}": FOUR_STARTS[name] + index for index, wheel in enumerate(_WHEELS)}
    core = FOUR_STARTS["tire_temperature_core"]
    return columns | {f"{wheel}_tire_temperature_core": core + index for index, wheel in enumerate(_WHEELS)}
