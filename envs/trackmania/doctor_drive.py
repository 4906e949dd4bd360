"""Checks that press, look and drive: 5, 7, 8, 10, 11 and 14, and whether the trajectory (9) fits the map."""

import math
from collections.abc import Iterator

import numpy as np

from envs.errors import SimulatorUnavailable
from envs.findings import PROBLEM, SKIPPED, WARNING, Finding
from envs.track.frames import FloatArray, wrap_angle
from envs.trackmania import timings
from envs.trackmania.env import TrackmaniaEnv
from envs.trackmania.faults import LinkFault
from envs.trackmania.interface import GameParts
from envs.trackmania.layouts import FINISHED, GAS, SPEED_MPS
from envs.trackmania.lidar import PixelLidar
from envs.trackmania.plane import to_plane
from envs.trackmania.real_time import GameTime
from envs.trackmania.trajectory import Trajectory

TIMING, PAD, RESTART, WINDOW, LIDAR, LEARNING = (
    "5 step timing",
    "7 controls",
    "8 restart",
    "10 window",
    "11 lidar",
    "14 reward",
)
NEAR_M = 20.0  # of the trajectory's begin, where the car starts
TRAJECTORY = "9 trajectory"
_COUNTDOWN_S, _GO_S, _TURN_S = 2.5, 3.0, 0.5
_TURN_MPS = 8.0
_STEPS = 200
_NOT_REACHED = "not reached: telemetry is missing"
_PAD_CURE = (
    "Is ViGEmBus installed (Linux: /dev/uinput writable), has the game's window the focus, are its gamepad controls "
    "the default ones?"
)


def drive_checks(env: TrackmaniaEnv, place: str, *, is_there: bool, has_trajectory: bool) -> Iterator[Finding]:
    """Yield the findings; without telemetry, only the window is looked at.

    Args:
        env: whose game is driven.
        place: for the findings.
        is_there: whether telemetry came.
        has_trajectory: whether there is one to drive along.
    """
    yield from _screen(env, place)
    driving = (TIMING, PAD, RESTART, LEARNING)
    if not is_there:
        yield from (Finding(place, check, _NOT_REACHED, SKIPPED) for check in driving)
        return
    if env.drives_itself:
        yield from _drive(env, place, has_trajectory=has_trajectory)
    else:
        yield from (Finding(place, check, "a person drives (env.controls=none)", SKIPPED) for check in driving)


def _screen(env: TrackmaniaEnv, place: str) -> Iterator[Finding]:
    try:
        capture = env.game.capture()
        picture = None if capture is None else capture.screenshot()
    except SimulatorUnavailable as error:
        cure = "Start the game in a window, set the desktop's scaling to 100 %, and do not minimise it."
        yield Finding(place, WINDOW, str(error), PROBLEM, cure)
        yield Finding(place, LIDAR, "not reached: there is no picture", SKIPPED)
        return
    if capture is None or picture is None:
        yield Finding(place, WINDOW, "this observation needs no picture", SKIPPED)
        yield Finding(place, LIDAR, "this observation needs no picture", SKIPPED)
        return
    height, width = picture.shape[:2]
    if picture.max() == 0:
        yield Finding(place, WINDOW, f"{width} x {height} pixels, all black", PROBLEM, "Is the window minimised?")
    else:
        yield Finding(place, WINDOW, f"{width} x {height} pixels, mean brightness {picture.mean():.0f}")
    if not env.sees_lidar:
        yield Finding(place, LIDAR, "this observation has none", SKIPPED)
        return
    rays = PixelLidar(height, width).read(picture)
    lopsided = float(np.abs(rays - rays[::-1]).mean() / max(rays.mean(), 1.0))
    found = f"{rays.min():.0f} to {rays.max():.0f} pixels, left and right differ by {100 * lopsided:.0f} %"
    if np.ptp(rays) == 0 or lopsided > 0.5:
        cure = (
            "Choose the cockpit camera (key 3), hide the car, drive on plain road with black borders, start straight."
        )
        yield Finding(place, LIDAR, found, WARNING, cure)
    else:
        yield Finding(place, LIDAR, found)


