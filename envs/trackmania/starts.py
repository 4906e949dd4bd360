"""When does a race begin that a person starts? What telemetry shows of a restart that nobody here has pressed."""

import numpy as np
import numpy.typing as npt

from envs.errors import SimulatorUnavailable
from envs.trackmania.layouts import FINISHED, SPEED_MPS
from envs.trackmania.real_time import GameTime
from envs.trackmania.records import Record

NEAR_M = 20.0  # of a trajectory's first point, where cars start
REST_MPS = 1.0
DEADLINE_S = 120.0  # for a person to restart
_LOOK_S = 0.01
_SLACK_M, _SLACK = 2.0, 1.5  # by which a way may be longer than speed and time tell, before it is a jump
_SHORTEST_S, _LONGEST_S = 0.04, 0.25  # between two records: several may come at once, and a pause is no drive


class RestartedRace(SimulatorUnavailable):
    """The driver has begun the race anew while an episode was running."""


def has_jumped(before: Record, now: Record) -> bool:
    """Whether a car cannot have driven from one record to the next, as far as its speed tells."""
    moved = float(np.linalg.norm(now.position_m - before.position_m))
    passed_s = min(max(now.received_s - before.received_s, _SHORTEST_S), _LONGEST_S)
    fastest = max(abs(before[SPEED_MPS]), abs(now[SPEED_MPS]))
    return moved > _SLACK_M + _SLACK * fastest * passed_s


class StartWatch:
    """Listen to every record, and notice when the car is put to the start.

    A race begins where the car jumps to the start, or the finish's sign falls there, and it stands; the first record of
    all counts as a jump.

    Args:
        start_m: `(3,)` of the trajectory's first point.

    Attributes:
        starts: how many were seen.
        began_s: when the last one was, on the reader's clock.
        is_there: whether the car has not left the start since.
    """

    def __init__(self, start_m: npt.ArrayLike) -> None:
        self._start = np.array(start_m, np.float64)
        self.starts, self.began_s, self.is_there = 0, 0.0, False
        self._last: Record | None = None
        self._arrived_s: float | None = None  # a start whose sign is still up, or whose car still rolls

    def see(self, record: Record) -> None:
        """Take notice of the next record."""
        last, self._last = self._last, record
        if float(np.linalg.norm(record.position_m - self._start)) > NEAR_M:
            self._arrived_s, self.is_there = None, False
            return
        has_fallen = last is not None and last[FINISHED] != 0.0 and record[FINISHED] == 0.0
        if last is None or has_jumped(last, record) or (has_fallen and self._arrived_s is None):
            self._arrived_s = record.received_s
        if self._arrived_s is not None and record[FINISHED] == 0.0 and abs(record[SPEED_MPS]) < REST_MPS:
            self.began_s, self._arrived_s = self._arrived_s, None
            self.is_there = True
            self.starts += 1

    def wait(self, time: GameTime, deadline_s: float = DEADLINE_S) -> None:
        """Return when the car is at the start.

        Raises:
            SimulatorUnavailable: nobody has put it there in time.
        """
        ends_s = time.now() + deadline_s
        while not self.is_there:
            if time.now() >= ends_s:
                start = ", ".join(f"{value:.0f}" for value in self._start)
                raise SimulatorUnavailable(
                    f"Expected the driver (env.controls=none) to restart the race within {deadline_s:g} s: no car was "
                    f"put to the trajectory's start at ({start}) with the finish's sign down. Does env.trajectory "
                    "belong to this map?"
                )
            time.sleep(_LOOK_S)

    def check(self, starts: int) -> None:
        """Refuse to go on with an episode that began at another start.

        Raises:
            RestartedRace: there was one since.
        """
        if self.starts != starts:
            raise RestartedRace("The driver has restarted the race: this episode ends, and the next one begins there.")
