"""Checks 1 to 4: is the plugin there, does it send, what, and how often."""

from collections.abc import Iterator

import numpy as np

from envs.findings import PROBLEM, SKIPPED, WARNING, Finding
from envs.trackmania.env import TrackmaniaEnv
from envs.trackmania.faults import CLOSED, CURES, REFUSED, SILENT, WRONG_LAYOUT, LinkFault
from envs.trackmania.records import Record

CONNECTION, BYTES, LAYOUT, RATE = "1 connection", "2 telemetry", "3 layout", "4 frame rate"
LEAST_FPS = 25.0  # below it, a loop of 20 Hz sees some frames twice
_OPEN_S = 3.0
_FAILED_AT = {REFUSED: 0, SILENT: 1, CLOSED: 1, WRONG_LAYOUT: 2}
_CHECKS = (CONNECTION, BYTES, LAYOUT, RATE)


def link_checks(env: TrackmaniaEnv, place: str, seconds: float) -> Iterator[Finding]:
    """Yield the four findings; those that a failure hides are skipped."""
    source, time = env.game.telemetry(), env.game.time
    records: list[Record] = []
    source.listen(records.append)
    try:
        source.open(_OPEN_S)
        layout = source.newest().layout
        time.sleep(seconds)
        source.newest()
    except LinkFault as fault:
        yield from _failed(fault, place)
        return
    finally:
        if time.is_real:
            source.close()
    yield Finding(place, CONNECTION, "the plugin answers")
    yield Finding(place, BYTES, f"{len(records)} records")
    unsound = f", {source.unsound} records not finite or out of range" if source.unsound else ""
    if unsound:
        yield Finding(place, LAYOUT, f"{layout.name}{unsound}", WARNING, CURES[WRONG_LAYOUT])
    else:
        yield Finding(place, LAYOUT, f"{layout.name}, {layout.num_bytes} bytes a record")
    yield _rate(records, place, seconds)


def _failed(fault: LinkFault, place: str) -> Iterator[Finding]:
    at = _FAILED_AT.get(fault.cause, 3)
    for check in _CHECKS[:at]:
        yield Finding(place, check, "ok before it failed")
    yield Finding(place, _CHECKS[at], str(fault), PROBLEM, CURES[fault.cause])
    for check in _CHECKS[at + 1 :]:
        yield Finding(place, check, "not reached", SKIPPED)


def _rate(records: list[Record], place: str, seconds: float) -> Finding:
    times = np.array([record.received_s for record in records])
    recent = times[times > times[-1] - seconds]
    gaps = np.diff(recent)
    if len(gaps) == 0 or gaps.sum() <= 0.0:
        return Finding(place, RATE, f"{len(recent)} records in {seconds:g} s", WARNING, "Watch longer: seconds=3.")
    fps, late_ms = len(gaps) / gaps.sum(), 1000.0 * float(np.percentile(gaps, 95))
    found = f"{fps:.1f} frames/s, 95 % of them within {late_ms:.0f} ms of the last"
    if fps < LEAST_FPS:
        cure = "Lower the graphics, keep the game in front, and limit it to 30 to 100 frames/s, not fewer."
        return Finding(place, RATE, found, PROBLEM, cure)
    return Finding(place, RATE, found)
