"""Many cars on one road, compiled: controls, gears, the vehicle model, tyres on or off the road, laps; tick by tick."""

import math
from typing import Any

from numba import njit

from envs.assetto_corsa.twin.columns import (
    ACC,
    BRAKE,
    BRAKING,
    DRIVE_N,
    FRONT_C,
    LEFT_M,
    PITCH_RAD,
    PITCH_RATE,
    REAR_C,
    ROLL_RAD,
    ROLL_RATE,
    SEGMENT,
    STEER,
    THROTTLE,
    TYRES_OUT,
    WHEEL_DEG,
)
from envs.assetto_corsa.twin.drivetrain import drive_force, envelope_share, shift_automatically
from envs.assetto_corsa.twin.joystick import brake_status, steer_angle, throttle_status
from envs.assetto_corsa.twin.laps import follow_lap
from envs.assetto_corsa.twin.line_driver import line_command
from envs.assetto_corsa.twin.road import LOST_M, WINDOW_M, RoadArrays, width_share
from envs.track.bicycle import (
    AHEAD_MPS2,
    FRONT_LOAD_N,
    FRONT_SLIP_RAD,
    HEADING_RAD,
    LEFT_MPS2,
    REAR_LOAD_N,
    REAR_SLIP_RAD,
    STATE_SIZE,
    VELOCITY_X_MPS,
    VELOCITY_Y_MPS,
    X_M,
    Y_M,
    step_cars,
)
from envs.track.frames import FloatArray
from envs.track.projection import project_one

TICK_S = 0.01
_BODY_S = 0.12  # in which pitch and roll follow the acceleration
_NEAR_M = 3.5  # of a border: only then wheels are looked at one by one
_MOST_ON_ROAD = 2  # tyres out; with more the car drives as on grass
_AMBIENT_C, _HEAT_C_PER_J, _COOLING_PER_S = 26.0, 5.0e-5, 0.006


@njit(cache=True, error_model="numpy")
def drive_cars(
    cars: FloatArray,
    commands: FloatArray,
    paces: FloatArray,
    num_ticks: int,
    begin_s: float,
    is_automatic: bool,
    tops: FloatArray,
    records: Any,
    grass: Any,
    tarmac: Any,
    road: RoadArrays,
) -> None:
    """Drive every car for so many ticks, in place.

    Args:
        cars: `(B, CAR_SIZE)`.
        commands: `(B, 3)` steer, throttle and brake, -1 … 1; those of line drivers are written.
        paces: `(B,)` 0: the commands count; else a line driver at this share of the road's speeds.
        num_ticks: of `TICK_S`.
        begin_s: the game's clock before the first.
        is_automatic: whether the gearbox shifts by itself.
        tops: `CarModel.gear_tops_mps`.
        records: `CarModel.record`.
        grass: `VehicleParameters.record()` off the road.
        tarmac: on it.
        road: where they drive.
    """
    action = commands[:1].copy()
    model = records[0]
    for index in range(len(cars)):
        car = cars[index]
        for tick in range(num_ticks):
            if paces[index] > 0.0:
                line_command(commands[index], car, road, paces[index], tarmac[0], model.lock_deg)
            _take_controls(car, commands[index], model)
            ahead, _ = _velocity(car)
            if is_automatic or paces[index] > 0.0:
                shift_automatically(car, ahead, tops, model)
            is_off = car[TYRES_OUT] > _MOST_ON_ROAD
            chassis = grass if is_off else tarmac
            car[DRIVE_N] = drive_force(car, ahead, car[THROTTLE], tops, TICK_S, model)
            action[0, 0] = car[WHEEL_DEG] / model.lock_deg
            action[0, 1] = envelope_share(car[DRIVE_N], ahead, chassis[0])
            action[0, 2] = car[BRAKE]
            step_cars(cars[index : index + 1, :STATE_SIZE], action, TICK_S, chassis)
            _lean(car, model)
            _warm(car, chassis[0])
            s, left, _, segment = project_one(
                road.segments, True, car[X_M], car[Y_M], int(car[SEGMENT]), WINDOW_M, WINDOW_M, LOST_M
            )
            car[LEFT_M], car[SEGMENT] = left, segment
            car[TYRES_OUT] = tyres_out(car, chassis[0], model.track_m, road)
            follow_lap(car, s, road.length_m, begin_s + (tick + 1) * TICK_S, TICK_S)


@njit(cache=True, error_model="numpy")
def _take_controls(car: FloatArray, command: FloatArray, model: Any) -> None:
    car[WHEEL_DEG] = steer_angle(command[STEER], model.lock_deg)
    car[THROTTLE] = throttle_status(command[ACC])
    car[BRAKE] = brake_status(command[BRAKING])


@njit(cache=True, error_model="numpy")
def _velocity(car: FloatArray) -> tuple[float, float]:
    """Return the velocity ahead and to the left."""
    cos, sin = math.cos(car[HEADING_RAD]), math.sin(car[HEADING_RAD])
    return (
        cos * car[VELOCITY_X_MPS] + sin * car[VELOCITY_Y_MPS],
        cos * car[VELOCITY_Y_MPS] - sin * car[VELOCITY_X_MPS],
    )


@njit(cache=True, error_model="numpy")
def _lean(car: FloatArray, model: Any) -> None:
    """Let the body follow the acceleration: it squats when driven, and leans out of a bend."""
    share = TICK_S / _BODY_S
    pitch = share * (model.pitch_rad_per_mps2 * car[AHEAD_MPS2] - car[PITCH_RAD])
    roll = share * (model.roll_rad_per_mps2 * car[LEFT_MPS2] - car[ROLL_RAD])
    car[PITCH_RAD] += pitch
    car[ROLL_RAD] += roll
    car[PITCH_RATE], car[ROLL_RATE] = pitch / TICK_S, roll / TICK_S


@njit(cache=True, error_model="numpy")
def _warm(car: FloatArray, chassis: Any) -> None:
    """Heat the tyres by the power with which they slip, and cool them by the air."""
    speed = math.hypot(car[VELOCITY_X_MPS], car[VELOCITY_Y_MPS])
    for column, slip, load in (
        (FRONT_C, car[FRONT_SLIP_RAD], car[FRONT_LOAD_N]),
        (REAR_C, car[REAR_SLIP_RAD], car[REAR_LOAD_N]),
    ):
        sliding = min(math.fabs(slip), 0.5) + 0.01
        heat = _HEAT_C_PER_J * chassis.friction * load * speed * sliding
        car[column] += (heat - _COOLING_PER_S * (0.2 + 0.02 * speed) * (car[column] - _AMBIENT_C)) * TICK_S


@njit(cache=True, error_model="numpy")
def tyres_out(car: FloatArray, chassis: Any, track_m: float, road: RoadArrays) -> int:
    """Return how many of the four contact points are beyond a border."""
    segment = int(car[SEGMENT])
    share, width = width_share(road, car[X_M], car[Y_M], segment)
    inside = min(share, 1.0 - share) * width
    if inside > _NEAR_M:
        return 0
    if inside < -_NEAR_M:
        return 4
    cos, sin = math.cos(car[HEADING_RAD]), math.sin(car[HEADING_RAD])
    count = 0
    for ahead in (chassis.front_m, -chassis.rear_m):
        for left in (0.5 * track_m, -0.5 * track_m):
            x, y = car[X_M] + cos * ahead - sin * left, car[Y_M] + sin * ahead + cos * left
            here, _ = width_share(road, x, y, segment)
            if not 0.0 <= here <= 1.0:
                count += 1
    return count
