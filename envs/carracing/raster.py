"""Convex polygons onto a canvas of samples: the compiled inner loops of the fast renderer.

A canvas holds `SAMPLES_X` x `SAMPLES_Y` samples for each of the 96x96 pixels of CarRacing's observation; a picture is
their mean. Whatever is drawn later covers what was drawn before, so polygons that share an edge leave no seam.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from envs.carracing.camera import BAR_H, WINDOW_H, WINDOW_W

PIXELS = 96
SAMPLES_X, SAMPLES_Y = 5, 4
COLUMNS, ROWS = PIXELS * SAMPLES_X, PIXELS * SAMPLES_Y
BAR_ROW = ROWS - ROWS * BAR_H // WINDOW_H  # the first row of the indicators' bar
_SCALE_X, _SCALE_Y = COLUMNS / WINDOW_W, ROWS / WINDOW_H  # samples a pixel of the full picture
# pygame fills every pixel that an outline through pixels' centres touches: half a pixel more on each side
_REACH_X, _REACH_Y = 0.5 * _SCALE_X, 0.5 * _SCALE_Y

Canvas = npt.NDArray[np.uint8]


@njit(cache=True)
def draw_quads(
    canvas: Canvas,
    quads: npt.NDArray[np.float64],
    shades: npt.NDArray[np.uint8],
    view: npt.NDArray[np.float64],
    radius: float,
) -> None:
    """Draw quads that lie in the world.

    Args:
        canvas: `(ROWS, COLUMNS)`.
        quads: `(M, 4, 2)` metres.
        shades: `(M,)` grey levels.
        view: zoom, cos, sin, x, y of the camera.
        radius: metres from a quad's first corner to any other, at most.
    """
    zoom, cos, sin, shift_x, shift_y = view
    reach = radius * zoom + 2.0
    corners = np.empty((4, 2))
    left, right = np.empty(ROWS), np.empty(ROWS)
    for index in range(len(quads)):
        x, y = quads[index, 0]
        column = (cos * x - sin * y) * zoom + shift_x
        row = (sin * x + cos * y) * zoom + shift_y
        if column < -reach or column > WINDOW_W + reach or row < BAR_H - reach or row > WINDOW_H + reach:
            continue
        for corner in range(4):
            x, y = quads[index, corner]
            _to_samples(
                int((cos * x - sin * y) * zoom + shift_x),
                int((sin * x + cos * y) * zoom + shift_y),
                corners[corner],
            )
        _fill(canvas, corners, 4, shades[index], BAR_ROW, left, right)


@njit(cache=True)
def draw_bodies(
    canvas: Canvas,
    bodies: npt.NDArray[np.float32],
    counts: npt.NDArray[np.int64],
    shades: npt.NDArray[np.uint8],
    view: npt.NDArray[np.float64],
) -> None:
    """Draw the car's polygons `(K, 8, 2)`, metres, of which the first `(K,)` `counts` corners are meant."""
    zoom, cos, sin, shift_x, shift_y = view
    corners = np.empty((bodies.shape[1], 2))
    left, right = np.empty(ROWS), np.empty(ROWS)
    for index in range(len(bodies)):
        for corner in range(counts[index]):
            x, y = np.float64(bodies[index, corner, 0]), np.float64(bodies[index, corner, 1])
            _to_samples(
                int((cos * x - sin * y) * zoom + shift_x),
                int((sin * x + cos * y) * zoom + shift_y),
                corners[corner],
            )
        if counts[index]:
            _fill(canvas, corners, counts[index], shades[index], BAR_ROW, left, right)


@njit(cache=True)
def draw_bar(canvas: Canvas, rectangles: npt.NDArray[np.float64], shades: npt.NDArray[np.uint8]) -> None:
    """Draw the indicators' bar: `(R, 4)` left, top, right, bottom in pixels of the full picture, NaN for none."""
    canvas[BAR_ROW:] = 0
    for index in range(len(rectangles)):
        left, top, right, bottom = rectangles[index]
        if np.isnan(left):
            continue
        left, right = min(int(left), int(right)), max(int(left), int(right)) + 1
        top, bottom = min(int(top), int(bottom)), max(int(top), int(bottom)) + 1
        first, last = _span(left * _SCALE_X - 0.5, right * _SCALE_X - 0.5, COLUMNS)
        upper, lower = _span(top * _SCALE_Y - 0.5, bottom * _SCALE_Y - 0.5, ROWS)
        canvas[upper:lower, first:last] = shades[index]


