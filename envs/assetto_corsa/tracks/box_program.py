"""Minimise a convex quadratic between bounds: the convex core of `envs.assetto_corsa.tracks.racing_line`."""

import numpy as np
from scipy.sparse import csc_matrix, diags_array
from scipy.sparse.linalg import splu

from envs.track.frames import FloatArray

_CENTRING = 0.1  # of the complementarity that each step aims at
_TO_BOUNDARY = 0.995  # of the way to the nearest bound that a step may take
_MOST_STEPS = 60


def minimise_in_box(hessian: csc_matrix, gradient: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return the x between `low` and `high` that minimises `½ xᵀ H x + gᵀ x`, by a primal-dual interior-point method.

    Each step costs one sparse factorisation, so a banded H of thousands of rows takes milliseconds.

    Args:
        hessian: `(N, N)` H, symmetric and positive semidefinite.
        gradient: `(N,)` g.
        low: `(N,)` bounds, below `high` everywhere.
        high: `(N,)`.

    Source: Nocedal and Wright, Numerical Optimization, 2nd edition, chapter 16.6, for bounds only.
    """
    x = 0.5 * (low + high)
    scale = max(float(np.abs(hessian @ x + gradient).max()), 1e-12)
    at_low, at_high = np.full_like(x, scale), np.full_like(x, scale)  # multipliers of the two bounds
    for _ in range(_MOST_STEPS):
        above, below = x - low, high - x
        gap = float(at_low @ above + at_high @ below) / (2 * len(x))
        residual = hessian @ x + gradient - at_low + at_high
        if gap < 1e-10 * scale and np.abs(residual).max() < 1e-8 * scale:
            break
        aim = _CENTRING * gap
        matrix = hessian + diags_array(at_low / above + at_high / below)
        step = splu(csc_matrix(matrix)).solve(-(hessian @ x + gradient) + aim / above - aim / below)
        step_low = aim / above - at_low - at_low / above * step
        step_high = aim / below - at_high + at_high / below * step
        primal = min(_longest(above, step), _longest(below, -step))
        dual = min(_longest(at_low, step_low), _longest(at_high, step_high))
        x = x + primal * step
        at_low, at_high = at_low + dual * step_low, at_high + dual * step_high
    return x


def _longest(values: FloatArray, step: FloatArray) -> float:
    """Return the share of a step, 1 at most, that keeps all values above 0."""
    falling = step < 0.0
    if not falling.any():
        return 1.0
    return min(1.0, _TO_BOUNDARY * float((-values[falling] / step[falling]).min()))
