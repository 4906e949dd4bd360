"""Tracks of CarRacing: Gymnasium's generator, point for point, compiled."""

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

SCALE = 6.0
PLAYFIELD = 2000 / SCALE  # metres from the middle to the edge; who leaves it loses 100 points and the episode
TILE_WIDTH = 40 / SCALE  # metres from the centre line to the edge of the road
KERB_WIDTH = 8 / SCALE  # metres
_RADIUS = 900 / SCALE  # metres; the track is a heavily morphed circle of this radius
_DETAIL_STEP = 21 / SCALE  # metres between two points
_TURN_RATE = 0.31  # radians a point, at most
_CHECKPOINTS = 12
_KERB_MIN_COUNT = 4  # points of a hard turn
_MAX_POINTS = 2500
_START_ALPHA = 2 * math.pi * (-0.5) / _CHECKPOINTS

TILE, WHITE_KERB, RED_KERB = 0, 1, 2  # kinds of polygon

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Track:
    """A closed track of N tiles, and what is drawn of it: M tiles and kerbs in drawing order. Lengths in metres.

    Attributes:
        beta: `(N,)` direction of the track at each point, radians from +y, anticlockwise.
        centre: `(N, 2)` points of the centre line; tile i reaches from point i - 1 to point i.
        tiles: `(N, 4, 2)` corners: left and right at point i, right and left at point i - 1.
        polygons: `(M, 4, 2)` corners of tiles and kerbs.
        kinds: `(M,)` int8, `TILE`, `WHITE_KERB` or `RED_KERB`.
        owners: `(M,)` int32, the tile a polygon belongs to.
    """

    beta: FloatArray
    centre: FloatArray
    tiles: FloatArray
    polygons: FloatArray
    kinds: npt.NDArray[np.int8]
    owners: npt.NDArray[np.int32]

    def __len__(self) -> int:
        """Return N, the number of tiles."""
        return len(self.beta)

    @functools.cached_property
    def reach(self) -> float:
        """Metres from a polygon's first corner to any other, at most: the tile that closes the loop may be long."""
        return float(np.linalg.norm(self.polygons - self.polygons[:, :1], axis=2).max())


def road_edges(beta: FloatArray, centre: FloatArray) -> FloatArray:
    """Return `(2, N, 2)`, the left and the right edge of the road at each point of `beta` and `centre`, metres."""
    across = TILE_WIDTH * np.stack([np.cos(beta), np.sin(beta)], axis=-1)
    return np.stack([centre - across, centre + across])


def generate_track(generator: np.random.Generator) -> Track:
    """Return the next track that `generator` makes; unlucky draws are repeated, as Gymnasium does.

    Source: gymnasium 1.2.2, envs/box2d/car_racing.py, `_create_track`; same draws, same operations in the same order.
    """
    while True:
        points, count = _walk(_draw_checkpoints(generator))
        first, last = _closed_loop(points, count)
        if first < 0:
            continue
        lap = points[first : last - 1]
        if _is_glued(lap):
            return _build(lap)


def _draw_checkpoints(generator: np.random.Generator) -> FloatArray:
    checkpoints = np.empty((_CHECKPOINTS, 3))
    for index in range(_CHECKPOINTS):
        alpha = 2 * math.pi * index / _CHECKPOINTS + generator.uniform(0, 2 * math.pi * 1 / _CHECKPOINTS)
        radius = generator.uniform(_RADIUS / 3, _RADIUS)
        if index == 0:
            alpha, radius = 0.0, 1.5 * _RADIUS
        if index == _CHECKPOINTS - 1:
            alpha, radius = 2 * math.pi * index / _CHECKPOINTS, 1.5 * _RADIUS
        checkpoints[index] = alpha, radius * math.cos(alpha), radius * math.sin(alpha)
    return checkpoints


