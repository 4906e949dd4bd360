"""Tracks out of a seed: straights and bends of many radii, closed, smooth, nowhere too near to themselves."""

import math

import numpy as np

from envs.arguments import check_range
from envs.errors import ConfigError
from envs.track.centre_line import CentreLine
from envs.track.crossings import nearest_approach
from envs.track.frames import FloatArray
from envs.track.track import Track

_TRIES = 2000  # of which a handful are needed, unless the request leaves little room
_DENSE_M = 0.5  # between points while a line is drawn
_NARROWEST, _WIDEST = 0.3, 0.95  # of what an arc may take of the shorter edge beside its corner
_BEHIND_M, _AHEAD_M = 15.0, 30.0  # of the start line, where the track shall be straight; less on a short one
_START_SHARE = 0.08  # of the lap, that this may be at most
_START_BEND_RAD = 0.1  # by how much it turns there


def synthetic_track(
    seed: int,
    *,
    length_m: float = 1000.0,
    min_width_m: float = 10.0,
    max_width_m: float = 14.0,
    min_radius_m: float = 12.0,
    num_corners: int = 12,
    margin_m: float = 4.0,
    spacing_m: float = 1.5,
) -> Track:
    """Return the track of a seed: the same for the same arguments, either way round.

    The start line is on the straightest part, which is nearly straight.

    Args:
        seed: 0 or more.
        length_m: of the centre line.
        min_width_m: of the road, where it is narrowest.
        max_width_m: where it is widest; equal widths make a road of one width.
        min_radius_m: of the centre line's bends.
        num_corners: of the polygon that is rounded; neighbours may merge into one bend.
        margin_m: between two stretches of road, at least; where it bends back, inside of the bend.
        spacing_m: between points of the centre line; rounded so that they are at equal distances.

    Raises:
        ConfigError: a number is out of range, or no track like this was found.
    """
    check_range("seed", seed, 0)
    check_range("min_width_m", min_width_m, 1e-3)
    check_range("max_width_m", max_width_m, min_width_m)
    check_range("margin_m", margin_m, 0.0)
    apart = max_width_m + margin_m  # of two centre lines
    check_range("min_radius_m", min_radius_m, 0.5 * apart)
    check_range("num_corners", num_corners, 3)
    check_range("length_m", length_m, 4 * math.pi * min_radius_m)
    check_range("spacing_m", spacing_m, 1e-3, 0.5 * min_radius_m)
    random = np.random.default_rng(seed)
    for _ in range(_TRIES):
        points = _draw_line(random, length_m, min_radius_m, num_corners)
        if points is None:
            continue
        centre = CentreLine(points).resampled(spacing_m)
        start, start_bend = _straightest(centre)
        if np.abs(centre.curvatures).max() > 1.0 / min_radius_m or start_bend > _START_BEND_RAD:
            continue
        # Within half a turn of the narrowest bend, its radius alone keeps the line apart from itself (Schur).
        if nearest_approach(centre.points, centre.s_m, centre.length_m, math.pi * min_radius_m) < apart:
            continue
        half_widths = 0.5 * _widths(random, len(centre.points), min_width_m, max_width_m)
        return Track.from_widths(np.roll(centre.points, -start, axis=0), half_widths, half_widths)
    raise ConfigError(
        f"Found no track in {_TRIES} tries with length_m={length_m}, max_width_m={max_width_m}, "
        f"min_radius_m={min_radius_m}, num_corners={num_corners}, margin_m={margin_m}. "
        "Ask for a longer or narrower one, for tighter bends or fewer corners."
    )


def _draw_line(random: np.random.Generator, length: float, min_radius: float, num_corners: int) -> FloatArray | None:
    """Return dense points of a closed line of this length; None if a corner has no room for its arc."""
    corners = _polygon(random, num_corners)
    into = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
    corners *= 1.1 * length / into.sum()  # rounding the corners takes about a tenth away
    line = _rounded(random, corners, min_radius)
    if line is None:
        return None
    line = _smoothed(_respaced(line, _DENSE_M), 0.5 * min_radius / _DENSE_M)
    line *= length / np.linalg.norm(np.roll(line, -1, axis=0) - line, axis=1).sum()
    line -= 0.5 * (line.min(axis=0) + line.max(axis=0))
    return line if random.random() < 0.5 else line[::-1].copy()


