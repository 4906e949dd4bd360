"""Checks 7 and 8: do the controls reach the game, does a restart restart, and how long is its countdown."""

import math

import numpy as np

from envs.findings import PROBLEM, SKIPPED, WARNING, Finding
from envs.track.frames import FloatArray, wrap_angle
from envs.trackmania.layouts import FINISHED, GAS, SPEED_MPS
from envs.trackmania.plane import to_plane
from envs.trackmania.real_time import GameTime
from envs.trackmania.records import Record
from envs.trackmania.sources import GameParts, TelemetrySource

PAD, RESTART = "7 controls", "8 restart"
PAD_CURE = (
    "Is ViGEmBus installed (Linux: /dev/uinput writable), has the game's window the focus, are its gamepad controls "
    "the default ones?"
)
_GO_S, _TURN_S = 3.0, 0.5
_LONGEST_S = 6.0  # of a countdown
_MOVES_MPS = 0.1
_WAIT_S = 0.02
_COUNTDOWN_OFF_S = 0.2  # the restart's button takes half of it, before gas can be pressed
_TURN_MPS = 8.0


def press_checks(parts: GameParts, time: GameTime, countdown_s: float, place: str) -> tuple[FloatArray, list[Finding]]:
    """Begin the race anew, press gas, then right, and see what the game makes of it; then begin anew once more.

    Returns:
        Where the car starts, and the findings.
    """
    source, sink = parts.source, parts.sink
    began = time.now()
    sink.restart()
    countdown = _Countdown(source)
    sink.press(1.0, 0.0, 0.0)
    while countdown.ended_s is None and time.now() - began < _LONGEST_S:
        time.sleep(_WAIT_S)
    time.sleep(_GO_S)
    record = source.newest()
    start = countdown.start if countdown.start is not None else record.position_m
    gas, speed = record[GAS], record[SPEED_MPS]
    before = _heading(parts, time)
    sink.press(1.0, 0.0, 1.0)
    time.sleep(_TURN_S)
    turned = float(wrap_angle(_heading(parts, time) - before))
    sink.press(0.0, 0.0, 0.0)
    findings = [pad_finding(gas, speed, turned, place)]
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
        took_s = None if countdown.ended_s is None else countdown.ended_s - began
        findings.append(_countdown_finding(found, took_s, countdown_s, place))
    return start, findings


class _Countdown:
    """Listens, after a restart: where the car stood first, and when it first moved."""

    def __init__(self, source: TelemetrySource) -> None:
        self.start: FloatArray | None = None
        self.ended_s: float | None = None
        source.listen(self._see)

    def _see(self, record: Record) -> None:
        if self.start is None:
            self.start = record.position_m
        if self.ended_s is None and abs(record[SPEED_MPS]) > _MOVES_MPS:
            self.ended_s = record.received_s


def _countdown_finding(found: str, took_s: float | None, countdown_s: float, place: str) -> Finding:
    """Judge a restart that worked by its countdown: from its end on, lap times are counted without a race clock."""
    if took_s is None:
        return Finding(place, RESTART, found)
    found = f"{found}, the countdown took {took_s:.2f} s"
    if abs(took_s - countdown_s) <= _COUNTDOWN_OFF_S:
        return Finding(place, RESTART, found)
    cure = f"Set env.countdown_s={took_s:.2f} (it is {countdown_s:g}): lap times count from the countdown's end."
    return Finding(place, RESTART, found, WARNING, cure)


def pad_finding(gas: float, speed: float, turned: float, place: str) -> Finding:
    """Judge what the game made of full gas and full right.

    Args:
        gas: that it told, 0 … 1.
        speed: m/s, before the turn.
        turned: radians, positive to the left.
        place: for the finding.
    """
    found = f"full gas is told as {gas:.2f}, {speed:.1f} m/s after {_GO_S:g} s, full right turned {turned:+.2f} rad"
    if gas < 0.9:
        return Finding(place, PAD, found, PROBLEM, PAD_CURE)
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