@njit(cache=True)
def _walk(checkpoints: FloatArray) -> tuple[FloatArray, int]:
    """Walk from checkpoint to checkpoint for five laps; return `(2500, 4)` alpha, beta, x, y and how many there are."""
    points = np.empty((_MAX_POINTS, 4))
    x, y, beta = 1.5 * _RADIUS, 0.0, 0.0
    target, laps, count = 0, 0, 0
    is_on_other_side = False
    while count < _MAX_POINTS:
        alpha = math.atan2(y, x)
        if is_on_other_side and alpha > 0:
            laps += 1
            is_on_other_side = False
        if alpha < 0:
            is_on_other_side = True
            alpha += 2 * math.pi
        while True:  # the next checkpoint ahead, in this turn or else in the next one
            is_found = False
            while True:
                if alpha <= checkpoints[target % _CHECKPOINTS, 0]:
                    is_found = True
                    break
                target += 1
                if target % _CHECKPOINTS == 0:
                    break
            if is_found:
                break
            alpha -= 2 * math.pi
        _, target_x, target_y = checkpoints[target % _CHECKPOINTS]
        radial_x, radial_y = math.cos(beta), math.sin(beta)
        ahead_x, ahead_y = -radial_y, radial_x
        deviation = radial_x * (target_x - x) + radial_y * (target_y - y)
        while beta - alpha > 1.5 * math.pi:
            beta -= 2 * math.pi
        while beta - alpha < -1.5 * math.pi:
            beta += 2 * math.pi
        previous_beta = beta
        deviation *= SCALE
        if deviation > 0.3:
            beta -= min(_TURN_RATE, abs(0.001 * deviation))
        if deviation < -0.3:
            beta += min(_TURN_RATE, abs(0.001 * deviation))
        x += ahead_x * _DETAIL_STEP
        y += ahead_y * _DETAIL_STEP
        points[count] = alpha, previous_beta * 0.5 + beta * 0.5, x, y
        count += 1
        if laps > 4:
            break
    return points, count


@njit(cache=True)
def _closed_loop(points: FloatArray, count: int) -> tuple[int, int]:
    """Return the points at which the last two laps start, or (-1, -1) if there are no two."""
    last = -1
    for index in range(count - 1, 0, -1):
        if points[index, 0] > _START_ALPHA and points[index - 1, 0] <= _START_ALPHA:
            if last != -1:
                return index, last
            last = index
    return -1, -1


def _is_glued(lap: FloatArray) -> bool:
    """Whether head and tail of the lap meet, seen across the road."""
    beta = lap[0, 1]
    gap = np.sqrt(
        np.square(math.cos(beta) * (lap[0, 2] - lap[-1, 2])) + np.square(math.sin(beta) * (lap[0, 3] - lap[-1, 3]))
    )
    return bool(gap <= _DETAIL_STEP)


def _build(lap: FloatArray) -> Track:
    beta, centre = lap[:, 1].copy(), lap[:, 2:].copy()
    tiles, kerbs = _corners(beta, centre)
    has_kerb = _kerbs(beta)
    index = np.arange(len(beta))
    owners = np.concatenate([index, index[has_kerb]])
    colours = np.where(index % 2 == 0, WHITE_KERB, RED_KERB)
    kinds = np.concatenate([np.full(len(beta), TILE), colours[has_kerb]])
    order = np.argsort(owners, kind="stable")  # each tile, then its kerb
    return Track(
        beta=beta,
        centre=centre,
        tiles=tiles,
        polygons=np.concatenate([tiles, kerbs[has_kerb]])[order],
        kinds=kinds[order].astype(np.int8),
        owners=owners[order].astype(np.int32),
    )


@njit(cache=True)
def _corners(beta: FloatArray, centre: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the corners `(N, 4, 2)` of every tile, and of the kerb it would have."""
    tiles, kerbs = np.empty((len(beta), 4, 2)), np.empty((len(beta), 4, 2))
    for index in range(len(beta)):
        side = np.sign(beta[index - 1] - beta[index])
        for corner, point in ((0, index), (3, index - 1)):
            x, y = centre[point]
            across_x, across_y = math.cos(beta[point]), math.sin(beta[point])
            other = 1 if corner == 0 else 2
            tiles[index, corner] = x - TILE_WIDTH * across_x, y - TILE_WIDTH * across_y
            tiles[index, other] = x + TILE_WIDTH * across_x, y + TILE_WIDTH * across_y
            near, far = side * TILE_WIDTH, side * (TILE_WIDTH + KERB_WIDTH)
            kerbs[index, corner] = x + near * across_x, y + near * across_y
            kerbs[index, other] = x + far * across_x, y + far * across_y
    return tiles, kerbs


@njit(cache=True)
def _kerbs(beta: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which points have a kerb: those of a hard turn to one side, and the three before each."""
    count = len(beta)
    has_kerb = np.zeros(count, np.bool_)
    for index in range(count):
        is_hard, turns = True, 0.0
        for back in range(_KERB_MIN_COUNT):
            change = beta[index - back] - beta[index - back - 1]
            is_hard &= abs(change) > _TURN_RATE * 0.2
            turns += np.sign(change)
        has_kerb[index] = is_hard and abs(turns) == _KERB_MIN_COUNT
    for index in range(count):
        for back in range(_KERB_MIN_COUNT):
            has_kerb[index - back] |= has_kerb[index]
    return has_kerb
