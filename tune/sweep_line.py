"""The live line of a sweep: how many trials are where, the best so far, and how fast all of them are together."""

from collections.abc import Iterable, Mapping
from typing import Any

from experiments import metrics
from experiments.progress import LiveLine, duration, short
from tune.records import FAILED, FINISHED, RUNNING, STOPPED, TrialRecord, TrialRecords, short_value


class SweepLine(LiveLine):
    """Shows all trials in one line.

    Args:
        stream: Where to write.
        records: Of the trials.
        num_total: How many there will be.
        mode: Whether `max` or `min` of the objective is the best.
        **options: As of any `LiveLine`.
    """

    def __init__(self, stream: Any, records: TrialRecords, num_total: int, mode: str, **options: Any) -> None:
        super().__init__(stream, **options)
        self._records, self._num_total, self._mode = records, num_total, mode
        self._speeds: dict[str, float] = {}

    def update_trial(self, name: str, row: Mapping[str, float]) -> None:
        """Show what a trial reported."""
        self._speeds[name] = row.get(metrics.FRAMES_PER_S, 0.0)
        running = {record.name for record in self._records.in_state(RUNNING)}
        self._speeds = {one: speed for one, speed in self._speeds.items() if one in running}
        self.update({})

    def _parts(self) -> list[tuple[int, str]]:
        by_state = {state: len(self._records.in_state(state)) for state in (RUNNING, FINISHED, STOPPED, FAILED)}
        done = by_state[FINISHED] + by_state[STOPPED] + by_state[FAILED]
        of_these = [
            f"{by_state[state]} {word}" for state, word in ((STOPPED, "early"), (FAILED, "failed")) if by_state[state]
        ]
        parts = [
            (0, f"{duration(self._seen.get(metrics.WALL_S, 0.0)):>7}"),
            (
                1,
                " ".join(
                    [f"{done}/{self._num_total} trials done", *([f"({', '.join(of_these)})"] if of_these else [])]
                ),
            ),
            (3, f"{by_state[RUNNING]} running"),
            (4, f"{short(sum(self._speeds.values())):>5} frames/s"),
        ]
        best = best_record(self._records, self._mode)
        if best is not None:
            parts.append((2, f"best {short_value(best.first_objective or 0.0)} ({best.name} at {short(best.frames)})"))
        return parts


def best_record(records: Iterable[TrialRecord], mode: str) -> TrialRecord | None:
    """Return the record with the best objective so far, or None; of several objectives the first counts."""
    known = [record for record in records if record.first_objective is not None and record.state != FAILED]
    if not known:
        return None
    return (max if mode == "max" else min)(known, key=lambda record: record.first_objective or 0.0)
