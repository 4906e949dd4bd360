"""The line that a fast car takes around a track of CarRacing, and how fast it can be at each of its points."""

import math
from bisect import bisect_right

import numpy as np
import numpy.typing as npt
from numba import njit

FloatArray = npt.NDArray[np.float64]

# Metres from the centre line, at most. The driver cuts 2.1 further into the bends; from 8.0 on no wheel is on the road.
_MARGIN = 5.2
_ROUNDS, _SWEEPS = 20, 150  # linearisations, and passes over the points in each
_OVERSHOOT = 1.7  # of a step, over-relaxation: the bends' shapes spread along the track in fewer passes
_STRAIGHT_PER_M = 0.01  # curvature that counts as hardly any
_LATERAL_MPS2 = 205.0  # friction of four wheels, 1600 N, on 7.3 kg gives 219
_BRAKING_MPS2 = 175.0
_TOP_MPS = 100.0  # Box2D moves no body by more than 2 m a frame


class RacingLine:
    """A closed line within the road, point for point beside the track's centre line.

    It minimises the integral of |curvature|^3. (The line of least curvature has 2; tight bends are where the time is
    lost, and with more weight on them a lap takes 4 frames less.) Its speeds are those that friction allows in the
    bends, and those from which the car can brake down to them.

    Attributes:
        points: `(N, 2)` metres.
        curvature: `(N,)` per metre, bends to the left are positive.
        speed_mps: `(N,)` highest speeds.

    Args:
        beta: `(N,)` direction of the track at each point, radians from +y, anticlockwise.
        centre: `(N, 2)` points of the centre line, metres.
    """

    def __init__(self, beta: FloatArray, centre: FloatArray) -> None:
        across = np.stack([np.cos(beta), np.sin(beta)], axis=1)
        offset = np.zeros(len(beta))
        _straighten(np.ascontiguousarray(centre), across, offset, _MARGIN, _ROUNDS, _SWEEPS)
        self.points = centre + offset[:, np.newaxis] * across
        gap, self.curvature, tangent = _measure(self.points)
        self.speed_mps = _highest_speeds(gap, self.curvature, _LATERAL_MPS2, _BRAKING_MPS2)
        self._tangent = tangent.tolist()
        self._place = [0.0, *np.cumsum(gap).tolist()]  # metres along the line, of N + 1 points
        self._nodes = [*zip(*self.points.T.tolist(), self.speed_mps.tolist(), strict=True)]

    def locate(self, x: float, y: float, index: int) -> float:
        """Return the place, metres along the line, beside a position near point `index`."""
        (here_x, here_y, _), (ahead_x, ahead_y) = self._nodes[index], self._tangent[index]
        return self._place[index] + (x - here_x) * ahead_x + (y - here_y) * ahead_y

    def at(self, place: float) -> tuple[float, float, float]:
        """Return x, y and the highest speed at a place, metres along the line, of this lap or another."""
        place %= self._place[-1]
        index = bisect_right(self._place, place) - 1
        share = (place - self._place[index]) / (self._place[index + 1] - self._place[index])
        here, there = self._nodes[index], self._nodes[(index + 1) % len(self._nodes)]
        x, y, speed = (start + share * (end - start) for start, end in zip(here, there, strict=True))
        return x, y, speed


@njit(cache=True)
def _straighten(
    centre: FloatArray, across: FloatArray, offset: FloatArray, margin: float, rounds: int, sweeps: int
) -> None:
    """Move the offsets, in place, to the least integral of |curvature|^3 within the margin.

    A turn is linear in three offsets while the line's directions and distances hardly change: Gauss-Seidel sweeps
    solve the weighted least squares, and directions, distances and weights then follow the line for the next round.
    """
    for _ in range(rounds):
        turn, slope, weight = _linearise(centre + offset.reshape(-1, 1) * across, across)
        for _ in range(sweeps):
            _sweep(offset, turn, slope, weight, margin)


