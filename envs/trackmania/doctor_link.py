"""Checks 1 to 4: is the plugin there, does it send, what, and how often."""

from collections.abc import Iterator

import numpy as np

from envs.findings import PROBLEM, SKIPPED, WARNING, Finding
from envs.track.frames import FloatArray
from envs.trackmania.env import TrackmaniaEnv
from envs.trackmania.faults import CLOSED, CURES, REFUSED, SILENT, STALLED, WRONG_LAYOUT, LinkFault
from envs.trackmania.records import Record

CONNECTION, BYTES, LAYOUT, RATE = "1 connection", "2 telemetry", "3 layout", "4 frame rate"
MOST_UNSOUND = 0.05  # of the records: beyond, they are no accident
STALLED_S = 0.25  # without a record, at 25 frames/s and more
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
        begun = time.now()
        time.sleep(seconds)
        source.newest()
        watched_s, age_s = time.now() - begun, time.now() - records[-1].received_s
    except LinkFault as fault:
        yield from _failed(fault, place)
        return
    finally:
        if time.is_real:
            source.close()
    yield Finding(place, CONNECTION, "the plugin answers")
    yield Finding(place, BYTES, f"{len(records)} records")
    if source.unsound > MOST_UNSOUND * (len(records) + source.unsound):
        found = f"{layout.name}, but {source.unsound} of {len(records) + source.unsound} records are not finite or "
        yield Finding(place, LAYOUT, f"{found}out of range", PROBLEM, CURES[WRONG_LAYOUT])
    else:
        yield Finding(place, LAYOUT, f"{layout.name}, {layout.num_bytes} bytes a record")
    times = np.array([record.received_s for record in records])
    yield _rate(times[times > begun], watched_s, age_s, place)


def _failed(fault: LinkFault, place: str) -> Iterator[Finding]:
    at = _FAILED_AT.get(fault.cause, 3)
    for check in _CHECKS[:at]:
        yield Finding(place, check, "ok before it failed")
    yield Finding(place, _CHECKS[at], str(fault), PROBLEM, CURES[fault.cause])
    for check in _CHECKS[at + 1 :]:
        yield Finding(place, check, "not reached", SKIPPED)


def _rate(times_s: FloatArray, watched_s: float, age_s: float, place: str) -> Finding:
    """Judge the records of a stretch: those of the identification before it came in one burst."""
    if age_s > STALLED_S:
        return Finding(place, RATE, f"stalled: the newest record is {age_s:.1f} s old", PROBLEM, CURES[STALLED])
    if len(times_s) < 2:
        found = f"{len(times_s)} records in {watched_s:.1f} s"
        return Finding(place, RATE, found, WARNING, "Watch longer: seconds=3.")
    fps, late_ms = len(times_s) / watched_s, 1000.0 * float(np.percentile(np.diff(times_s), 95))
    found = f"{fps:.1f} frames/s, 95 % of them within {late_ms:.0f} ms of the last"
    if fps < LEAST_FPS:
        cure = "Lower the graphics, keep the game in front, and limit it to 30 to 100 frames/s, not fewer."
        return Finding(place, RATE, found, PROBLEM, cure)
    return Finding(place, RATE, found)
