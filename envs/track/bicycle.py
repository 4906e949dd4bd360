"""The dynamic bicycle model, compiled: two axles on tyres that hold only so much. `envs.track.vehicle` drives it.

The velocity is that of the centre of gravity, in the world's frame: what turns the car does then not change its energy,
whatever the length of a step. Each axle is one tyre; its force is bounded by friction × load, together for driving or
braking and cornering (the friction circle), and load moves from axle to axle with the acceleration along the car.

Below a few metres per second a slip angle means little and explicit integration of it is unstable; there the tyre is a
damper against sideways motion, as stiff as the step allows. Its steady state is the kinematic bicycle: no second model
has to be blended in, and a car at rest stays there.
"""

import math
from typing import Any

from numba import njit

from envs.track.frames import FloatArray

# Columns of a state `(B, STATE_SIZE)`.
X_M, Y_M, HEADING_RAD, VELOCITY_X_MPS, VELOCITY_Y_MPS, YAW_RATE_RADPS, STEER_RAD = range(7)
AHEAD_MPS2, LEFT_MPS2 = 7, 8  # acceleration as felt in the car; loads follow it one part of a step later
FRONT_SLIP_RAD, REAR_SLIP_RAD = 9, 10  # from where the wheel points to where it moves, positive to the left
FRONT_LOAD_N, REAR_LOAD_N = 11, 12  # of the whole axle
STATE_SIZE = 13

GRAVITY_MPS2 = 9.81
SUBSTEP_S = 0.005  # a step is divided into equal parts of at most this
_LEAST_N = 1e-6  # of the friction of a wheel that lifts, so that nothing is divided by 0
_REST = 1e-12  # m/s and rad/s; what is slower rests, before it fades into numbers that processors are slow at


@njit(cache=True, error_model="numpy")
def step_cars(states: FloatArray, actions: FloatArray, duration_s: float, parameters: Any) -> int:
    """Drive every car for `duration_s`, in place; return -1, or the first car whose action is NaN, with none moved.

    Compiled with NumPy's error model: nothing here divides by 0, and looking out for it costs a fifth of the time.

    Args:
        states: `(B, STATE_SIZE)`.
        actions: `(B, 3)` steer, throttle and brake, clipped to [-1, 1], [-1, 1] and [0, 1]. A throttle below 0 is the
            reverse gear's.
        duration_s: above 0.
        parameters: `VehicleParameters.record()`.
    """
    for car in range(len(states)):
        for number in actions[car]:
            if math.isnan(number):
                return car
    num = max(1, math.ceil(duration_s / SUBSTEP_S - 1e-9))
    vehicle = parameters[0]
    for car in range(len(states)):
        steer = min(max(actions[car, 0], -1.0), 1.0)
        throttle = min(max(actions[car, 1], -1.0), 1.0)
        brake = min(max(actions[car, 2], 0.0), 1.0)
        for _ in range(num):
            _advance(states[car], steer, throttle, brake, duration_s / num, vehicle)
        states[car, FRONT_SLIP_RAD] = math.atan(states[car, FRONT_SLIP_RAD])
        states[car, REAR_SLIP_RAD] = math.atan(states[car, REAR_SLIP_RAD])
        heading = states[car, HEADING_RAD]
        if not -math.pi <= heading < math.pi:
            states[car, HEADING_RAD] = (heading + math.pi) % (2 * math.pi) - math.pi
    return -1