def _drive(env: TrackmaniaEnv, place: str, *, has_trajectory: bool) -> Iterator[Finding]:
    try:
        parts = env.interface.open()
    except SimulatorUnavailable as error:
        yield Finding(place, PAD, str(error), PROBLEM, _PAD_CURE)
        yield from (
            Finding(place, check, "not reached: nothing to press", SKIPPED) for check in (TIMING, RESTART, LEARNING)
        )
        return
    try:
        start, findings = _press(parts, env.game.time, place)
        yield from findings
        if env.trajectory is not None:
            yield from _fit(env.trajectory, start, place)
        if has_trajectory:
            yield from _episode(env, place)
        else:
            yield from (Finding(place, check, "not reached: no trajectory", SKIPPED) for check in (TIMING, LEARNING))
    except LinkFault as fault:
        yield Finding(place, LEARNING, f"telemetry was lost on the way: {fault}", PROBLEM, "Run the doctor again.")


def _fit(trajectory: Trajectory, start: FloatArray, place: str) -> Iterator[Finding]:
    """Yield a finding if the trajectory begins where no car starts."""
    away = float(np.linalg.norm(trajectory.points[0] - start))
    if away > NEAR_M:
        found = f"the trajectory begins {away:.0f} m from where the car starts"
        yield Finding(place, TRAJECTORY, found, PROBLEM, "It belongs to another map: record one on this map.")


def _press(parts: GameParts, time: GameTime, place: str) -> tuple[FloatArray, list[Finding]]:
    """Press gas, then right, and see what the game makes of it; then begin the race anew.

    Returns:
        Where the car starts, and the findings.
    """
    source, sink = parts.source, parts.sink
    sink.restart()
    time.sleep(_COUNTDOWN_S)
    start = source.newest().position_m
    sink.press(1.0, 0.0, 0.0)
    time.sleep(_GO_S)
    record = source.newest()
    gas, speed = record[GAS], record[SPEED_MPS]
    before = _heading(parts, time)
    sink.press(1.0, 0.0, 1.0)
    time.sleep(_TURN_S)
    turned = float(wrap_angle(_heading(parts, time) - before))
    sink.press(0.0, 0.0, 0.0)
    findings = [_pad_finding(gas, speed, turned, place)]
    away = float(np.linalg.norm(source.newest().position_m - start))
    sink.restart()
    time.sleep(0.5)
    record = source.newest()
    left = float(np.linalg.norm(record.position_m - start))
    found = f"from {away:.1f} m away to {left:.1f} m, finish sign {'up' if record[FINISHED] else 'down'}"
    if left > 2.0 or (record[FINISHED] and speed > 1.0):
        cure = "Map B of the gamepad to restart (give up), close pop-ups, and wait until the finish's sign is gone."
        findings.append(Finding(place, RESTART, found, PROBLEM, cure))
    elif away < 2.0:
        findings.append(Finding(place, RESTART, f"the car did not get away ({away:.1f} m): nothing to see", SKIPPED))
    else:
        findings.append(Finding(place, RESTART, found))
    return start, findings


def _pad_finding(gas: float, speed: float, turned: float, place: str) -> Finding:
    found = f"full gas is told as {gas:.2f}, {speed:.1f} m/s after {_GO_S:g} s, full right turned {turned:+.2f} rad"
    if gas < 0.9:
        return Finding(place, PAD, found, PROBLEM, _PAD_CURE)
    if speed < _TURN_MPS:
        return Finding(
            place, PAD, found, WARNING, "The car hardly moves: is a pop-up open, or does the countdown last?"
        )
    if turned >= 0.0:
        cure = "Steering is reversed in the game's settings, or its frame is left-handed (envs/trackmania/plane.py)."
        return Finding(place, PAD, found, PROBLEM, cure)
    return Finding(place, PAD, found)


def _heading(parts: GameParts, time: GameTime) -> float:
    """Return the heading from two positions, a tenth of a second apart."""
    before = to_plane(parts.source.newest().position_m)
    time.sleep(0.1)
    way = to_plane(parts.source.newest().position_m) - before
    return math.atan2(way[1], way[0])


def _episode(env: TrackmaniaEnv, place: str) -> Iterator[Finding]:
    """Drive with full gas for 200 steps, or until the episode ends."""
    _, info = env.reset()
    begin = info["progress_m"]
    earned, overruns, steps = 0.0, 0, 0
    best = begin
    while steps < _STEPS:
        steps += 1
        _, reward, terminated, truncated, info = env.compat.step(np.array([1.0, 0.0, 0.0], np.float32))
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
