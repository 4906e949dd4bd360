"""Tracks as the game's line for its own drivers describes them: the plugin's track info, and the file it reads."""

import logging
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from envs.assetto_corsa.tracks.ac_track import LEAST_ROWS, AcTrack
from envs.errors import ConfigError
from envs.track.frames import FloatArray

LEAST_SPEED_MPS = 15.0  # to which the plugin lifts slower ones
_DUPLICATE_M = 0.2  # nearer to the first, the last rows are left out
_HEADER, _PLACE, _DETAIL = "<4i", 20, 72  # bytes of a place: 4 floats, an id; of a detail: 18 floats
_MOST_PLACES = 1_000_000
# Of a detail, counted from right behind the places, as the plugin does. If the game writes one more integer there, they
# are its details 0, 1, 2, 5 and 6: the same bytes, so both layouts are read alike.
_SPEED, _GAS, _BRAKE, _LEFT, _RIGHT = 1, 2, 3, 6, 7

log = logging.getLogger(__name__)


def track_from_info(
    reply: Mapping[str, Any], name: str, configuration: str = "", length_m: float | None = None
) -> AcTrack:
    """Return the track of a `get_track_info` reply.

    Args:
        reply: `left_lane`, `right_lane`, `fast_lane` as lists of x and y in the plan frame, and `speed_arr`.
        name: as the game calls it, of the static info.
        configuration: its layout, of the static info.
        length_m: of a lap, of the static info; the line's own by default.

    Raises:
        ConfigError: the reply lacks lanes, or they do not fit together.
    """
    lanes = {}
    for key in ("left_lane", "right_lane", "fast_lane", "speed_arr"):
        try:
            lanes[key] = np.array(reply[key], np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"Expected {key} in the track info of {name}, a list of numbers, got {str(reply.get(key))[:60]!r}. An "
                "empty reply means that the game has no AI line for the track."
            ) from error
    shape = lanes["fast_lane"].shape
    if len(shape) != 2 or shape[1] != 2 or {lane.shape[0] for lane in lanes.values() if lane.ndim} != {shape[0]}:
        raise ConfigError(
            f"Expected lanes of one length in the track info of {name}, got {[x.shape for x in lanes.values()]}."
        )
    return _track(
        name, configuration, length_m, *(lanes[key] for key in ("left_lane", "right_lane", "fast_lane", "speed_arr"))
    )


def track_from_ai_line(path: Path, name: str, configuration: str = "", length_m: float | None = None) -> AcTrack:
    """Return the track of the game's `fast_lane.ai`.

    Args:
        path: four int32, the second a count n; n places of float32 x, y, z, distance and int32 id, in the game's axes;
            n details of 18 float32, of which speed and both half widths are used. What follows is left alone.
        name: as the game calls the track.
        configuration: its layout.
        length_m: of a lap; the line's own by default.

    Raises:
        ConfigError: the file is shorter than it says, or holds no plausible line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"Expected an AI line of the game at {path}: {error}.") from error
    count = struct.unpack_from(_HEADER, data)[1] if len(data) >= struct.calcsize(_HEADER) else 0
    begin = struct.calcsize(_HEADER) + _PLACE * count
    if not LEAST_ROWS <= count <= _MOST_PLACES or len(data) < begin + _DETAIL * count:
        raise ConfigError(
            f"Expected an AI line of the game in {path}: {LEAST_ROWS} … {_MOST_PLACES} places of {_PLACE + _DETAIL} "
            f"bytes, got {len(data)} bytes and a count of {count}."
        )
    places = np.frombuffer(data, "<f4", 5 * count, struct.calcsize(_HEADER)).reshape(count, 5).astype(np.float64)
    details = np.frombuffer(data, "<f4", 18 * count, begin).reshape(count, 18).astype(np.float64)
    _check_details(path, details)
    line = places[:, [2, 0]]  # the plan frame's x is the game's Z, y its X
    ways = line - np.roll(line, 1, axis=0)
    lengths = np.hypot(ways[:, 0], ways[:, 1])
    ways[lengths == 0.0] = np.roll(ways, 1, axis=0)[lengths == 0.0]  # a point twice in a row has no way of its own
    lengths = np.hypot(ways[:, 0], ways[:, 1])
    lost = np.flatnonzero(~(lengths > 0.0) | ~np.isfinite(lengths))
    if len(lost):
        raise ConfigError(f"Expected an AI line of the game in {path} that goes on, but place {lost[0]} stands still.")
    tangents = ways / lengths[:, np.newaxis]
    normals = np.column_stack([-tangents[:, 1], tangents[:, 0]])
    left = line + normals * details[:, [_LEFT]]
    right = line - normals * details[:, [_RIGHT]]
    return _track(name, configuration, length_m, left, right, line, details[:, _SPEED])


def _check_details(path: Path, details: FloatArray) -> None:
    for what, column, low, high in (
        ("speed", _SPEED, 0.0, 200.0),
        ("gas", _GAS, 0.0, 1.0),
        ("brake", _BRAKE, 0.0, 1.0),
        ("half width to the left", _LEFT, 0.0, 100.0),
        ("half width to the right", _RIGHT, 0.0, 100.0),
    ):
        values = details[:, column]
        wrong = np.flatnonzero(~((values >= low) & (values <= high)))
        if len(wrong):
            raise ConfigError(
                f"Expected a {what} in {low:g} … {high:g} at each place of {path}, got {values[wrong[0]]:.4g} at place "
                f"{wrong[0]}: the file has another layout than is known."
            )


def _track(
    name: str,
    configuration: str,
    length_m: float | None,
    left: FloatArray,
    right: FloatArray,
    line: FloatArray,
    speeds: FloatArray,
) -> AcTrack:
    """Return the track without rows at its end that repeat the first."""
    keep = len(line)
    while keep > LEAST_ROWS and math.dist(line[keep - 1], line[0]) < _DUPLICATE_M:
        keep -= 1
    if keep < len(line):
        log.warning("The last %d rows of %s repeat its first and are left out.", len(line) - keep, name)
    line = line[:keep]
    if length_m is None:
        length_m = float(np.linalg.norm(np.roll(line, -1, axis=0) - line, axis=1).sum())
    speeds = np.maximum(speeds[:keep], LEAST_SPEED_MPS)
    return AcTrack(name, configuration, left[:keep], right[:keep], line, None, speeds, length_m)
