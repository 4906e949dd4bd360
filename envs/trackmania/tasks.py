"""What is to be done on a trajectory: TMRL's task as it is, or ours; both tell rewards, ends and progress alike."""

import math
from abc import ABC, abstractmethod

from envs.trackmania.layouts import FINISHED
from envs.trackmania.race import RaceWatch
from envs.trackmania.records import Record
from envs.trackmania.reward_progress import FINISH, STUCK, Outcome, ProgressReward, ProgressRewardSettings
from envs.trackmania.reward_tmrl import TmrlReward, TmrlRewardSettings
from envs.trackmania.route import Route
from envs.trackmania.trajectory import SPACING_M, Trajectory

TMRL, PROGRESS = "tmrl", "progress"
REWARDS = (TMRL, PROGRESS)


class Task(ABC):
    """Follows one car from record to record.

    Attributes:
        progress: 0 … 1 of the trajectory.
        progress_m: metres of it that lie behind.
        is_off_track: whether the car is off the track, as far as the task knows.
    """

    progress: float
    progress_m: float
    is_off_track: bool

    @abstractmethod
    def reset(self, record: Record) -> None:
        """Begin an episode."""

    @abstractmethod
    def step(self, record: Record, dt_s: float, watch: RaceWatch) -> Outcome:
        """Take the newest record, `dt_s` after the last one."""


class TmrlTask(Task):
    """TMRL's: whatever the screen says is a finish.

    Args:
        trajectory: to drive along.
        settings: of the reward.
    """

    is_off_track = False

    def __init__(self, trajectory: Trajectory, settings: TmrlRewardSettings | None = None) -> None:
        self._reward = TmrlReward(trajectory.points, settings)

    @property
    def progress(self) -> float:  # type: ignore[override]
        """Index by number of points."""
        return self._reward.progress

    @property
    def progress_m(self) -> float:  # type: ignore[override]
        """Of the points that lie behind."""
        return self._reward.index * SPACING_M

    def reset(self, record: Record) -> None:
        """Begin at the trajectory's first point, wherever the car is."""
        self._reward.reset()

    def step(self, record: Record, dt_s: float, watch: RaceWatch) -> Outcome:
        """Take the newest record."""
        is_finished = record[FINISHED] != 0.0
        reward, terminated = self._reward.compute(record.position_m, is_finished=is_finished)
        cause = (FINISH if is_finished else STUCK) if terminated else None
        return Outcome(reward, cause)


class ProgressTask(Task):
    """Ours: a finish is believed at the end of a race that was driven.

    Args:
        trajectory: to drive along.
        settings: of the reward.
        half_width_m: of the road, if that is known.
    """

    def __init__(
        self,
        trajectory: Trajectory,
        settings: ProgressRewardSettings | None = None,
        half_width_m: float | None = None,
    ) -> None:
        self._reward = ProgressReward(Route(trajectory.points), settings, half_width_m)
        self._received_s = -math.inf  # when the record came that was taken last

    @property
    def progress(self) -> float:  # type: ignore[override]
        """Share of the trajectory's length."""
        return self._reward.progress

    @property
    def progress_m(self) -> float:  # type: ignore[override]
        """Arc length of the car's place."""
        return self._reward.s_m

    @property
    def is_off_track(self) -> bool:  # type: ignore[override]
        """Whether the car is farther from the trajectory than the reward allows."""
        return self._reward.is_off_track

    def reset(self, record: Record) -> None:
        """Begin where the car is."""
        self._reward.reset(record.position_m)
        self._received_s = record.received_s

    def step(self, record: Record, dt_s: float, watch: RaceWatch) -> Outcome:
        """Take the newest record, which may be the one that was taken before: in hitches of the game or of the link."""
        is_new = record.received_s != self._received_s
        self._received_s = record.received_s
        return self._reward.update(record.position_m, dt_s, is_new=is_new, has_finished=watch.has_finished)