@njit(cache=True, error_model="numpy")
def _advance(state: FloatArray, steer: float, throttle: float, brake: float, dt: float, vehicle: Any) -> None:
    """Integrate one part of a step, semi-implicitly: forces, then velocities, then places."""
    turn = vehicle.steer_rate_radps * dt
    state[STEER_RAD] += min(max(steer * vehicle.max_steer_rad - state[STEER_RAD], -turn), turn)
    wheel_cos, wheel_sin = math.cos(state[STEER_RAD]), -math.sin(state[STEER_RAD])  # of the angle to the left
    cos, sin = math.cos(state[HEADING_RAD]), math.sin(state[HEADING_RAD])
    ahead = cos * state[VELOCITY_X_MPS] + sin * state[VELOCITY_Y_MPS]
    left = cos * state[VELOCITY_Y_MPS] - sin * state[VELOCITY_X_MPS]
    speed = math.sqrt(ahead * ahead + left * left)

    driving = _engine_force(ahead, throttle, vehicle)
    braking = brake * vehicle.brake_force_n
    front_load, rear_load = _loads(state[AHEAD_MPS2], speed, vehicle)
    weight = front_load + rear_load

    # Velocities of the axles over ground, in the frames of their wheels.
    front_left = left + vehicle.front_m * state[YAW_RATE_RADPS]
    rear_left = left - vehicle.rear_m * state[YAW_RATE_RADPS]
    front_along, front_across = ahead * wheel_cos + front_left * wheel_sin, front_left * wheel_cos - ahead * wheel_sin
    stiffness = vehicle.friction * max(vehicle.front_stiffness_per_rad, vehicle.rear_stiffness_per_rad)
    inertia_share = vehicle.mass_kg * vehicle.front_m * vehicle.rear_m / vehicle.yaw_inertia_kgm2
    slowest = (
        2.0 * dt * stiffness * GRAVITY_MPS2 * max(1.0, inertia_share)
    )  # see the module: half of the stability limit

    at_rest = vehicle.friction * vehicle.mass_kg * GRAVITY_MPS2 / (vehicle.front_m + vehicle.rear_m)

    front_x, front_y = _tyre_force(
        front_along,
        front_across,
        driving * vehicle.drive_front_share,
        braking * vehicle.brake_front_share + vehicle.rolling_n * front_load / weight,
        front_load,
        vehicle.mass_kg * front_load / weight / dt,
        slowest,
        vehicle.front_stiffness_per_rad * at_rest * vehicle.rear_m,
        vehicle,
    )
    rear_x, rear_y = _tyre_force(
        ahead,
        rear_left,
        driving * (1.0 - vehicle.drive_front_share),
        braking * (1.0 - vehicle.brake_front_share) + vehicle.rolling_n * rear_load / weight,
        rear_load,
        vehicle.mass_kg * rear_load / weight / dt,
        slowest,
        vehicle.rear_stiffness_per_rad * at_rest * vehicle.front_m,
        vehicle,
    )
    front_ahead, front_side = front_x * wheel_cos - front_y * wheel_sin, front_x * wheel_sin + front_y * wheel_cos

    state[AHEAD_MPS2] = (front_ahead + rear_x - vehicle.drag_kgpm * speed * ahead) / vehicle.mass_kg
    state[LEFT_MPS2] = (front_side + rear_y - vehicle.drag_kgpm * speed * left) / vehicle.mass_kg
    state[FRONT_SLIP_RAD] = front_across / max(abs(front_along), slowest)  # `step_cars` makes angles of these
    state[REAR_SLIP_RAD] = rear_left / max(abs(ahead), slowest)
    state[FRONT_LOAD_N], state[REAR_LOAD_N] = front_load, rear_load

    state[VELOCITY_X_MPS] += (cos * state[AHEAD_MPS2] - sin * state[LEFT_MPS2]) * dt
    state[VELOCITY_Y_MPS] += (sin * state[AHEAD_MPS2] + cos * state[LEFT_MPS2]) * dt
    moment = vehicle.front_m * front_side - vehicle.rear_m * rear_y
    state[YAW_RATE_RADPS] += moment / vehicle.yaw_inertia_kgm2 * dt
    for column in (VELOCITY_X_MPS, VELOCITY_Y_MPS, YAW_RATE_RADPS):
        if abs(state[column]) < _REST:
            state[column] = 0.0
    state[X_M] += state[VELOCITY_X_MPS] * dt
    state[Y_M] += state[VELOCITY_Y_MPS] * dt
    state[HEADING_RAD] += state[YAW_RATE_RADPS] * dt


@njit(cache=True, error_model="numpy")
def _engine_force(ahead: float, throttle: float, vehicle: Any) -> float:
    """Return the force at the wheels, bounded by the engine's power, and backwards by its top speed."""
    if throttle < 0.0 and ahead <= -vehicle.reverse_mps:
        return 0.0
    force = vehicle.engine_force_n
    if abs(ahead) * force > vehicle.engine_power_w:
        force = vehicle.engine_power_w / abs(ahead)
    return throttle * force


@njit(cache=True, error_model="numpy")
def _loads(acceleration: float, speed: float, vehicle: Any) -> tuple[float, float]:
    """Return the loads of the axles: weight, downforce, and what acceleration moves from one to the other."""
    downforce = vehicle.downforce_kgpm * speed * speed
    weight = vehicle.mass_kg * GRAVITY_MPS2
    moved = vehicle.mass_kg * acceleration * vehicle.gravity_height_m
    wheelbase = vehicle.front_m + vehicle.rear_m
    front = (weight * vehicle.rear_m - moved) / wheelbase + downforce * vehicle.downforce_front_share
    front = min(max(front, 0.0), weight + downforce)  # a wheel that lifts carries nothing
    return front, weight + downforce - front


@njit(cache=True, error_model="numpy")
def _tyre_force(
    along: float,
    across: float,
    driving: float,
    braking: float,
    load: float,
    mass_rate: float,
    slowest: float,
    stiffness: float,
    vehicle: Any,
) -> tuple[float, float]:
    """Return an axle's force along and across its wheels.

    Cornering comes first, and driving and braking get what is left of the friction circle: ideal anti-lock brakes and
    traction control. The cornering stiffness does not follow the load, as it hardly does where real tyres are used:
    a car that brakes would otherwise lose that of its rear axle, and spin.

    Source: the sideways force is Pacejka's magic formula without its E: D sin(C atan(B tan α)).

    Args:
        along: velocity of the axle along its wheels, m/s.
        across: velocity to their left.
        driving: force of the engine, N.
        braking: force against the motion along the wheels, 0 or more.
        load: N.
        mass_rate: the mass that this axle carries by the length of the step: brakes stop a wheel, and no more.
        slowest: speed below which the tyre is a damper, m/s.
        stiffness: of cornering, N/rad.
        vehicle: parameters.
    """
    most = max(vehicle.friction * load, _LEAST_N)
    slip = across / max(abs(along), slowest)
    sideways = -most * math.sin(vehicle.tyre_shape * math.atan(stiffness / (vehicle.tyre_shape * most) * slip))
    braking = min(braking, abs(along) * mass_rate)
    force = driving - (braking if along > 0.0 else -braking)
    left_over = math.sqrt(max(most * most - sideways * sideways, 0.0))
    return min(max(force, -left_over), left_over), sideways
