"""How one car gets on along its track: metres earned, metres back from where it once was, laps."""

from envs.assetto_corsa.logs.lap_timer import SplineLapTimer, TimedLap
from envs.assetto_corsa.state_keys import State
from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.track.progress import Progress
from envs.track.projection import NO_HINT, Projection

_FASTEST_MPS, _SLACK_M = 120.0, 3.0  # what a car may move between two states
_FARTHEST_M = 60.0  # from the line, where its place along it still means something


class Course:
    """Follow one car along the closed racing line.

    Args:
        track: whose line it is.

    Attributes:
        gained_m: by which the last state was farther than ever before in the episode.
        lap: that the last state completed; None if none.
    """

    def __init__(self, track: AcTrack) -> None:
        self._line = track.closed_line
        length = self._line.length_m
        self._progress = Progress(length, max_step_m=min(_FASTEST_MPS, 0.45 * length), max_offset_m=_FARTHEST_M)
        self._timer = SplineLapTimer(length)
        self._time_s = self._best_m = self.gained_m = 0.0
        self._hint = NO_HINT
        self.lap: TimedLap | None = None

    @property
    def behind_best_m(self) -> float:
        """How far the car is behind the farthest place of the episode."""
        return self._best_m - self._progress.travelled_m

    @property
    def laps(self) -> list[TimedLap]:
        """All that were completed in the episode."""
        return self._timer.laps

    @property
    def lap_share(self) -> float:
        """How much of the line lies between its start and the car, 0 … 1."""
        return self._progress.s_m / self._line.length_m

    def reset(self, state: State) -> None:
        """Begin an episode with this state."""
        self._hint = NO_HINT
        self._progress.reset(self._project(state).s_m)
        self._timer.reset()
        self._timer.update(state)
        self._time_s = state["timestamp_ac"]
        self._best_m = self.gained_m = 0.0
        self.lap = None

    def update(self, state: State, *, is_off_track: bool) -> None:
        """Take the next state."""
        now = state["timestamp_ac"]
        passed_s, self._time_s = max(now - self._time_s, 0.0), now
        self.gained_m = self._progress.update(self._project(state), max_step_m=_FASTEST_MPS * passed_s + _SLACK_M)
        self._best_m = max(self._best_m, self._progress.travelled_m)
        self.lap = self._timer.update(state, is_off_track=is_off_track)

    def _project(self, state: State) -> Projection:
        projection = self._line.project(state["world_position_x"], state["world_position_y"], hint=self._hint)
        self._hint = projection.segment
        return projection
