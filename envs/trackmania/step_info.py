"""What a step's `info` tells: the suite's keys, the state of the link, the task's progress, and the lap's time."""

import logging
from typing import Any, NamedTuple

import numpy as np

from envs import contract
from envs.trackmania.layouts import BRAKE, GAS, SPEED_MPS, STEER
from envs.trackmania.plane import to_plane
from envs.trackmania.race import LapTime, RaceWatch
from envs.trackmania.records import Record
from envs.trackmania.reward_progress import FINISH, Outcome
from envs.trackmania.sources import TelemetrySource
from envs.trackmania.tasks import Task

log = logging.getLogger(__name__)

END_CAUSE = "end_cause"
INPUTS = "inputs"  # what the game says is pressed, as an action; what a person did where None was sent
TELEMETRY_FAULT = "telemetry_fault"  # what records told that cannot be; the link holds
_DIGITS = 6  # of times: microseconds, whatever a clock began at


class Counts(NamedTuple):
    """Records of a source: those that came, that were superseded, and that were not sound."""

    seen: int = 0
    skipped: int = 0
    unsound: int = 0

    @classmethod
    def of(cls, source: TelemetrySource) -> "Counts":
        """Return those of now."""
        return cls(source.seen, source.skipped, source.unsound)

    def since(self, before: "Counts") -> "Counts":
        """Return how many have come since."""
        return Counts(self.seen - before.seen, self.skipped - before.skipped, self.unsound - before.unsound)


class Ages(NamedTuple):
    """How old what was seen is, seconds: the record, and the picture; 0 where there is none."""

    record_s: float
    image_s: float = 0.0


def rounded_s(duration_s: float) -> float:
    """Return a duration as info tells it."""
    return round(duration_s, _DIGITS)


def step_info(
    record: Record,
    outcome: Outcome,
    task: Task,
    watch: RaceWatch,
    *,
    ages: Ages,
    counts: Counts,
    reconnects: int,
    frames: int,
) -> dict[str, Any]:
    """Return `info`.

    Args:
        record: that was seen.
        outcome: what the task made of it.
        task: tells the progress.
        watch: tells the lap's time, on the step that finishes, and whether the race clock went back.
        ages: of what was seen.
        counts: since the reset.
        reconnects: since the beginning.
        frames: how many the step took.
    """
    frame_age_s, image_age_s = rounded_s(ages.record_s), rounded_s(ages.image_s)
    is_finish = outcome.end_cause == FINISH
    info = {
        contract.SPEED_MPS: float(record[SPEED_MPS]),
        contract.PROGRESS: min(max(float(task.progress), 0.0), 1.0),
        contract.LAP: int(is_finish),
        contract.OFF_TRACK: bool(task.is_off_track),
        contract.FRAMES: frames,
        contract.POSITION_M: to_plane(record.position_m),
        contract.LINK_AGE_S: frame_age_s,
        contract.LINK_RECONNECTS: reconnects,
        "frame_age_s": frame_age_s,
        "image_age_s": image_age_s,
        "frames_seen": counts.seen,
        "frames_skipped": counts.skipped,
        "frames_unsound": counts.unsound,
        "progress_m": float(task.progress_m),
        "progress_frac": float(task.progress),
        "race_time_s": record.race_time_s,
        END_CAUSE: outcome.end_cause,
        **{f"reward_{name}": value for name, value in outcome.terms.items()},
    }
    brake = next((name for name in (BRAKE, "brake_pedal") if name in record), None)
    if STEER in record and GAS in record and brake is not None:
        info[INPUTS] = record.vector((GAS, brake, STEER)).astype(np.float32)
    unsound = f"{counts.unsound} records were not finite or out of range." if counts.unsound else None
    faults = [fault for fault in (outcome.fault, watch.clock_fault, unsound) if fault is not None]
    if faults:
        info[TELEMETRY_FAULT] = " ".join(faults)
    return info | _told(watch.lap_time) if is_finish else info


def _told(lap: LapTime | None) -> dict[str, Any]:
    if lap is None:  # TMRL's task believes a finish of which no edge was seen; or the race clock went back
        return {"lap_time_source": "none"}
    log.info("Lap finished in %.2f s (%s, ±%.2f s).", lap.time_s, lap.source, lap.uncertainty_s)
    return {
        contract.LAP_TIME_S: rounded_s(lap.time_s),
        "lap_time_source": lap.source,
        "lap_time_uncertainty_s": rounded_s(lap.uncertainty_s),
    }
