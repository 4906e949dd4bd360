"""The rules of a race: countdown, checkpoints in order, finish, and its clock. Times are whole microseconds."""

from envs.track.projection import NO_HINT
from envs.trackmania.twin.road import Road

SECOND_US = 1_000_000
_FARTHEST_M = 5.0  # along the line in one update, or a gate was not driven through


class Race:
    """One car's attempt.

    Args:
        road: with its gates.
        countdown_us: from a restart until the clock is at 0.

    Attributes:
        start_us: when the clock is at 0.
        finish_us: when the gate was passed, between two updates; None before.
        clock_us: on which the finish was seen: the clock stands from then on.
        checkpoints: passed.
        s_m: the car's place along the road.
        is_on_road: whether it is between the edges.
    """

    def __init__(self, road: Road, countdown_us: int) -> None:
        self._road, self._countdown = road, countdown_us
        self.restart(0, 1)

    def restart(self, time_us: int, tick_us: int) -> None:
        """Begin anew; the clock starts on a tick."""
        self.start_us = -(-(time_us + self._countdown) // tick_us) * tick_us
        self.finish_us: int | None = None
        self.clock_us: int | None = None
        self.checkpoints = 0
        self.s_m, self._hint, self.is_on_road = 0.0, NO_HINT, True

    @property
    def is_finished(self) -> bool:
        """Whether the gate was passed after all checkpoints."""
        return self.clock_us is not None

    @property
    def lap_time_s(self) -> float | None:
        """From the start to the gate, between two updates; None before."""
        return None if self.finish_us is None else (self.finish_us - self.start_us) / SECOND_US

    def race_time_s(self, time_us: int) -> float:
        """Return the race clock: negative in the countdown, standing after the finish."""
        return ((time_us if self.clock_us is None else self.clock_us) - self.start_us) / SECOND_US

    def follow(self, x_m: float, y_m: float, time_us: int, tick_us: int) -> None:
        """See where the car is now, one tick after the last time."""
        road = self._road
        place = road.centre.project(x_m, y_m, hint=self._hint)
        before, self.s_m, self._hint = self.s_m, place.s_m, place.segment
        self.is_on_road = place.distance_m <= road.half_width_m
        if self.is_finished or not self.is_on_road or not 0.0 <= place.s_m - before <= _FARTHEST_M:
            return
        if self.checkpoints < len(road.checkpoints_m):
            self.checkpoints += before < road.checkpoints_m[self.checkpoints] <= place.s_m
        elif before < road.gate_m <= place.s_m:
            share = (road.gate_m - before) / (place.s_m - before)
            self.finish_us = time_us - round((1.0 - share) * tick_us)
            self.clock_us = time_us

    def pause(self, duration_us: int) -> None:
        """Let the clock stand for a while."""
        if not self.is_finished:
            self.start_us += duration_us

    def moved(self) -> None:
        """Forget where the car was: it was put somewhere else."""
        self._hint = NO_HINT