def _polygon(random: np.random.Generator, num_corners: int) -> FloatArray:
    """Return the corners `(K, 2)` of a polygon that sees all of itself from its middle, anticlockwise."""
    angles = 2 * math.pi * (np.arange(num_corners) + random.uniform(-0.4, 0.4, num_corners)) / num_corners
    radii = random.uniform(0.3, 1.0, num_corners)
    squeezed = random.uniform(0.5, 1.0)
    x, y = radii * np.cos(angles), squeezed * radii * np.sin(angles)
    turn = random.uniform(0.0, 2 * math.pi)
    return np.stack([x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)], axis=-1)


def _rounded(random: np.random.Generator, corners: FloatArray, min_radius: float) -> FloatArray | None:
    """Return points of the polygon with an arc at each corner; None if one would be narrower than the least radius."""
    into, out = corners - np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0) - corners
    before, after = np.linalg.norm(into, axis=1), np.linalg.norm(out, axis=1)
    into, out = into / before[:, np.newaxis], out / after[:, np.newaxis]
    turns = np.arctan2(into[:, 0] * out[:, 1] - into[:, 1] * out[:, 0], (into * out).sum(axis=1))
    tangents = np.tan(0.5 * np.abs(turns))
    room = 0.5 * np.minimum(before, after)  # along each edge, from the corner to where the arc may begin
    cuts = np.maximum(random.uniform(_NARROWEST, _WIDEST, len(corners)) * room, min_radius * tangents)
    if (cuts > _WIDEST * room).any():
        return None
    parts = []
    for corner, ahead, turn, tangent, cut in zip(corners, into, turns, tangents, cuts, strict=True):
        radius = math.copysign(cut / max(tangent, 1e-9), turn)
        turned = np.linspace(0.0, turn, max(2, math.ceil(abs(radius * turn) / _DENSE_M)))
        left = np.array([-ahead[1], ahead[0]])
        begin = corner - cut * ahead
        along, across = radius * np.sin(turned), radius * (1.0 - np.cos(turned))
        parts.append(begin + along[:, np.newaxis] * ahead + across[:, np.newaxis] * left)
    return np.concatenate(parts)


def _respaced(line: FloatArray, spacing: float) -> FloatArray:
    """Return points at equal distances along a closed polyline."""
    ring = np.concatenate([line, line[:1]])
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(ring, axis=0), axis=1))])
    places = np.arange(round(s[-1] / spacing)) * s[-1] / round(s[-1] / spacing)
    return np.stack([np.interp(places, s, ring[:, 0]), np.interp(places, s, ring[:, 1])], axis=-1)


def _smoothed(line: FloatArray, deviation: float) -> FloatArray:
    """Return a closed line with each point a Gaussian mean of its neighbours: bends begin and end gradually."""
    waves = np.fft.rfftfreq(len(line))
    share = np.exp(-2.0 * (math.pi * deviation * waves) ** 2)
    return np.fft.irfft(np.fft.rfft(line, axis=0) * share[:, np.newaxis], len(line), axis=0)


def _straightest(centre: CentreLine) -> tuple[int, float]:
    """Return the point around which the line bends least, and by how much it turns there, radians."""
    spacing = centre.length_m / len(centre.points)
    scale = min(1.0, _START_SHARE * centre.length_m / (_BEHIND_M + _AHEAD_M)) / spacing
    reach = np.arange(-math.ceil(_BEHIND_M * scale), math.ceil(_AHEAD_M * scale) + 1)
    around = (np.arange(len(centre.points))[:, np.newaxis] + reach) % len(centre.points)
    turns = spacing * np.abs(centre.curvatures)[around].sum(axis=1)
    start = int(np.argmin(turns))
    return start, float(turns[start])


def _widths(random: np.random.Generator, count: int, narrow: float, wide: float) -> FloatArray:
    """Return smooth widths `(N,)` between the two, of three waves around the lap."""
    waves = np.arange(1, 4)
    phases, heights = random.uniform(0.0, 2 * math.pi, 3), random.uniform(0.2, 1.0, 3)
    lap = 2 * math.pi * np.arange(count)[:, np.newaxis] / count
    level = (heights * np.sin(waves * lap + phases)).sum(axis=1) / heights.sum()
    return narrow + (wide - narrow) * 0.5 * (1.0 + level)
