"""Which line of a track is driven: its own, the road's middle, or that of least curvature; with what columns."""

from dataclasses import replace
from typing import Literal

from envs.arguments import check_choice
from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.assetto_corsa.tracks.speed_profile import speed_profile

Line = Literal["own", "centre", "minimum_curvature"]
LINES: tuple[Line, ...] = ("own", "centre", "minimum_curvature")


def with_line(
    track: AcTrack,
    *,
    line: Line,
    has_curvature: bool = False,
    has_target_speed: bool = False,
    length_m: float | None = None,
) -> AcTrack:
    """Return a track with a line and columns of it.

    Args:
        track: whose borders stay.
        line: `own`: as it is; `centre`: the middle of the borders; `minimum_curvature`: see `racing_line`.
        has_curvature: give the line's curvatures, of circles through three rows, a column; an own line keeps its own.
        has_target_speed: give speeds of `speed_profile` a column; an own line keeps its own.
        length_m: of a lap, as the game counts it; an own line keeps the track's, another has its own by default.

    Raises:
        ConfigError: there is no such line, or the road is too narrow for it.
    """
    check_choice("line", line, LINES)
    points, curvature, speed = track.line_m, track.curvature, track.target_speed_mps
    if line != "own":
        curvature = speed = None
        points = 0.5 * (track.left_m + track.right_m)
    if line == "minimum_curvature":
        from envs.assetto_corsa.tracks.racing_line import minimum_curvature_line  # brings scipy's sparse matrices

        points = minimum_curvature_line(track.left_m, track.right_m)
    driven = replace(track, line_m=points, curvature=curvature, target_speed_mps=speed)
    if has_curvature and curvature is None:
        curvature = driven.closed_line.curvatures
    if has_target_speed and speed is None:
        speed = speed_profile(driven.closed_line)
    if length_m is None:
        length_m = track.length_m if line == "own" else driven.closed_length_m
    return replace(driven, curvature=curvature, target_speed_mps=speed, length_m=length_m)
