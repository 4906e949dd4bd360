"""What CarRacing's simulator knows of car and track: for `info`, and for policies that need no picture."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.envs.box2d.car_dynamics import SIZE, WHEEL_R
from numba import njit

from envs.carracing.game import CarRacingGame
from envs.carracing.track import TILE_WIDTH

# Names in `info`, in the order of a reading; lengths in metres, right is positive.
SPEED, SLIP, YAW_RATE, WHEEL_SPEEDS = "speed_mps", "slip_mps", "yaw_rate_radps", "wheel_speeds_mps"
STEER, CENTRE_OFFSET, HEADING_ERROR = "steer_angle_rad", "centre_offset_m", "heading_error_rad"
CURVATURE_AHEAD = "curvature_ahead_per_m"
AHEAD = 12  # stretches of track ahead
STRETCH = 2  # tiles in a stretch: 7 m

COLUMNS = {
    SPEED: 0,  # of the hull, without direction
    SLIP: 1,  # sideways speed of the hull
    YAW_RATE: 2,  # clockwise
    WHEEL_SPEEDS: slice(3, 7),  # of the treads: front left and right, rear left and right
    STEER: 7,  # of the front wheels against the hull, clockwise, at most about 0.4
    CENTRE_OFFSET: 8,  # from the centre line to the hull
    HEADING_ERROR: 9,  # how far the hull points to the right of the track
    CURVATURE_AHEAD: slice(10, 10 + AHEAD),  # mean of each stretch, bends to the right are positive
}
SIZE_OF_READING = 10 + AHEAD
_WHEEL_RADIUS = WHEEL_R * SIZE  # metres
_UNITS = np.array([50, 10, 5, 50, 50, 50, 50, 0.4, TILE_WIDTH, math.pi, *[0.1] * AHEAD])  # typical largest values
_LIMIT = 5.0  # of an observation's components; only a car far off the track reaches it
_BACK, _FORTH = 10, 40  # tiles around the last one in which the nearest is looked for
_LOST = 4 * TILE_WIDTH  # metres; farther off, the whole track is searched

Reading = npt.NDArray[np.float64]

SPACE = spaces.Box(-_LIMIT, _LIMIT, (SIZE_OF_READING + 1,), np.float32)


class TelemetrySensor:
    """Read a car on a track. Works on Gymnasium's own CarRacing too, whose car and track have the same form.

    Args:
        beta: `(N,)` direction of the track at each point, radians from +y, anticlockwise.
        centre: `(N, 2)` points of the centre line, metres.
    """

    def __init__(self, beta: npt.NDArray[np.float64], centre: npt.NDArray[np.float64]) -> None:
        self._beta, self._centre = np.ascontiguousarray(beta), np.ascontiguousarray(centre)
        self._curvature = _curvatures(self._beta, self._centre)
        self.nearest = -1  # index of the point at which the car is

    def read(self, car: Any) -> Reading:
        """Return `(22,)` in the order and units of `COLUMNS`."""
        hull, wheels = car.hull, car.wheels
        position, velocity, axis = hull.position, hull.linearVelocity, hull.GetWorldVector((1, 0))
        state = (position.x, position.y, velocity.x, velocity.y, axis.x, axis.y, hull.angle)
        reading = np.empty(SIZE_OF_READING)
        self.nearest = _locate(self._centre, state[0], state[1], self.nearest)
        _fill(reading, self._beta, self._centre, self._curvature, self.nearest, state)
        reading[2] = -hull.angularVelocity
        reading[3:7] = [wheel.omega * _WHEEL_RADIUS for wheel in wheels]
        reading[7] = -wheels[0].joint.angle
        return reading


def by_name(reading: Reading) -> dict[str, Any]:
    """Return the reading as `info` has it: floats, and arrays where a name has several."""
    values = reading.tolist()
    return {name: reading[column] if isinstance(column, slice) else values[column] for name, column in COLUMNS.items()}


def of_game(game: CarRacingGame) -> dict[str, Any]:
    """Return the car's state as the game's physics has it, with the names that socket clients of CarRacing know.

    Lengths in metres, angles in radians anticlockwise from +y, `wheel_speeds` in radians per second: front left and
    right, rear left and right.
    """
    assert game.car is not None
    hull = game.car.hull
    return {
        "car_x": float(hull.position.x),
        "car_y": float(hull.position.y),
        "car_vx": float(hull.linearVelocity.x),
        "car_vy": float(hull.linearVelocity.y),
        "car_angle": float(hull.angle),
        "car_angular_vel": float(hull.angularVelocity),
        "speed": game.speed_mps,
        "wheel_speeds": [float(wheel.omega) for wheel in game.car.wheels],
        "tiles_visited": game.tile_visited_count,
        "total_tiles": len(game.visited),
        "lap_progress": game.progress,
    }


def observation(reading: Reading, progress: float) -> npt.NDArray[np.float32]:
    """Return `(23,)` float32: the reading in units of typical largest values, and the progress 0..1 of the lap."""
    vector = np.empty(SIZE_OF_READING + 1, np.float32)
    np.clip(reading / _UNITS, -_LIMIT, _LIMIT, out=vector[:-1], casting="same_kind")
    vector[-1] = progress
    return vector


@njit(cache=True)
def _curvatures(beta: npt.NDArray[np.float64], centre: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return `(N,)`: the mean curvature of the stretch that begins at each point, per metre, right positive."""
    count = len(beta)
    curvature = np.empty(count)
    for index in range(count):
        turn, length = 0.0, 0.0
        for step in range(STRETCH):
            here, there = (index + step) % count, (index + step + 1) % count
            turn += _wrap(beta[here] - beta[there])
            length += math.hypot(centre[there, 0] - centre[here, 0], centre[there, 1] - centre[here, 1])
        curvature[index] = turn / length
    return curvature


