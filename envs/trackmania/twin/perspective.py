"""Pixels of the flat ground in perspective, each looked up in the ground's grid.

A plain picture is a road between borders that are darker, under a sky. A border is 4 m wide, and farther away at least
as wide as what two rows of pixels span, so that no ray steps over it. A landscape has kerbs and lines, grass in
squares, a start and a finish, so that speed and place can be seen.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from envs.track.frames import FloatArray
from envs.trackmania.twin.ground import FloatGrid

Picture = npt.NDArray[np.uint8]

_FARTHEST_M = 600.0  # nearer to the horizon is haze
_BORDER_M = 4.0
_RIM_PIXELS = 2.0  # below the horizon, that are a border too: on a long straight the ray ahead ends there
_DARK = 12  # of a border, in all channels
_KERB_M, _LINE_M, _DASH_M, _BAR_M = 1.5, 0.5, 6.0, 3.0
_GROUND = ((128, 128, 128), (_DARK, _DARK, _DARK), (70, 130, 80))  # of a plain picture: road, border, grass
_STRIDE = 4  # pixels between those that are looked up in any case


@njit(cache=True, nogil=True, error_model="numpy")
def draw_ground(
    picture: Picture,
    distances: FloatGrid,
    along: FloatGrid,
    origin: FloatArray,
    cell: float,
    pose: FloatArray,
    lens: FloatArray,
    half_width: float,
    gate: float,
    is_plain: bool,
) -> None:
    """Draw sky and ground.

    Args:
        picture: `(H, W, 3)`, written.
        distances: of the grid.
        along: of the grid.
        origin: of the grid.
        cell: of the grid, metres.
        pose: x, y, cos and sin of the camera.
        lens: focal length and row of the horizon, pixels, and height above the ground, metres.
        half_width: of the road.
        gate: arc length of the finish.
        is_plain: whether only road, borders and grass are drawn.
    """
    height, width = picture.shape[:2]
    focal, horizon, camera = lens
    x0, y0, cos, sin = (pose[0] - origin[0]) / cell, (pose[1] - origin[1]) / cell, pose[2], pose[3]
    num_x, num_y = distances.shape
    for row in range(height):
        below = row + 0.5 - horizon
        if is_plain and 0.0 < below < _RIM_PIXELS:
            picture[row] = _DARK
            continue
        ahead = focal * camera / below if below > 0.0 else np.inf
        if ahead > _FARTHEST_M:
            _fill_sky(picture[row], -below / height, is_plain)
            continue
        depth = ahead * ahead / (focal * camera)  # metres that this row spans
        border = max(_BORDER_M, 2.0 * depth)
        step = ahead / focal  # metres between two pixels of the row
        left = 0.5 * width * step
        x, y = x0 + (ahead * cos - left * sin) / cell, y0 + (ahead * sin + left * cos) / cell
        step_x, step_y = step * sin / cell, -step * cos / cell
        if is_plain:
            _fill_plain(picture[row], distances, x, y, step_x, step_y, half_width, border)
            continue
        for column in range(width):
            px, py = x + (column + 0.5) * step_x, y + (column + 0.5) * step_y
            if 0.0 <= px < num_x - 1 and 0.0 <= py < num_y - 1:
                base_x, base_y = int(px), int(py)
                share_x, share_y = px - base_x, py - base_y
                away = _between(distances, base_x, base_y, share_x, share_y)
                s = float(along[base_x, base_y])
                beside, before = along[base_x + 1, base_y], along[base_x, base_y + 1]
                widest = max(abs(beside - s), abs(before - s), abs(along[base_x + 1, base_y + 1] - s))
                if widest < 3.0 * cell:  # the same stretch of road, not the end of the lap beside it
                    s = _between(along, base_x, base_y, share_x, share_y)
            else:
                away, s = 1e9, 0.0
            blue, green, red = _landscape(away, s, half_width, gate, depth, ahead, px * cell, py * cell)
            picture[row, column, 0] = blue
            picture[row, column, 1] = green
            picture[row, column, 2] = red


@njit(cache=True, nogil=True)
def _fill_plain(
    row: Picture,
    distances: FloatGrid,
    x: float,
    y: float,
    step_x: float,
    step_y: float,
    half_width: float,
    border: float,
) -> None:
    """Fill a row with road, border and grass: every few pixels are looked up, and those between where they differ.

    Args:
        row: `(W, 3)`, written.
        distances: of the grid.
        x: of the row's left end, in cells.
        y: of it.
        step_x: from pixel to pixel, in cells.
        step_y: of it.
        half_width: of the road, metres.
        border: width of a border, metres.
    """
    width, before, last = len(row), -1, 0
    while True:
        kind = _kind(distances, x + (last + 0.5) * step_x, y + (last + 0.5) * step_y, half_width, border)
        first = max(last - _STRIDE, 0)
        for column in range(first, last + 1):
            here = kind
            if before >= 0 and before != kind and column < last:
                px, py = x + (column + 0.5) * step_x, y + (column + 0.5) * step_y
                here = _kind(distances, px, py, half_width, border)
            row[column, 0], row[column, 1], row[column, 2] = _GROUND[here]
        if last == width - 1:
            return
        before, last = kind, min(last + _STRIDE, width - 1)


@njit(cache=True, nogil=True, inline="always")
def _kind(distances: FloatGrid, px: float, py: float, half_width: float, border: float) -> int:
    """Return what is at a place of the grid: 0 road, 1 border, 2 grass."""
    if not (0.0 <= px < distances.shape[0] - 1 and 0.0 <= py < distances.shape[1] - 1):
        return 2
    base_x, base_y = int(px), int(py)
    beyond = _between(distances, base_x, base_y, px - base_x, py - base_y) - half_width
    return 0 if beyond <= 0.0 else 1 if beyond <= border else 2


@njit(cache=True, nogil=True, inline="always")
def _between(grid: FloatGrid, x: int, y: int, share_x: float, share_y: float) -> float:
    """Return the bilinear mean of four cells."""
    near = grid[x, y] * (1.0 - share_y) + grid[x, y + 1] * share_y
    far = grid[x + 1, y] * (1.0 - share_y) + grid[x + 1, y + 1] * share_y
    return near * (1.0 - share_x) + far * share_x


@njit(cache=True, nogil=True, inline="always")
def _landscape(
    away: float, s: float, half_width: float, gate: float, depth: float, ahead: float, x: float, y: float
) -> tuple[int, int, int]:
    """Return the colour of a place: `away` from the centre line at arc length s, seen `ahead` metres away."""
    inside, fine = half_width - away, max(1.0 - ahead / 150.0, 0.0)
    is_even = (math.floor(x / 8.0) + math.floor(y / 8.0)) % 2 == 0
    lift = 12.0 * fine if is_even else -12.0 * fine
    blue, green, red = 52.0 + lift, 140.0 + lift, 74.0 + lift
    is_dash = math.floor(s / _DASH_M) % 2 == 0
    if inside > -_KERB_M:
        kerb = 0.5 if depth > _DASH_M else (1.0 if is_dash else 0.0)
        blue, green, red = 40.0 + 190.0 * kerb, 40.0 + 190.0 * kerb, 200.0 + 30.0 * kerb
    if inside > 0.0:
        tone = 92.0 + (3.0 * fine if is_dash else -3.0 * fine)
        if depth < _DASH_M and (inside < _LINE_M or (away < 0.5 * _LINE_M and is_dash)):
            tone = 225.0
        if _BAR_M < s < 1.5 * _BAR_M:  # a bar after the start (before it arc lengths jump), squares at the finish
            tone = 235.0
        elif abs(s - gate) < _BAR_M:
            tone = 235.0 if (math.floor(s - gate) + math.floor(away)) % 2 == 0 else 25.0
        blue, green, red = tone, tone, tone
    haze = min(ahead / _FARTHEST_M, 1.0) * 0.7
    blue, green, red = blue + (225.0 - blue) * haze, green + (205.0 - green) * haze, red + (185.0 - red) * haze
    return int(blue), int(green), int(red)


@njit(cache=True, nogil=True)
def _fill_sky(row: Picture, above: float, is_plain: bool) -> None:
    """Fill a row of sky, `above` the horizon by this share of the picture's height."""
    if is_plain:
        row[:, 0], row[:, 1], row[:, 2] = 200, 180, 160
        return
    share = min(max(2.0 * above, 0.0), 1.0)
    row[:, 0], row[:, 1], row[:, 2] = int(225 - 15 * share), int(205 - 65 * share), int(185 - 95 * share)