@njit(cache=True)
def average(canvas: Canvas, picture: npt.NDArray[np.uint8]) -> None:
    """Write each pixel's mean over its samples into `picture`, `(96, 96)`."""
    sums = np.empty(COLUMNS, np.uint16)
    for row in range(PIXELS):
        first = row * SAMPLES_Y
        for column in range(COLUMNS):
            total = np.uint16(0)
            for sample in range(SAMPLES_Y):
                total += canvas[first + sample, column]
            sums[column] = total
        for column in range(PIXELS):
            mean = np.uint32(SAMPLES_X * SAMPLES_Y // 2)
            for sample in range(SAMPLES_X):
                mean += sums[column * SAMPLES_X + sample]
            picture[row, column] = mean // np.uint32(SAMPLES_X * SAMPLES_Y)


@njit(cache=True, inline="always")
def _to_samples(column: int, row: int, corner: npt.NDArray[np.float64]) -> None:
    """Write the place of a pixel's centre (y upwards) in samples, of which number i stands at i."""
    corner[0] = (column + 0.5) * _SCALE_X - 0.5
    corner[1] = (WINDOW_H - 0.5 - row) * _SCALE_Y - 0.5


@njit(cache=True, inline="always")
def _span(low: float, high: float, limit: int) -> tuple[int, int]:
    """Return the half-open range of samples in [low, high], within 0..limit."""
    first = max(int(np.ceil(low)), 0)
    return first, max(min(int(np.floor(high)) + 1, limit), first)


@njit(cache=True)
def _fill(
    canvas: Canvas,
    corners: npt.NDArray[np.float64],
    count: int,
    shade: int,
    num_rows: int,
    left: npt.NDArray[np.float64],
    right: npt.NDArray[np.float64],
) -> None:
    """Fill a convex polygon, grown by half a pixel of the full picture on each side.

    Args:
        canvas: `(ROWS, COLUMNS)`.
        corners: `(K, 2)` x and y in samples, of which the first `count` are meant.
        count: number of corners.
        shade: grey level.
        num_rows: rows of the canvas that may be drawn on.
        left: `(ROWS,)`, scratch.
        right: `(ROWS,)`, scratch.
    """
    low = high = corners[0, 1]
    for corner in range(1, count):
        low, high = min(low, corners[corner, 1]), max(high, corners[corner, 1])
    first, last = _span(low - _REACH_Y, high + _REACH_Y, num_rows)
    left[first:last] = np.inf
    right[first:last] = -np.inf
    for corner in range(count):
        x0, y0 = corners[corner]
        x1, y1 = corners[corner + 1 if corner + 1 < count else 0]
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        upper, lower = _span(y0 - _REACH_Y, y1 + _REACH_Y, num_rows)
        is_steep = abs(x1 - x0) * _SCALE_Y <= (y1 - y0) * _SCALE_X
        reach_x, reach_y = (_REACH_X, 0.0) if is_steep else (0.0, _REACH_Y)
        slope = (x1 - x0) / (y1 - y0) if y1 > y0 else 0.0
        for row in range(upper, lower):
            above, below = min(max(row - reach_y, y0), y1), max(min(row + reach_y, y1), y0)
            at_above = x0 + slope * (above - y0)
            at_below = x0 + slope * (below - y0) if y1 > y0 else x1
            left[row] = min(left[row], at_above - reach_x, at_below - reach_x)
            right[row] = max(right[row], at_above + reach_x, at_below + reach_x)
    for row in range(first, last):
        begin, end = _span(left[row], right[row], COLUMNS)
        canvas[row, begin:end] = shade
