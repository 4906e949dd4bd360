"""What CarRacing's pictures consist of beside the track: field, grass patches, and the car's polygons in metres."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from gymnasium.envs.box2d.car_dynamics import SIZE, WHEEL_R, WHEEL_W
from numba import njit

from envs.carracing.colours import HULL, WHEEL, WHEEL_MARK
from envs.carracing.game import CarRacingGame
from envs.carracing.track import PLAYFIELD

_PATCH = PLAYFIELD / 20.0  # metres
_MARK_RAD = 1.2  # of the white mark on a wheel's tread
NUM_WHEELS = 4
MAX_CORNERS = 8

FIELD = np.array([(1, 1), (1, -1), (-1, -1), (-1, 1)]) * PLAYFIELD  # (4, 2)


def _grass_patches() -> npt.NDArray[np.float64]:
    """Return `(400, 4, 2)`: every second square of the field, in both directions."""
    steps = range(-20, 20, 2)
    return np.array(
        [
            [
                (_PATCH * x + _PATCH, _PATCH * y),
                (_PATCH * x, _PATCH * y),
                (_PATCH * x, _PATCH * y + _PATCH),
                (_PATCH * x + _PATCH, _PATCH * y + _PATCH),
            ]
            for x in steps
            for y in steps
        ]
    )


GRASS = _grass_patches()


@dataclass(frozen=True)
class CarShape:
    """The car's polygons in metres, K = 12 in drawing order: each wheel and its mark, then the parts of the hull.

    Attributes:
        corners: `(K, 8, 2)` float32 in the world; the first `counts` of each are meant.
        counts: `(K,)` int64; 0 where a wheel's mark is out of sight.
    """

    corners: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, game: CarRacingGame) -> "CarShape":
        """Return the shape of the game's car where it stands now."""
        assert game.car is not None
        poses = np.empty((NUM_WHEELS + 1, 4), np.float32)
        for row, body in zip(poses, game.car.drawlist, strict=True):
            position, axis = body.position, body.GetWorldVector((1, 0))
            row[:] = position.x, position.y, axis.x, axis.y
        phases = np.array([wheel.phase for wheel in game.car.wheels])
        return cls(*_place_car(poses, phases, *game.car.hull_outline))


CAR_COLOURS = (WHEEL, WHEEL_MARK) * NUM_WHEELS + (HULL,) * 4


@njit(cache=True)
def _place_car(
    poses: npt.NDArray[np.float32],
    phases: npt.NDArray[np.float64],
    hull: npt.NDArray[np.float32],
    hull_counts: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    num_polygons = 2 * NUM_WHEELS + len(hull)
    corners = np.zeros((num_polygons, MAX_CORNERS, 2), np.float32)
    counts = np.zeros(num_polygons, np.int64)
    for wheel in range(NUM_WHEELS):
        _place(_tread(1.0, -1.0), poses[wheel], corners[2 * wheel])
        counts[2 * wheel] = 4
        first, second = phases[wheel], phases[wheel] + _MARK_RAD
        first_below, second_below = math.sin(first) > 0, math.sin(second) > 0
        if not (first_below and second_below):
            near = np.sign(math.cos(first)) if first_below else math.cos(first)
            far = np.sign(math.cos(second)) if second_below else math.cos(second)
            _place(_tread(near, far), poses[wheel], corners[2 * wheel + 1])
            counts[2 * wheel + 1] = 4
    for part in range(len(hull)):
        _place(hull[part], poses[NUM_WHEELS], corners[2 * NUM_WHEELS + part])
        counts[2 * NUM_WHEELS + part] = hull_counts[part]
    return corners, counts


@njit(cache=True)
def _place(outline: npt.NDArray[np.float32], pose: npt.NDArray[np.float32], placed: npt.NDArray[np.float32]) -> None:
    """Turn and move an outline into the world, in Box2D's single precision."""
    for index in range(len(outline)):
        x, y = outline[index]
        placed[index, 0] = (pose[2] * x - pose[3] * y) + pose[0]
        placed[index, 1] = (pose[3] * x + pose[2] * y) + pose[1]


@njit(cache=True)
def _tread(first: float, second: float) -> npt.NDArray[np.float32]:
    """Return the corners `(4, 2)` of a wheel's tread between two heights, -1..1 of its radius."""
    low, high = WHEEL_R * first * SIZE, WHEEL_R * second * SIZE
    side = WHEEL_W * SIZE
    return np.array([[-side, low], [side, low], [side, high], [-side, high]]).astype(np.float32)
