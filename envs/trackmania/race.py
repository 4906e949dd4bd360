"""What a race is told by its records: whether the finish is true, and how long the lap took."""

from dataclasses import dataclass

from envs.arguments import check_range
from envs.trackmania.layouts import FINISHED
from envs.trackmania.records import Record

RACE_CLOCK, RECEIVE_CLOCK = "race_clock", "receive_clock"
COUNTDOWN_S, COUNTDOWN_JITTER_S = 1.5, 0.1  # not measured in the game yet: the doctor does it
RACE_CLOCK_TICK_S = 0.01
RESTARTED_S = 1.0  # after a restart, within which records of the race before may still come


@dataclass(frozen=True)
class LapTime:
    """How long a lap took.

    Attributes:
        time_s: seconds.
        source: `race_clock`, the game's own, or `receive_clock`, this machine's between countdown and finish.
        uncertainty_s: that belongs to the source.
    """

    time_s: float
    source: str
    uncertainty_s: float


class RaceWatch:
    """Listen to every record of a race.

    The finish in records is a sign on the screen: it stays up until the race begins anew, and a while longer. So only
    its rising edge counts, in a race that has lasted some frames.

    Args:
        least_frames: records since the restart before which no finish is believed.
        countdown_s: from the restart until the car may move.

    A race clock that goes back, other than by the restart, tells another race than the one that is watched: then no
    clock knows how long this one took.

    Attributes:
        frames: records since the restart.
        has_finished: whether the sign rose in this race, after `least_frames`.
        clock_fault: that the race clock went back, a sentence; None if it did not.
    """

    def __init__(self, *, least_frames: int = 50, countdown_s: float = COUNTDOWN_S) -> None:
        check_range("least_frames", least_frames, 1)
        check_range("countdown_s", countdown_s, 0.0)
        self._least_frames, self.countdown_s = least_frames, countdown_s
        self.restart(0.0)

    def restart(self, now_s: float) -> None:
        """Begin anew: the race restarts now."""
        self._began_s = now_s
        self.frames = 0
        self.has_finished = False
        self.clock_fault: str | None = None
        self._was_down = False  # the sign, since the restart
        self._last: Record | None = None
        self._lap_time: LapTime | None = None

    def see(self, record: Record) -> None:
        """Take notice of the next record."""
        self.frames += 1
        self._check_clock(record)
        if record[FINISHED] == 0.0:
            self._was_down = True
        elif self._was_down and not self.has_finished:
            self._was_down = False
            if self.frames > self._least_frames:
                self.has_finished = True
                self._lap_time = None if self.clock_fault else self._timed(record)
        self._last = record

    @property
    def lap_time(self) -> LapTime | None:
        """How long the race took; None before its finish, and if the race clock went back."""
        return self._lap_time

    def _check_clock(self, record: Record) -> None:
        before, clock = None if self._last is None else self._last.race_time_s, record.race_time_s
        if before is None or clock is None or clock >= before or self.has_finished:
            return
        if record.received_s - self._began_s > RESTARTED_S:
            self.clock_fault = (
                f"The race clock went back from {before:.2f} s to {clock:.2f} s without a restart of this env, so this "
                "race has no lap time."
            )

    def _timed(self, record: Record) -> LapTime:
        clock = record.race_time_s
        if clock is not None and clock > 0.0:
            return LapTime(clock, RACE_CLOCK, RACE_CLOCK_TICK_S)
        frame_s = record.received_s - self._last.received_s if self._last is not None else 0.0
        time_s = record.received_s - self._began_s - self.countdown_s
        return LapTime(time_s, RECEIVE_CLOCK, frame_s + COUNTDOWN_JITTER_S)
