"""Tracks out of a seed in the original's format, so that nobody needs the game's own to train, test or try."""

from envs.arguments import check_choice, check_range
from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.assetto_corsa.tracks.driven_line import LINES, Line, with_line
from envs.track.synthetic import synthetic_track

SPACING_M = 1.5  # between rows, as in the original's tracks
LEAST_SYNTHETIC_ROWS = 1000  # of which every tenth makes a wall of the original's rays


def synthetic_ac_track(
    seed: int,
    *,
    name: str = "",
    configuration: str = "",
    length_m: float = 2500.0,
    min_width_m: float = 10.0,
    max_width_m: float = 14.0,
    min_radius_m: float = 14.0,
    num_corners: int = 14,
    line: Line = "centre",
    reverse: bool = False,
    has_curvature: bool = False,
    has_target_speed: bool = False,
) -> AcTrack:
    """Return the track of a seed: the same bytes for the same arguments.

    Args:
        seed: 0 or more.
        name: of the track; `chicane_SEED` if empty.
        configuration: its layout, if the name has one.
        length_m: of the road's middle. Below 1500 m rows are nearer to each other than 1.5 m, so that there are 1000.
        min_width_m: of the road, where it is narrowest.
        max_width_m: where it is widest.
        min_radius_m: of the bends of the road's middle.
        num_corners: of the polygon that is rounded.
        line: what cars are rewarded along: `centre`, the road's middle, or `minimum_curvature`.
        reverse: drive it the other way round.
        has_curvature: give the line's exact curvatures a column, which then replaces the original's splines.
        has_target_speed: give a speed for every row a column (`envs.assetto_corsa.tracks.speed_profile`).

    Raises:
        ConfigError: a number is out of range, or there is no such track.
    """
    check_choice("line", line, LINES[1:])
    check_range("length_m", length_m, 200.0, 1e5)
    road = synthetic_track(
        seed,
        length_m=length_m,
        min_width_m=min_width_m,
        max_width_m=max_width_m,
        min_radius_m=min_radius_m,
        num_corners=num_corners,
        # A hair less than asked for, so that rounding to equal distances does not end below the least number of rows.
        spacing_m=min(SPACING_M, length_m / (LEAST_SYNTHETIC_ROWS + 1)),
    )
    track = AcTrack(
        name or f"chicane_{seed}", configuration, road.left, road.right, road.centre.points, None, None, length_m
    )
    if reverse:
        track = track.reversed()
    return with_line(track, line=line, has_curvature=has_curvature, has_target_speed=has_target_speed)
