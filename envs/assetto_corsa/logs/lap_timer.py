"""Lap times of our own, from spline positions and the game's clock: they need no game that keeps its word."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envs.arguments import check_range
from envs.track.lap_timer import Lap, LapTimer

CONTROL_PERIOD_S = 0.04
_WHOLE = 0.9  # of a lap, that must have been driven forwards
_TELEPORT_SPEEDS, _TELEPORT_M = 3.0, 5.0  # a car moves less than so many times its speed, and so much, between samples
_TOLD_WITHIN_S = 1.0  # of a crossing, the game tells the lap's time
_NUM_SECTORS = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TimedLap:
    """A lap between two crossings of the line in one episode.

    Attributes:
        number: 0 for the first that was timed in the episode.
        begin_s: when it began, on the game's clock.
        sectors_s: how long each third of it took.
        is_valid: nothing was off track or invalidated in it.
    """

    number: int
    begin_s: float
    sectors_s: tuple[float, ...]
    is_valid: bool

    @property
    def time_s(self) -> float:
        """How long the lap took."""
        return math.fsum(self.sectors_s)

    @property
    def end_s(self) -> float:
        """When the line was crossed again."""
        return self.begin_s + self.time_s


class SplineLapTimer:
    """Time the laps of one car from its states.

    A lap begins at a forward crossing of the line and ends at the next, if at least nine tenths of it were driven
    forwards in between: where the position jumps ahead, as across an infield, only what a car can move in that time
    counts. A teleport, a crossing backwards or the game's clock going back end the lap without a time.

    Args:
        length_m: of a lap.
        control_period_s: by how much our time and the game's may differ before it is said.

    Attributes:
        laps: of this episode.
        disagreements_s: ours less the game's, where they differ by more than a control period.
    """

    def __init__(self, length_m: float, *, control_period_s: float = CONTROL_PERIOD_S) -> None:
        check_range("control_period_s", control_period_s, 1e-6)
        thirds = tuple(length_m * part / _NUM_SECTORS for part in range(1, _NUM_SECTORS))
        self._timer = LapTimer(length_m, sectors_m=thirds, max_step_m=0.49 * length_m)
        self._length, self._period_s = length_m, control_period_s
        self._driven, self._is_spoilt = 0.0, False  # share of the lap driven forwards; not valid any more
        self.reset()

    def reset(self) -> None:
        """Begin an episode."""
        self.laps: list[TimedLap] = []
        self.disagreements_s: list[float] = []
        self._last: Mapping[str, Any] | None = None
        self._begin_lap()
        self._told: tuple[float, float] | None = None  # the game's clock, and the lap time that it told then
        self._compared = 0

    def update(self, state: Mapping[str, Any], *, is_off_track: bool = False) -> TimedLap | None:
        """Take the next state; return the lap that it completed.

        Args:
            state: `timestamp_ac`, `NormalizedSplinePosition`, `world_position_x`, `world_position_y`, `speed`,
                `LapInvalidated` and `iLastTime` of it are looked at.
            is_off_track: the car is now.
        """
        now, place = float(state["timestamp_ac"]), float(state["NormalizedSplinePosition"]) * self._length
        last, self._last = self._last, state
        farthest = 0.0 if last is None else _farthest_m(last, state)
        if last is None or now < last["timestamp_ac"] or _moved_m(last, state) >= farthest:
            self._timer.reset(now, place % self._length)
            self._begin_lap(is_off_track or bool(state["LapInvalidated"]))
            return None
        step = (place - float(last["NormalizedSplinePosition"]) * self._length) / self._length
        self._driven += min(max(step - round(step), 0.0), farthest / self._length)
        began = self._timer.begin_s
        lap = self._take(self._timer.update(now, place % self._length))
        if self._timer.begin_s != began:
            self._begin_lap()
        self._is_spoilt = self._is_spoilt or is_off_track or bool(state["LapInvalidated"])
        self._compare(last, state)
        return lap

    def _begin_lap(self, is_spoilt: bool = False) -> None:
        self._driven, self._is_spoilt = 0.0, is_spoilt

    def _take(self, lap: Lap | None) -> TimedLap | None:
        """Keep a lap that was driven whole."""
        if lap is None or self._driven < _WHOLE:
            return None
        timed = TimedLap(len(self.laps), lap.begin_s, lap.sectors_s, not self._is_spoilt)
        self.laps.append(timed)
        return timed

    def _compare(self, last: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Compare the newest lap with what the game says of it, which may come a little earlier or later."""
        now = float(state["timestamp_ac"])
        if state["iLastTime"] != last["iLastTime"]:
            self._told = (now, state["iLastTime"] / 1000.0)
        if self._told is None or len(self.laps) == self._compared:
            return
        own = self.laps[-1]
        if abs(own.end_s - self._told[0]) <= _TOLD_WITHIN_S:
            difference = own.time_s - self._told[1]
            if abs(difference) > self._period_s:
                self.disagreements_s.append(difference)
                log.warning("Lap %d took %.3f s; the game says %.3f s.", own.number, own.time_s, self._told[1])
            self._compared, self._told = len(self.laps), None
        elif now - max(own.end_s, self._told[0]) > _TOLD_WITHIN_S:
            self._compared, self._told = len(self.laps), None


def _moved_m(before: Mapping[str, Any], after: Mapping[str, Any]) -> float:
    return math.hypot(*(after[key] - before[key] for key in ("world_position_x", "world_position_y")))


def _farthest_m(before: Mapping[str, Any], after: Mapping[str, Any]) -> float:
    """Return how far a car may move between two states; more is a teleport."""
    speed = max(float(before["speed"]), float(after["speed"]))
    return float(_TELEPORT_SPEEDS * speed * (after["timestamp_ac"] - before["timestamp_ac"]) + _TELEPORT_M)