@njit(cache=True)
def _locate(centre: npt.NDArray[np.float64], x: float, y: float, last: int) -> int:
    """Return the nearest point, looked for around the last one so that a crossing road is not taken for the own."""
    count = len(centre)
    if last >= 0:
        nearest, distance = _nearest(centre, x, y, last - _BACK, last + _FORTH)
        if distance < _LOST * _LOST:
            return nearest % count
    nearest, _ = _nearest(centre, x, y, 0, count)
    return nearest


@njit(cache=True)
def _nearest(centre: npt.NDArray[np.float64], x: float, y: float, first: int, last: int) -> tuple[int, float]:
    nearest, least = first, np.inf
    for index in range(first, last):
        place = index % len(centre)
        distance = (centre[place, 0] - x) ** 2 + (centre[place, 1] - y) ** 2
        if distance < least:
            nearest, least = index, distance
    return nearest, least


@njit(cache=True)
def _fill(
    reading: Reading,
    beta: npt.NDArray[np.float64],
    centre: npt.NDArray[np.float64],
    curvature: npt.NDArray[np.float64],
    nearest: int,
    state: tuple[float, float, float, float, float, float, float],
) -> None:
    x, y, velocity_x, velocity_y, right_x, right_y, angle = state
    reading[0] = math.hypot(velocity_x, velocity_y)
    reading[1] = velocity_x * right_x + velocity_y * right_y
    direction = beta[nearest]
    reading[8] = (x - centre[nearest, 0]) * math.cos(direction) + (y - centre[nearest, 1]) * math.sin(direction)
    reading[9] = _wrap(direction - angle)
    for stretch in range(AHEAD):
        reading[10 + stretch] = curvature[(nearest + stretch * STRETCH) % len(curvature)]


@njit(cache=True)
def _wrap(angle: float) -> float:
    """Return the same angle in -π … π."""
    return (angle + math.pi) % (2 * math.pi) - math.pi
