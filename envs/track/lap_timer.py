"""Lap and sector times from places along the line, interpolated between two samples."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from envs.arguments import check_range
from envs.errors import ConfigError


@dataclass(frozen=True)
class Lap:
    """A lap from line to line.

    Attributes:
        begin_s: when the line was crossed, on the game's clock; of a standing start, when the clock was started.
        end_s: when it was crossed again.
        sectors_s: how long each sector took; together the lap's time. A line is counted when it is reached first.
    """

    begin_s: float
    end_s: float
    sectors_s: tuple[float, ...]

    @property
    def time_s(self) -> float:
        """How long the lap took."""
        return self.end_s - self.begin_s


class LapTimer:
    """Time one car's laps.

    A lap begins when the start line is crossed forwards, or at `reset` with a standing start, and ends at the next
    forward crossing after a whole lap. It does not count if the car crosses the start line backwards or moves farther
    than it can in between: then timing begins anew at the next forward crossing. On an open line there is one lap,
    from `reset` to the finish.

    Args:
        length_m: of the lap; on an open line, where the finish is (before the line's end, so that it is crossed).
        sectors_m: arc lengths of the lines between sectors, increasing.
        closed: whether it is a circuit, whose start line is at arc length 0.
        max_step_m: the farthest that a car may move between two samples; more is a teleport.

    Raises:
        ConfigError: a length is out of range.
    """

    def __init__(
        self, length_m: float, *, sectors_m: Sequence[float] = (), closed: bool = True, max_step_m: float
    ) -> None:
        check_range("length_m", length_m, 1e-6)
        check_range("max_step_m", max_step_m, 1e-6, 0.49 * length_m if closed else float("inf"))
        lines = (0.0, *sectors_m, length_m)
        if any(line >= following for line, following in pairwise(lines)):
            raise ConfigError(f"Expected sectors_m to increase between 0 and {length_m}, got {list(sectors_m)}.")
        self._length, self._is_closed, self._max_step = length_m, closed, max_step_m
        self._lines = lines[1:]
        self.reset(0.0, 0.0)

    @property
    def begin_s(self) -> float | None:
        """When the lap that is being timed began; None if none is."""
        return self._times[0] if self._times else None

    def reset(self, time_s: float, s_m: float, *, standing_start: bool = False) -> None:
        """Begin anew with a car at this arc length; with a standing start its first lap begins now.

        That lap may begin behind the line, on a grid, or roll across it and back before it has gone `max_step_m`.
        """
        self._time, self._s = time_s, s_m
        is_behind = self._is_closed and s_m > 0.5 * self._length
        self._travelled = s_m - self._length if is_behind else s_m  # from the start line
        self._times: list[float] = [time_s] if standing_start else []  # of the lap's begin, and of its lines since
        self._is_standing_start = standing_start

    def update(self, time_s: float, s_m: float) -> Lap | None:
        """Take a sample of the game's clock and the car's arc length; return the lap that it completed.

        An arc length that is not finite is no sample: the next one is compared with the last.

        Raises:
            ValueError: the clock went back: the game began anew, and so must the timer.
        """
        if time_s < self._time:
            raise ValueError(f"Expected a clock that goes on from {self._time} s, got {time_s} s. Call reset() first.")
        if not math.isfinite(s_m):
            return None
        step = s_m - self._s
        if self._is_closed:
            step -= self._length * round(step / self._length)
        sample = _Step(self._time, time_s, self._travelled, self._travelled + step)
        self._time, self._s = time_s, s_m
        if abs(step) > self._max_step:
            self._travelled, self._times, self._is_standing_start = s_m, [], False
            return None
        self._travelled = sample.after
        self._is_standing_start = self._is_standing_start and sample.after < self._max_step
        if self._is_closed and not self._is_standing_start:
            if sample.crosses(0.0):
                self._times = [sample.time_at(0.0)]
            elif sample.after < 0.0 <= sample.before:
                self._times = []
        return self._reach_lines(sample)

    def _reach_lines(self, sample: "_Step") -> Lap | None:
        """Note the lines that were reached first in this step; the last of them ends the lap."""
        while (
            self._times and len(self._times) <= len(self._lines) and sample.crosses(self._lines[len(self._times) - 1])
        ):
            self._times.append(sample.time_at(self._lines[len(self._times) - 1]))
        lap = None
        if len(self._times) > len(self._lines):
            sectors = tuple(end - begin for begin, end in pairwise(self._times))
            lap = Lap(self._times[0], self._times[-1], sectors)
            self._times = []
        if self._is_closed and sample.after >= self._length:
            self._travelled -= self._length
            self._times = [sample.time_at(self._length)]
        elif self._is_closed and sample.after < -self._length:  # a whole lap backwards
            self._travelled += self._length
        return lap


@dataclass(frozen=True)
class _Step:
    """A car's way between two samples, in metres from the start line."""

    since_s: float
    until_s: float
    before: float
    after: float

    def crosses(self, line: float) -> bool:
        return self.before < line <= self.after

    def time_at(self, line: float) -> float:
        return self.since_s + (line - self.before) / (self.after - self.before) * (self.until_s - self.since_s)
