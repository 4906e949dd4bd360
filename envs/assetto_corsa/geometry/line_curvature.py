"""Curvatures of a line of noisy points: the original's smoothing splines, and a mean that knows no seam."""

import warnings

import numpy as np

from envs.track.centre_line import CentreLine
from envs.track.frames import FloatArray

_ERROR_M2 = 0.1  # squared deviation from the points that the original's splines may have on average
_HALF_WINDOW_M = 5.0  # within a tenth of which points lie wrong by centimetres on imported lines


def spline_curvature(line_m: FloatArray) -> FloatArray:
    """Return the curvatures `(N,)` that the original computes for an open line, positive to the left.

    Smoothing splines of degree 4 over the row index, one for each coordinate.
    """
    from scipy.interpolate import UnivariateSpline  # half a second, which other geometries need not wait for

    rows = np.arange(len(line_m))
    weights = np.full(len(line_m), 1.0 / np.sqrt(_ERROR_M2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # FITPACK ends with the best spline it found; so does the original
        x, y = (UnivariateSpline(rows, line_m[:, axis], k=4, w=weights) for axis in (0, 1))
    x1, y1, x2, y2 = (spline.derivative(order)(rows) for order in (1, 2) for spline in (x, y))
    return np.asarray((x1 * y2 - y1 * x2) / (x1**2 + y1**2) ** 1.5, np.float64)


def windowed_curvature(line: CentreLine) -> FloatArray:
    """Return at the points `(N,)` of a closed line how much it turns within 5 m to both sides, per metre."""
    window = np.array([-_HALF_WINDOW_M, _HALF_WINDOW_M])
    return line.curvature_ahead(line.s_m, window)[:, 0]
