"""What the game would tell of cars, compiled: the channels of a state that are measured in the car.

Frames and signs: plan frame for positions and `yaw` (x = the game's Z, y = its X); the game's axis order (y up) for
`velocity_*`, `angular_velocity_*` and `tyreContactHeading_*`. To the left is positive: lateral velocity and
acceleration, yaw rate, slip angles. Nobody has compared these signs, nor the sizes, with the game.
"""

import math
from typing import Any

from numba import njit

from envs.assetto_corsa.twin.channels import FOUR_STARTS, FOURS, SCALARS
from envs.assetto_corsa.twin.columns import (
    BRAKE,
    DRIVE_N,
    FRONT_C,
    PITCH_RAD,
    PITCH_RATE,
    REAR_C,
    ROLL_RAD,
    ROLL_RATE,
    RPM,
    S_M,
    THROTTLE,
    TYRES_OUT,
    WHEEL_DEG,
)
from envs.track.bicycle import (
    AHEAD_MPS2,
    FRONT_LOAD_N,
    GRAVITY_MPS2,
    HEADING_RAD,
    LEFT_MPS2,
    REAR_LOAD_N,
    STEER_RAD,
    VELOCITY_X_MPS,
    VELOCITY_Y_MPS,
    X_M,
    Y_M,
    YAW_RATE_RADPS,
)
from envs.track.frames import FloatArray

_LAST_FF = SCALARS.index("LastFF")
_HEADINGS = SCALARS.index("tyreContactHeading_FL_x")
_SLIP_ANGLE, _SLIP_RATIO, _DY, _WHEEL_SPEED, _CORE = (FOUR_STARTS[name] for name in FOURS[:5])
_MZ, _PRESSURE, _RADIUS, _LOAD, _ND_SLIP, _TRAVEL, _CAMBER = (FOUR_STARTS[name] for name in FOURS[5:])

_SLOWEST_MPS = 3.0  # below, slip angles are damped: they mean nothing at rest
_PEAK_SLIP = 0.12  # ratio at the limit of the tyre
_PEAK_ANGLE_RAD = 0.14
_TRAIL_M = 0.03  # of a tyre that hardly slips
_FF_NM = 150.0  # of both front tyres, that is a signal of 1
_AIR_PSI, _COLD_C, _ZERO_C = 14.7, 26.0, 273.15
_STATIC_TRAVEL_M = 0.03
_NOISE = 0.01  # of Dy
_MOST_ON_ROAD = 2  # tyres out


@njit(cache=True, error_model="numpy")
def fill_channels(
    rows: FloatArray,
    cars: FloatArray,
    num_ticks: int,
    seed: int,
    records: Any,
    tarmac: Any,
    grass: Any,
    length_m: float,
) -> None:
    """Write the channels of cars.

    Args:
        rows: `(B, NUM_CHANNELS)`, written.
        cars: `(B, CAR_SIZE)`.
        num_ticks: of the game's clock, for the noise.
        seed: of the noise.
        records: `CarModel.record`.
        tarmac: `VehicleParameters.record()` on the road.
        grass: off it.
        length_m: of the line.
    """
    for index in range(len(cars)):
        car, row = cars[index], rows[index]
        chassis = grass[0] if car[TYRES_OUT] > _MOST_ON_ROAD else tarmac[0]
        _fill_body(row, car, chassis, length_m)
        _fill_wheels(row, car, chassis, records[0], num_ticks + 7919 * seed)


@njit(cache=True, error_model="numpy")
def _fill_body(row: FloatArray, car: FloatArray, chassis: Any, length_m: float) -> None:
    cos, sin = math.cos(car[HEADING_RAD]), math.sin(car[HEADING_RAD])
    x, y = car[VELOCITY_X_MPS], car[VELOCITY_Y_MPS]
    values = (
        car[X_M],
        car[Y_M],
        chassis.gravity_height_m,
        math.hypot(x, y),
        cos * x + sin * y,
        cos * y - sin * x,
        0.0,
        car[LEFT_MPS2] / GRAVITY_MPS2,
        car[AHEAD_MPS2] / GRAVITY_MPS2,
        car[THROTTLE],
        car[BRAKE],
        car[RPM],
        car[WHEEL_DEG],
        car[HEADING_RAD],
        car[PITCH_RAD],
        car[ROLL_RAD],
        0.0,  # LastFF, which the wheels say
        min(car[S_M] / length_m, 1.0),
        car[PITCH_RATE],
        car[YAW_RATE_RADPS],
        car[ROLL_RATE],
        y,
        0.0,
        x,
        chassis.gravity_height_m,
    )
    for column in range(len(values)):
        row[column] = values[column]


