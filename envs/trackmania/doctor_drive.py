"""Checks that drive: 5 and 14, and whether the trajectory (9) fits the map; between those of screen and controls."""

from collections.abc import Iterator

import numpy as np

from envs.contract import FAULT
from envs.errors import SimulatorUnavailable
from envs.findings import PROBLEM, SKIPPED, WARNING, Finding
from envs.track.frames import FloatArray
from envs.trackmania import timings
from envs.trackmania.doctor_controls import PAD, PAD_CURE, RESTART, press_checks
from envs.trackmania.doctor_screen import screen_checks
from envs.trackmania.env import TrackmaniaEnv
from envs.trackmania.trajectory import Trajectory

TIMING, LEARNING, TRAJECTORY = "5 step timing", "14 reward", "9 trajectory"
NEAR_M = 20.0  # of the trajectory's begin, where the car starts
_STEPS = 200
_ORDER = (PAD, RESTART, TIMING, LEARNING)  # in which they are looked at
_LOST_CURE = "Keep the game in the race, not in a menu, and run the doctor again."
_NOT_REACHED = "not reached: telemetry is missing"


def drive_checks(env: TrackmaniaEnv, place: str, *, is_there: bool, has_trajectory: bool) -> Iterator[Finding]:
    """Yield the findings; without telemetry, only the window is looked at.

    Args:
        env: whose game is driven.
        place: for the findings.
        is_there: whether telemetry came.
        has_trajectory: whether there is one to drive along.
    """
    yield from screen_checks(env, place)
    driving = (TIMING, PAD, RESTART, LEARNING)
    if not is_there:
        yield from (Finding(place, check, _NOT_REACHED, SKIPPED) for check in driving)
        return
    if not env.drives_itself:
        yield from (Finding(place, check, "a person drives (env.controls=none)", SKIPPED) for check in driving)
        return
    told = set()
    try:
        for finding in _drive(env, place, has_trajectory=has_trajectory):
            told.add(finding.check)
            yield finding
    except SimulatorUnavailable as fault:
        left = [check for check in _ORDER if check not in told]
        yield Finding(place, (left or [LEARNING])[0], f"the link was lost on the way: {fault}", PROBLEM, _LOST_CURE)
        yield from (Finding(place, check, "not reached: the link was lost", SKIPPED) for check in left[1:])


def _drive(env: TrackmaniaEnv, place: str, *, has_trajectory: bool) -> Iterator[Finding]:
    try:
        parts = env.interface.open()
    except SimulatorUnavailable as error:
        yield Finding(place, PAD, str(error), PROBLEM, PAD_CURE)
        yield from (
            Finding(place, check, "not reached: nothing to press", SKIPPED) for check in (TIMING, RESTART, LEARNING)
        )
        return
    start, findings = press_checks(parts, env.game.time, env.interface.watch.countdown_s, place)
    yield from findings
    if env.trajectory is not None:
        yield from _fit(env.trajectory, start, place)
    if has_trajectory:
        yield from _episode(env, place)
    else:
        yield from (Finding(place, check, "not reached: no trajectory", SKIPPED) for check in (TIMING, LEARNING))


def _fit(trajectory: Trajectory, start: FloatArray, place: str) -> Iterator[Finding]:
    """Yield a finding if the trajectory begins where no car starts."""
    away = float(np.linalg.norm(trajectory.points[0] - start))
    if away > NEAR_M:
        found = f"the trajectory begins {away:.0f} m from where the car starts"
        yield Finding(place, TRAJECTORY, found, PROBLEM, "It belongs to another map: record one on this map.")


def _episode(env: TrackmaniaEnv, place: str) -> Iterator[Finding]:
    """Drive with full gas for 200 steps, or until the episode ends; raise SimulatorUnavailable if the link does."""
    _, info = env.reset()
    begin = info["progress_m"]
    earned, overruns, steps = 0.0, 0, 0
    best = begin
    while steps < _STEPS:
        steps += 1
        _, reward, terminated, truncated, info = env.compat.step(np.array([1.0, 0.0, 0.0], np.float32))
        if info.get(FAULT) is not None:
            raise SimulatorUnavailable(info[FAULT])
        earned, overruns, best = max(earned, reward), info["overruns_total"], max(best, info["progress_m"])
        if terminated or truncated:
            break
    _, late, latest = env.compat.timings.percentiles()[timings.TIME_STEP]
    found = (
        f"95 % within {1000 * late:.1f} ms, 99 % within {1000 * latest:.1f} ms, {overruns} overruns in {steps} steps"
    )
    step_s = env.compat.settings.time_step_duration
    if late > 1.2 * step_s or overruns > 0.02 * steps:
        cure = "Train on another machine than the game's, lower the graphics, or choose longer steps (env.step_s)."
        yield Finding(place, TIMING, found, WARNING, cure)
    else:
        yield Finding(place, TIMING, found)
    told = f"best reward of a step {earned:.3f}, {best - begin:.1f} m of progress in {steps} steps of full gas"
    if earned <= 0.0:
        cure = "Does the trajectory belong to this map, and does the car move? See 7 and 9."
        yield Finding(place, LEARNING, told, PROBLEM, cure)
    else:
        yield Finding(place, LEARNING, told)
