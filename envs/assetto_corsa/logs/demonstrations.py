"""Recorded laps as the suite's demonstrations: observations made anew, actions as they were, in pieces on the road."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from envs.arguments import check_choice
from envs.assetto_corsa.course import Course
from envs.assetto_corsa.geometry.derived import GEOMETRY_VERSION, Derived, Geometry
from envs.assetto_corsa.logs.recorded_lap import RecordedLap
from envs.assetto_corsa.look import Look
from envs.assetto_corsa.preflight import STATE_RATE_HZ
from envs.assetto_corsa.presets import Preset
from envs.assetto_corsa.rewards import Reward
from envs.demonstrations import Demonstration, config_hash
from envs.errors import ConfigError
from envs.stacking import as_parts
from envs.track.frames import FloatArray

_RATE_SHARE = 0.1  # by which a recording's rate may differ
CUT, TERMINAL_FRAMES, IGNORE = "cut", "terminal_frames", "ignore"
OFF_TRACK = (CUT, TERMINAL_FRAMES, IGNORE)
RELATIVE, ABSOLUTE = "relative", "absolute"
ACTIONS = (RELATIVE, ABSOLUTE)

log = logging.getLogger(__name__)


def demonstrations(
    lap: RecordedLap,
    geometry: Geometry,
    preset: Preset,
    *,
    config: Mapping[str, Any],
    actions: str = RELATIVE,
    off_track: str = CUT,
    reward: Reward | None = None,
    source: str = "",
) -> list[Demonstration]:
    """Return the episodes that a recording makes; none if it is never long enough on the road.

    Transition t leads from the observation of row t - 1, by the action of row t, to that of row t. Recorded derived
    channels are used where they were derived on the same track by the same rules, and made anew otherwise.

    Args:
        lap: the recording, 25 rows a second.
        geometry: of the track that it was driven on.
        preset: what the env observes that shall learn from it.
        config: of that env; its hash goes into the demonstrations.
        actions: `relative`, or `absolute` joystick commands.
        off_track: `cut`: leaving the road ends an episode as terminated, and being back begins the next, with nothing
            behind it; `terminal_frames`: each frame off the road ends one, and history goes on, as the original does;
            `ignore`.
        reward: of the env; by default as recorded.
        source: who drove; what the recording says by default.

    Raises:
        ConfigError: the rate is another, or there is no reward.
    """
    check_choice("actions", actions, ACTIONS)
    check_choice("off_track", off_track, OFF_TRACK)
    _check(lap, reward)
    rows = [lap.state(row) for row in range(lap.num_rows)]
    derived = derived_channels(lap, rows, geometry)
    looks = [Look(*parts) for parts in zip(rows, derived, lap.commands, strict=True)]
    preset.bind(geometry)
    pieces = _pieces([one.is_off_track for one in derived], off_track)
    episodes = pieces if off_track == CUT else [(0, lap.num_rows - 1, False)]
    observed: list[dict[str, Any]] = [{}] * lap.num_rows
    for begin, end, _ in episodes:
        preset.reset()
        observed[begin : end + 1] = [as_parts(preset.of(look)) for look in looks[begin : end + 1]]
    rewards = _rewards(looks, pieces, reward, geometry)
    controls = lap.actions if actions == RELATIVE else lap.commands
    found = []
    for begin, end, has_left in pieces:
        is_terminated = has_left or (end == lap.num_rows - 1 and bool(rows[end].get("terminated", False)))
        found.append(
            Demonstration(
                {name: np.stack([one[name] for one in observed[begin : end + 1]]) for name in observed[begin]},
                controls[begin + 1 : end + 1].astype(np.float32),
                rewards[begin + 1 : end + 1],
                is_terminated,
                not is_terminated,
                source or (lap.head.source if lap.head else "recording"),
                config_hash(config),
            )
        )
    return found


def _check(lap: RecordedLap, reward: Reward | None) -> None:
    if lap.rate_hz is not None and abs(lap.rate_hz - STATE_RATE_HZ) > _RATE_SHARE * STATE_RATE_HZ:
        raise ConfigError(
            f"Expected {lap.path} with {STATE_RATE_HZ:g} rows a second, got about {lap.rate_hz:.1f} by its ways and "
            "speeds. Keep every second row of a recording at 50 Hz."
        )
    if reward is None and "reward" not in lap.columns:
        raise ConfigError(f"Expected a column reward in {lap.path}, or a reward to compute: people's laps have none.")
    if max(lap.clipped.values()) > 0.0 and not lap.has_recorded_actions:
        shares = ", ".join(f"{channel} {share:.1%}" for channel, share in lap.clipped.items())
        log.warning("%s: faster than relative actions can be, and clipped: %s of rows.", lap.path.name, shares)


def _rewards(
    looks: Sequence[Look], pieces: Sequence[tuple[int, int, bool]], reward: Reward | None, geometry: Geometry
) -> FloatArray:
    """Return what each row of the pieces earns, `(N,)`."""
    if reward is None:
        return np.array([look.state["reward"] for look in looks], np.float64)
    earned = np.zeros(len(looks))
    course = Course(geometry.track)
    for begin, end, has_left in pieces:
        reward.reset(looks[begin])
        course.reset(looks[begin].state)
        for row in range(begin + 1, end + 1):
            course.update(looks[row].state, is_off_track=looks[row].derived.is_off_track)
            terms = reward.of(looks[row], gained_m=course.gained_m, is_failure=has_left and row == end)
            earned[row] = sum(terms.values())
    return earned


def derived_channels(lap: RecordedLap, rows: list[dict[str, Any]], geometry: Geometry) -> list[Derived]:
    """Return the derived channels of each row, recorded or made anew; see `demonstrations`."""
    head = lap.head
    is_same = (
        head is not None
        and head.track_digest == geometry.track.digest
        and head.geometry_version == GEOMETRY_VERSION
        and head.is_fixed == geometry.line.is_fixed
    )
    return [_recorded(row, geometry) if is_same else _anew(row, geometry) for row in rows]


def _recorded(row: Mapping[str, Any], geometry: Geometry) -> Derived:
    has_tyres_out, is_off_grid = bool(row["out_of_track_ac"]), bool(row["out_of_track_calc"])
    return Derived(
        lap_dist_m=float(row["LapDist"]),
        rl_point=int(row["rl_point"]),
        gap_m=float(row["gap"]),
        is_off_grid=is_off_grid,
        has_tyres_out=has_tyres_out,
        is_off_track=has_tyres_out if geometry.off_track == "game" else is_off_grid,
        sensors_m=np.asarray(row["sensors"], np.float64),
        border_m=float(row["dist_to_border"]),
    )


def _anew(row: Mapping[str, Any], geometry: Geometry) -> Derived:
    place = (float(row["world_position_x"]), float(row["world_position_y"]), float(row["yaw"]))
    return geometry.derive(*place, float(row["NormalizedSplinePosition"]), int(row["numberOfTyresOut"]))


def _pieces(is_off: list[bool], rule: str) -> list[tuple[int, int, bool]]:
    """Return first and last row of each episode, and whether leaving the road ends it."""
    last = len(is_off) - 1
    if rule == IGNORE:
        return [(0, last, False)]
    pieces, begin = [], 0
    for row in range(1, last + 1):
        if is_off[row]:
            if rule == TERMINAL_FRAMES or not is_off[begin]:
                pieces.append((begin, row, True))
            begin = row
        elif rule == CUT and is_off[begin]:
            begin = row  # back on the road
    if begin < last and not (rule == CUT and is_off[begin]):
        pieces.append((begin, last, False))
    return pieces
