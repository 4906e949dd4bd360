"""`reward=progress`: metres along the trajectory, less time; nothing is earned twice, and faster is always better."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from envs.arguments import check_range
from envs.trackmania.route import Place, Route

FINISH, STUCK, OFF_TRACK, WRONG_WAY = "finish", "stuck", "off_track", "wrong_way"
TIME_LIMIT, LINK_LOST = "time_limit", "link_lost"


@dataclass(frozen=True, kw_only=True)
class ProgressRewardSettings:
    """What is paid, and when an episode ends.

    Attributes:
        per_metre: of progress along the trajectory; what is lost by going back costs as much.
        time_cost_per_s: always.
        finish_bonus: once, at a true finish.
        penalty: at any other end that the car has caused.
        best_only: pay only what is farther than ever before; observations then need `behind_best_m`.
        max_speed_mps: the farthest that a car gets in a second.
        slack_m: that positions may be off.
        back_m: how far behind its last place the car is looked for.
        off_track_m: from the trajectory, beyond which the car is off the track.
        off_track_steps: in a row, that end the episode.
        stuck_m: progress that must be made …
        stuck_s: … in this time …
        grace_s: … after this one.
        wrong_way_m: behind the farthest place reached, that end the episode.
        finish_share: of the trajectory that must lie behind at a true finish.
        finish_driven_m: that must have been driven before it.
    """

    per_metre: float = 0.1
    time_cost_per_s: float = 0.5
    finish_bonus: float = 100.0
    penalty: float = 10.0
    best_only: bool = False
    max_speed_mps: float = 120.0
    slack_m: float = 3.0
    back_m: float = 10.0
    off_track_m: float = 25.0
    off_track_steps: int = 5
    stuck_m: float = 2.0
    stuck_s: float = 4.0
    grace_s: float = 3.5
    wrong_way_m: float = 30.0
    finish_share: float = 0.95
    finish_driven_m: float = 100.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("per_metre", "time_cost_per_s", "max_speed_mps", "off_track_m", "stuck_m", "stuck_s"):
            check_range(name, getattr(self, name), 1e-9)
        for name in ("finish_bonus", "penalty", "slack_m", "back_m", "grace_s", "wrong_way_m", "finish_driven_m"):
            check_range(name, getattr(self, name), 0.0)
        check_range("off_track_steps", self.off_track_steps, 1)
        check_range("finish_share", self.finish_share, 0.0, 1.0)


@dataclass(frozen=True)
class Outcome:
    """What a step earned.

    Attributes:
        reward: the sum of the terms.
        end_cause: `finish`, `stuck`, `off_track`, `wrong_way`, or None.
        fault: what telemetry told that cannot be, a sentence; None if nothing.
        terms: parts of the reward by name.
    """

    reward: float
    end_cause: str | None = None
    fault: str | None = None
    terms: Mapping[str, float] = field(default_factory=dict)


class ProgressReward:
    """Follow one car along a route.

    Its place moves only where the car could have driven to: a jump earns nothing, and neither does the way on from
    where it landed, until the car is back where it left.

    Args:
        route: of the trajectory.
        settings: see `ProgressRewardSettings`.

    Attributes:
        s_m: arc length of the car's place.
        best_m: the farthest of the episode.
        distance_m: of the car from its place.
        is_off_track: whether it is farther than `off_track_m` from it.
    """

    def __init__(self, route: Route, settings: ProgressRewardSettings | None = None) -> None:
        self._route, self._settings = route, settings or ProgressRewardSettings()
        self.reset(route.points[0])

    @property
    def progress(self) -> float:
        """Share of the route that lies behind, 0 … 1."""
        return self.s_m / self._route.length_m

    @property
    def behind_best_m(self) -> float:
        """How far the car is behind the farthest place of the episode."""
        return self.best_m - self.s_m

    def reset(self, position_m: npt.ArrayLike) -> None:
        """Begin an episode with the car here, near the route's begin."""
        self._position = np.array(position_m, np.float64)
        self._begin(self._route.place(self._position, end_m=self._settings.off_track_m))
        self._time_s = self._unpaid_s = self._driven_m = 0.0
        self._steps_off = 0
        self._was_paid = False

    def _begin(self, place: Place) -> None:
        self.s_m = self.best_m = self._mark_m = place.s_m
        self.distance_m = place.distance_m
        self._mark_s = self._settings.grace_s
        self.is_off_track = place.distance_m > self._settings.off_track_m

    def update(self, position_m: npt.ArrayLike, dt_s: float, *, has_finished: bool = False) -> Outcome:
        """Take the car's next position.

        Args:
            position_m: `(3,)`.
            dt_s: since the last one, above 0.
            has_finished: whether the race says so (`RaceWatch`): believed only near the end of the route.
        """
        settings = self._settings
        position = np.asarray(position_m, np.float64)
        self._unpaid_s += dt_s
        if not (math.isfinite(dt_s) and np.isfinite(position).all()):
            self._unpaid_s = self._unpaid_s if math.isfinite(self._unpaid_s) else 0.0
            return Outcome(0.0, fault=f"Telemetry told a position {position.tolist()} after {dt_s} s.")
        passed_s, self._unpaid_s = self._unpaid_s, 0.0
        self._time_s += passed_s
        reach = settings.max_speed_mps * passed_s + settings.slack_m
        moved = float(np.linalg.norm(position - self._position))
        self._position = position
        fault = None
        if moved > reach:
            fault = f"The car jumped {moved:.1f} m in {passed_s:.2f} s, farther than it can drive ({reach:.1f} m)."
        else:
            self._driven_m += moved
        gained = self._move(position, reach, is_jump=fault is not None)
        terms = {"progress": settings.per_metre * gained, "time": -settings.time_cost_per_s * passed_s}
        cause = self._end(has_finished)
        if cause == FINISH:
            terms["finish"] = settings.finish_bonus
            self._was_paid = True
        elif cause is not None:
            terms["penalty"] = -settings.penalty
        return Outcome(sum(terms.values()), cause, fault, terms)

    def _move(self, position: npt.NDArray[np.float64], reach: float, *, is_jump: bool) -> float:
        """Move the car's place, if it may be there; return the metres to be paid."""
        settings = self._settings
        place = self._route.place(position, self.s_m - settings.back_m, self.s_m + reach)
        self.distance_m = place.distance_m
        self.is_off_track = place.distance_m > settings.off_track_m
        self._steps_off = self._steps_off + 1 if self.is_off_track else 0
        if is_jump or self.is_off_track or not place.is_inside:
            return 0.0
        before, best_before = self.s_m, self.best_m
        self.s_m = place.s_m
        self.best_m = max(self.best_m, self.s_m)
        return self.best_m - best_before if settings.best_only else self.s_m - before

    def _end(self, has_finished: bool) -> str | None:
        settings = self._settings
        is_there = self.progress >= settings.finish_share and self._driven_m >= settings.finish_driven_m
        if has_finished and is_there and not self._was_paid:
            return FINISH
        if self._steps_off >= settings.off_track_steps:
            return OFF_TRACK
        if self.behind_best_m > settings.wrong_way_m:
            return WRONG_WAY
        if self.best_m - self._mark_m >= settings.stuck_m:
            self._mark_m, self._mark_s = self.best_m, max(self._time_s, settings.grace_s)
        if self._time_s - self._mark_s >= settings.stuck_s - 1e-9:
            return STUCK
        return None
