"""The line between two borders that bends least: what a driver would call the racing line, without a car in it."""

import numpy as np
from scipy.sparse import coo_array, csc_matrix

from envs.arguments import check_range
from envs.assetto_corsa.tracks.box_program import minimise_in_box
from envs.errors import ConfigError
from envs.track.frames import FloatArray

CAR_MARGIN_M = 1.2  # from the line to a border: half a car and a hand's breadth
_MOST_ROUNDS = 30
_REACH_M = 2.0  # by which a round may move a point
_ENOUGH = 1e-4  # relative gain of a round that is not worth another
_RIDGE = 1e-9  # of the Hessian's diagonal: keeps straights, where many lines are as good, from drifting


def minimum_curvature_line(left_m: FloatArray, right_m: FloatArray, *, margin_m: float = CAR_MARGIN_M) -> FloatArray:
    """Return the closed line `(N, 2)` of least ∫κ² ds with one point between each pair of border points.

    Rounds of a convex problem: curvatures are linear in small moves of the points across the road, the moves are
    bounded by the borders, and the sum of squares is a quadratic with five diagonals. A round that gains nothing is
    tried with a smaller reach.

    Args:
        left_m: `(N, 2)` border, closed, metres.
        right_m: `(N, 2)` border; row i is across from row i of the left one.
        margin_m: that is kept from both borders.

    Raises:
        ConfigError: the road is too narrow for the margin; names the row.

    Source: Heilmeier et al., "Minimum curvature trajectory planning and control for an autonomous race car", Vehicle
    System Dynamics 58 (2020). There, lengths of the reference are kept while curvatures are linearised, which on a
    circle makes the inner border the best; here the derivative is that of the curvature itself.
    """
    check_range("margin_m", margin_m, 0.0)
    middle, across = 0.5 * (left_m + right_m), left_m - right_m
    widths = np.linalg.norm(across, axis=1)
    room = 0.5 * widths - margin_m
    if (room <= 0.0).any():
        row = int(np.argmin(room))
        raise ConfigError(
            f"Expected a road wider than twice margin_m={margin_m:g}, got {widths[row]:.3g} m at row {row}."
        )
    sideways = across / widths[:, np.newaxis]
    moved, reach = np.zeros(len(middle)), _REACH_M
    cost = bending(middle)
    for _ in range(_MOST_ROUNDS):
        hessian, gradient = _quadratic(middle + moved[:, np.newaxis] * sideways, sideways)
        low, high = np.maximum(-room - moved, -reach), np.minimum(room - moved, reach)
        step = minimise_in_box(hessian, gradient, low, np.maximum(high, low + 1e-9))
        tried = np.clip(moved + step, -room, room)
        gained = cost - bending(middle + tried[:, np.newaxis] * sideways)
        if gained > 0.0:
            moved, cost = tried, cost - gained
            if gained < _ENOUGH * cost and reach >= 0.25 * _REACH_M:
                break
        else:
            reach *= 0.5
            if reach < 1e-3:
                break
    return np.asarray(middle + moved[:, np.newaxis] * sideways, np.float64)


def bending(points: FloatArray) -> float:
    """Return ∫κ² ds of a closed polyline `(N, 2)`, per metre."""
    residuals = _residuals(np.roll(points, 1, axis=0), points, np.roll(points, -1, axis=0))
    return float(residuals @ residuals)


def _residuals(before: FloatArray, here: FloatArray, after: FloatArray) -> FloatArray:
    """Return κ √ds at points `(N, 2)`, with the curvature of the circle through each and its neighbours."""
    into, out, chord = here - before, after - here, after - before
    lengths = [np.hypot(way[:, 0], way[:, 1]) for way in (into, out, chord)]
    cross = into[:, 0] * out[:, 1] - into[:, 1] * out[:, 0]
    return np.asarray(2.0 * cross / np.prod(lengths, axis=0) * np.sqrt(0.5 * (lengths[0] + lengths[1])), np.float64)


def _quadratic(points: FloatArray, sideways: FloatArray) -> tuple[csc_matrix, FloatArray]:
    """Return Hessian and gradient of half the bending by moves of the points along `sideways`, to first order."""
    count, nudge = len(points), 1e-5
    neighbours = [np.roll(points, 1, axis=0), points, np.roll(points, -1, axis=0)]
    ways = [np.roll(sideways, 1, axis=0), sideways, np.roll(sideways, -1, axis=0)]
    rows, columns, slopes = [], [], []
    for place, offset in enumerate((-1, 0, 1)):
        ends = []
        for sign in (1.0, -1.0):
            nudged = list(neighbours)
            nudged[place] = neighbours[place] + sign * nudge * ways[place]
            ends.append(_residuals(*nudged))
        rows.append(np.arange(count))
        columns.append((np.arange(count) + offset) % count)
        slopes.append((ends[0] - ends[1]) / (2.0 * nudge))
    jacobian = coo_array(
        (np.concatenate(slopes), (np.concatenate(rows), np.concatenate(columns))), (count, count)
    ).tocsc()
    hessian = csc_matrix(jacobian.T @ jacobian)
    ridge = _RIDGE * float(hessian.diagonal().max())
    hessian.setdiag(hessian.diagonal() + ridge)
    return hessian, np.asarray(jacobian.T @ _residuals(*neighbours), np.float64)