@njit(cache=True)
def _linearise(points: FloatArray, across: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return turns `(N,)` at the points, slopes `(N, 3)` in the offsets of last, this and next point, weights `(N,)`.

    The sum of weight · turn² is that of |turn|³ / length², the integral. Its slope in the lengths, which says that a
    wide arc is better than a narrow one of the same angle, is counted among the turn's: -2/3 · curvature a metre.
    """
    gap, curvature, _ = _measure(points)
    count = len(points)
    turn, slope, weight = np.empty(count), np.empty((count, 3)), np.empty(count)
    for here in range(count):
        last, ahead = here - 1, (here + 1) % count
        into, out = (points[here] - points[last]) / gap[last], (points[ahead] - points[here]) / gap[here]
        length = (gap[last] + gap[here]) / 2
        turn[here] = curvature[here] * length
        weight[here] = (_STRAIGHT_PER_M + abs(curvature[here])) / length
        widening = curvature[here] / 3  # each gap is half of the length
        slope[here, 0] = _left(into, across[last]) / gap[last] + widening * _along(into, across[last])
        slope[here, 1] = -_left(into, across[here]) / gap[last] - widening * _along(into, across[here])
        slope[here, 1] += -_left(out, across[here]) / gap[here] + widening * _along(out, across[here])
        slope[here, 2] = _left(out, across[ahead]) / gap[here] - widening * _along(out, across[ahead])
    return turn, slope, weight


@njit(cache=True)
def _left(direction: FloatArray, vector: FloatArray) -> float:
    return direction[0] * vector[1] - direction[1] * vector[0]


@njit(cache=True)
def _along(direction: FloatArray, vector: FloatArray) -> float:
    return direction[0] * vector[0] + direction[1] * vector[1]


@njit(cache=True)
def _sweep(offset: FloatArray, turn: FloatArray, slope: FloatArray, weight: FloatArray, margin: float) -> None:
    """Move each offset once towards the least weighted sum of squared turns, and the turns with it."""
    count = len(offset)
    for here in range(count):
        pull, stiffness = 0.0, 0.0
        for neighbour in range(3):
            point = (here + 1 - neighbour) % count
            pull += weight[point] * slope[point, neighbour] * turn[point]
            stiffness += weight[point] * slope[point, neighbour] ** 2
        move = min(max(offset[here] - _OVERSHOOT * pull / stiffness, -margin), margin) - offset[here]
        offset[here] += move
        for neighbour in range(3):
            point = (here + 1 - neighbour) % count
            turn[point] += slope[point, neighbour] * move


@njit(cache=True)
def _measure(points: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return of a closed line: distances `(N,)` to the next point, curvatures `(N,)`, unit tangents `(N, 2)`."""
    count = len(points)
    gap, curvature, tangent = np.empty(count), np.empty(count), np.empty((count, 2))
    for here in range(count):
        step = points[(here + 1) % count] - points[here]
        gap[here] = math.hypot(step[0], step[1])
    for here in range(count):
        into, out = points[here] - points[here - 1], points[(here + 1) % count] - points[here]
        chord = into + out
        length = math.hypot(chord[0], chord[1])
        tangent[here] = chord / length
        # the circle through three points: 4 areas over the product of the sides
        curvature[here] = 2 * _left(into, out) / (gap[here - 1] * gap[here] * length)
    return gap, curvature, tangent


@njit(cache=True)
def _highest_speeds(gap: FloatArray, curvature: FloatArray, lateral: float, braking: float) -> FloatArray:
    """Return `(N,)`: what friction allows in the bends, and what braking reaches before them, two laps backwards."""
    count = len(gap)
    speed = np.empty(count)
    for here in range(count):
        speed[here] = min(_TOP_MPS, math.sqrt(lateral / max(abs(curvature[here]), 1e-6)))
    for step in range(2 * count, 0, -1):
        here, ahead = (step - 1) % count, step % count
        share = min(speed[ahead] ** 2 * abs(curvature[ahead]) / lateral, 1.0)  # of the friction that turning takes
        free = braking * math.sqrt(1.0 - share * share)
        speed[here] = min(speed[here], math.sqrt(speed[ahead] ** 2 + 2 * free * gap[here]))
    return speed
