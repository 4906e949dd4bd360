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
OFF_TRACK_M = 25.0  # from the trajectory, where the road's edges are not known …
BESIDE_M = 8.0  # … and beyond them where they are


@dataclass(frozen=True, kw_only=True)
class ProgressRewardSettings:
    """What is paid, and when an episode ends.

    Attributes:
        per_metre: of progress along the trajectory; what is lost by going back costs as much.
        time_cost_per_s: always.
        finish_bonus: once, at a true finish.
        penalty: at any other end that the car has caused.
        max_speed_mps: the farthest that a car gets in a second; in the time since it last had a place, it is looked for
            so far ahead of it and behind.
        slack_m: that positions may be off.
        back_m: how far behind its last place the car is looked for at least.
        off_track_m: from the trajectory, beyond which the car is off the track. None: half of the road and 8 m more
            where its edges are known, else 25 m.
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
    max_speed_mps: float = 120.0
    slack_m: float = 3.0
    back_m: float = 10.0
    off_track_m: float | None = None
    off_track_steps: int = 5
    stuck_m: float = 2.0
    stuck_s: float = 4.0
    grace_s: float = 3.5
    wrong_way_m: float = 30.0
    finish_share: float = 0.95
    finish_driven_m: float = 100.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("per_metre", "time_cost_per_s", "max_speed_mps", "stuck_m", "stuck_s"):
            check_range(name, getattr(self, name), 1e-9)
        if self.off_track_m is not None:
            check_range("off_track_m", self.off_track_m, 1e-9)
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
        half_width_m: of the road, if that is known.

    Attributes:
        off_track_m: from the trajectory, beyond which the car is off the track.
        s_m: arc length of the car's place.
        best_m: the farthest of the episode.
        distance_m: of the car from its place.
        is_off_track: whether it is farther than `off_track_m` from it.
    """

    def __init__(
        self, route: Route, settings: ProgressRewardSettings | None = None, half_width_m: float | None = None
    ) -> None:
        self._route, self._settings = route, settings or ProgressRewardSettings()
        usual_m = OFF_TRACK_M if half_width_m is None else half_width_m + BESIDE_M
        self.off_track_m = usual_m if self._settings.off_track_m is None else self._settings.off_track_m
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
        self._begin(self._route.place(self._position, end_m=self.off_track_m))
        self._time_s = self._unpaid_s = self._unplaced_s = self._driven_m = 0.0
        self._steps_off = 0
        self._was_paid = self._has_jumped = False

    def _begin(self, place: Place) -> None:
        self.s_m = self.best_m = self._mark_m = place.s_m
        self.distance_m = place.distance_m
        self._mark_s = self._settings.grace_s
        self.is_off_track = place.distance_m > self.off_track_m

    def update(
        self, position_m: npt.ArrayLike, dt_s: float, *, is_new: bool = True, has_finished: bool = False
    ) -> Outcome:
        """Take the car's next position.

        Args:
            position_m: `(3,)`.
            dt_s: since the last call, above 0.
            is_new: whether it was told since then. Where it was not, the car has driven on unseen: the time counts with
                the next position, else that one would be a jump.
            has_finished: whether the race says so (`RaceWatch`): believed only near the end of the route.
        """
        settings = self._settings
        position = np.asarray(position_m, np.float64)
        self._unpaid_s += dt_s
        if not (math.isfinite(dt_s) and np.isfinite(position).all()):
            self._unpaid_s = self._unpaid_s if math.isfinite(self._unpaid_s) else 0.0
            return Outcome(0.0, fault=f"Telemetry told a position {position.tolist()} after {dt_s} s.")
        if not is_new:
            return self._outcome(0.0, 0.0, FINISH if self._is_finish(has_finished) else None)
        passed_s, self._unpaid_s = self._unpaid_s, 0.0
        self._time_s += passed_s
        self._unplaced_s += passed_s
        reach = settings.max_speed_mps * passed_s + settings.slack_m
        moved = float(np.linalg.norm(position - self._position))
        self._position = position
        fault = None
        if moved <= reach:
            self._driven_m += moved
        else:
            fault = f"The car jumped {moved:.1f} m in {passed_s:.2f} s, farther than it can drive ({reach:.1f} m)."
            self._has_jumped = True
        if self._has_jumped:
            self._unplaced_s = passed_s  # else the window would grow until it reaches where the car landed
        gained = self._move(position, is_jump=fault is not None)
        return self._outcome(gained, passed_s, self._end(has_finished), fault)

    def _outcome(self, gained: float, passed_s: float, cause: str | None, fault: str | None = None) -> Outcome:
        settings = self._settings
        terms = {"progress": settings.per_metre * gained, "time": -settings.time_cost_per_s * passed_s}
        if cause == FINISH:
            terms["finish"] = settings.finish_bonus
            self._was_paid = True
        elif cause is not None:
            terms["penalty"] = -settings.penalty
        return Outcome(sum(terms.values()), cause, fault, terms)

    def _move(self, position: npt.NDArray[np.float64], *, is_jump: bool) -> float:
        """Move the car's place, if it may be there; return the metres to be paid."""
        settings = self._settings
        reach = settings.max_speed_mps * self._unplaced_s + settings.slack_m
        place = self._route.place(position, self.s_m - max(settings.back_m, reach), self.s_m + reach)
        self.distance_m = place.distance_m
        self.is_off_track = place.distance_m > self.off_track_m
        self._steps_off = self._steps_off + 1 if self.is_off_track else 0
        if is_jump or self.is_off_track or not place.is_inside:
            return 0.0
        self._has_jumped, self._unplaced_s = False, 0.0
        before = self.s_m
        self.s_m = place.s_m
        self.best_m = max(self.best_m, self.s_m)
        return self.s_m - before

    def _is_finish(self, has_finished: bool) -> bool:
        settings = self._settings
        is_there = self.progress >= settings.finish_share and self._driven_m >= settings.finish_driven_m
        return has_finished and is_there and not self._was_paid

    def _end(self, has_finished: bool) -> str | None:
        settings = self._settings
        if self._is_finish(has_finished):
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
