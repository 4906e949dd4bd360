"""Keep the line of one drive, from where a race begins to its finish; what is driven in parts is no line."""

import logging
import threading

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError
from envs.track.frames import FloatArray
from envs.trackmania.layouts import FINISHED, SPEED_MPS
from envs.trackmania.records import Record
from envs.trackmania.starts import REST_MPS, has_jumped
from envs.trackmania.trajectory import Trajectory, resampled

LEAST_M = 10.0  # of a drive
STANDS_S = 0.5  # after a restart, at least; the countdown lasts longer
_ON_LINE_M, _AT_START_M = 3.0, 10.0
_CHORD_M, _LEAST_CHORD_M, _BACK_COS = 1.0, 0.3, -0.5

log = logging.getLogger(__name__)


class DriveRecorder:
    """Listen to records and keep the positions of one drive.

    A drive begins where the race's clock does. Where the layout tells none: where the car jumps to and stands for a
    while, unless that is on the line that it has driven (a respawn); or where it stands at the first record. Positions
    count while the sign of the finish is down, so a sign that is left from the race before begins nothing. Any later
    jump begins anew.

    Attributes:
        is_complete: set at the finish.
    """

    def __init__(self) -> None:
        self._points: list[FloatArray] = []
        self._last: Record | None = None
        self._has_begun = False
        self._stands_until_s: float | None = None  # of a car that may be at the start; None: it is not there
        self.is_complete = threading.Event()

    def see(self, record: Record) -> None:
        """Take notice of the next record."""
        if self.is_complete.is_set():
            return
        last, self._last = self._last, record
        if record.race_time_s is None:
            self._follow_jumps(last, record)
        else:
            self._follow_clock(last, record, record.race_time_s)
        if not self._has_begun:
            return
        if record[FINISHED] == 0.0:
            self._points.append(record.position_m)
        elif self._points:
            self._finish(record)

    def trajectory(self, map_uid: str, source: str) -> Trajectory:
        """Return the drive.

        Raises:
            ConfigError: it is too short, or runs back.
        """
        points = np.array(self._points)
        check_forward(points)
        return Trajectory(resampled(points), map_uid, source)

    def _follow_clock(self, last: Record | None, record: Record, clock_s: float) -> None:
        before_s = None if last is None else last.race_time_s
        if clock_s <= 0.0 or (before_s is not None and clock_s < before_s):
            self._begin()
        elif self._has_begun and last is not None and has_jumped(last, record):
            self._stop()

    def _follow_jumps(self, last: Record | None, record: Record) -> None:
        rests = abs(record[SPEED_MPS]) < REST_MPS
        if last is None:
            self._stands_until_s = record.received_s if rests else None
        elif has_jumped(last, record):
            self._stop()
            self._stands_until_s = None if self._is_respawn(record) else record.received_s + STANDS_S
        if self._stands_until_s is None or self._has_begun:
            return
        if not rests:
            self._stands_until_s = None
        elif record[FINISHED] == 0.0 and record.received_s >= self._stands_until_s:
            self._begin()

    def _begin(self) -> None:
        if self._has_begun and self._length_m() > LEAST_M:
            log.warning("The race was restarted: the line begins anew.")
        self._points, self._has_begun = [], True

    def _stop(self) -> None:
        """Wait for the next start; the line so far tells a respawn from it."""
        if self._has_begun and self._points:
            log.warning("The car jumped after %.0f m: restart the race, the line begins anew there.", self._length_m())
        self._has_begun = False

    def _is_respawn(self, record: Record) -> bool:
        if not self._points or np.linalg.norm(record.position_m - self._points[0]) <= _AT_START_M:
            return False
        distances = np.linalg.norm(np.array(self._points) - record.position_m, axis=1)
        return float(distances.min()) <= _ON_LINE_M

    def _finish(self, record: Record) -> None:
        if self._length_m() >= LEAST_M:
            self._points.append(record.position_m)
            self.is_complete.set()
        else:
            self._points, self._has_begun = [], False

    def _length_m(self) -> float:
        if len(self._points) < 2:
            return 0.0
        return float(np.linalg.norm(np.diff(np.array(self._points), axis=0), axis=1).sum())


def check_forward(points: npt.ArrayLike) -> None:
    """Refuse a drive `(N, 3)` that turns round within a metre.

    Raises:
        ConfigError: says where.
    """
    line = resampled(points, _CHORD_M)
    chords = np.diff(line, axis=0)
    lengths = np.linalg.norm(chords, axis=1)
    kept = np.flatnonzero(lengths > _LEAST_CHORD_M)
    ways = chords[kept] / lengths[kept, np.newaxis]
    back = np.flatnonzero((ways[1:] * ways[:-1]).sum(axis=1) < _BACK_COS)
    if back.size:
        place = ", ".join(f"{value:.0f}" for value in line[kept[back[0] + 1]])
        raise ConfigError(
            f"The line runs back at ({place}), after {_CHORD_M * float(kept[back[0] + 1]):.0f} m: the reward needs one "
            "that only goes forward. Record again, and drive from the start to the finish without reversing."
        )