@njit(cache=True, error_model="numpy")
def _fill_wheels(row: FloatArray, car: FloatArray, chassis: Any, model: Any, noise: int) -> None:
    heading, rate = car[HEADING_RAD], car[YAW_RATE_RADPS]
    cos, sin = math.cos(heading), math.sin(heading)
    ahead = cos * car[VELOCITY_X_MPS] + sin * car[VELOCITY_Y_MPS]
    left = cos * car[VELOCITY_Y_MPS] - sin * car[VELOCITY_X_MPS]
    weight = chassis.mass_kg * GRAVITY_MPS2
    moved = chassis.mass_kg * car[LEFT_MPS2] * chassis.gravity_height_m / model.track_m  # from left to right wheels
    align = 0.0
    for wheel in range(4):
        is_front, side = wheel < 2, (1.0 if wheel % 2 == 0 else -1.0)  # positive on the left
        axle_load = car[FRONT_LOAD_N] if is_front else car[REAR_LOAD_N]
        taken = moved * (model.roll_front_share if is_front else 1.0 - model.roll_front_share)
        load = min(max(0.5 * axle_load - side * taken, 0.0), axle_load)
        static = 0.5 * weight * (chassis.rear_m if is_front else chassis.front_m) / (chassis.front_m + chassis.rear_m)

        pointing = -car[STEER_RAD] if is_front else 0.0  # to the left of the car
        wheel_cos, wheel_sin = math.cos(pointing), math.sin(pointing)
        across_car = left + rate * (chassis.front_m if is_front else -chassis.rear_m)
        along_car = ahead - rate * side * 0.5 * model.track_m
        along = along_car * wheel_cos + across_car * wheel_sin
        across = across_car * wheel_cos - along_car * wheel_sin
        angle = math.atan2(across, max(math.fabs(along), _SLOWEST_MPS))

        grip = max(chassis.friction * load, 1e-6)
        share = chassis.brake_front_share if is_front else 1.0 - chassis.brake_front_share
        force = -0.5 * car[BRAKE] * chassis.brake_force_n * share * min(math.fabs(along), 1.0)
        if not is_front:
            force += 0.5 * car[DRIVE_N]
        slip = _PEAK_SLIP * min(max(force / grip, -1.0), 1.0)  # ideal anti-lock brakes and traction control
        stiffness = chassis.front_stiffness_per_rad if is_front else chassis.rear_stiffness_per_rad
        sideways = -grip * math.sin(chassis.tyre_shape * math.atan(stiffness / chassis.tyre_shape * math.tan(angle)))
        align_nm = sideways * _TRAIL_M * max(1.0 - math.fabs(angle) / _PEAK_ANGLE_RAD, -0.2)
        core = car[FRONT_C] if is_front else car[REAR_C]

        for axis, part in ((0, math.sin(heading + pointing)), (1, 0.0), (2, math.cos(heading + pointing))):
            row[_HEADINGS + 3 * wheel + axis] = part
        row[_SLIP_ANGLE + wheel] = math.degrees(angle)
        row[_SLIP_RATIO + wheel] = math.fabs(slip)
        row[_DY + wheel] = _lateral_friction(chassis.friction, load / static, noise + wheel) if load > 0.0 else 0.0
        row[_WHEEL_SPEED + wheel] = along * (1.0 + slip) / model.wheel_m
        row[_CORE + wheel] = core
        row[_MZ + wheel] = -align_nm
        row[_PRESSURE + wheel] = (model.pressure_psi + _AIR_PSI) * (core + _ZERO_C) / (_COLD_C + _ZERO_C) - _AIR_PSI
        row[_RADIUS + wheel] = model.wheel_m - load / model.tyre_npm
        row[_LOAD + wheel] = load
        row[_ND_SLIP + wheel] = math.hypot(angle / _PEAK_ANGLE_RAD, slip / _PEAK_SLIP)
        row[_TRAVEL + wheel] = max(_STATIC_TRAVEL_M + (load - static) / model.spring_npm, 0.0)
        row[_CAMBER + wheel] = model.camber_rad - side * 0.5 * car[ROLL_RAD]
        if is_front:
            align += align_nm
    row[_LAST_FF] = min(max(align / _FF_NM, -1.0), 1.0)


@njit(cache=True, error_model="numpy")
def _lateral_friction(friction: float, share: float, number: int) -> float:
    """Return a tyre's friction at a load, by its load at rest, with the noise of a number."""
    wave = 43758.5453 * math.sin(12.9898 * (number % 1000003))
    noise = _NOISE * (2.0 * (wave - math.floor(wave)) - 1.0)
    return friction * (1.05 - 0.05 * min(share, 4.0)) * (1.0 + noise)
