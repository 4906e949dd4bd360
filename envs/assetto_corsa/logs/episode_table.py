"""A table of episodes, one line each, under the original's names but without its off-by-one."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from envs.assetto_corsa.logs.lap_timer import TimedLap
from envs.assetto_corsa.whole_files import write_whole

_FIXED = (
    *("ep_count", "ep_steps", "total_steps", "packages_lost", "ep_reward", "speed_mean", "speed_max"),
    *("BestLap", "terminated", "ep_bestLapTime", "num_valid_laps"),
)
_LOCK_S = 10.0


@dataclass(frozen=True)
class EpisodeSummary:
    """One episode.

    Attributes:
        steps: without the reset.
        packages_lost: states that were sent and never came.
        reward: summed.
        speed_mean_mps: None of an episode without a step.
        speed_max_mps: likewise.
        best_lap_s: the game's, of the whole race since it was loaded; None: there is none.
        is_terminated: the task ended it.
        laps: of this episode, by our own timer, valid or not.
    """

    steps: int
    packages_lost: int
    reward: float
    speed_mean_mps: float | None
    speed_max_mps: float | None
    best_lap_s: float | None
    is_terminated: bool
    laps: tuple[TimedLap, ...]

    @property
    def episode_best_s(self) -> float | None:
        """The best valid lap of this episode."""
        return min((lap.time_s for lap in self.laps if lap.is_valid), default=None)


class EpisodeStatistics:
    """Sum an episode up while it is driven. An episode in which nothing came ends like any other."""

    def __init__(self) -> None:
        self._steps = self._lost = 0
        self._reward = self._speed_sum = 0.0
        self._speed_max: float | None = None
        self._last: Mapping[str, Any] | None = None

    def begin(self, state: Mapping[str, Any]) -> None:
        """Take the state that reset returned; states before it are no business of this episode."""
        self._last = state

    def step(self, state: Mapping[str, Any], reward: float, *, missing: int = 0) -> None:
        """Take the state that a step led to.

        Args:
            state: `steps`, `speed` and `BestLap` of it are looked at.
            reward: of the step.
            missing: states since the last step that were sent and never came.
        """
        self._lost += missing
        self._last = state
        self._steps += 1
        self._reward += reward
        speed = float(state["speed"])
        self._speed_sum += speed
        self._speed_max = speed if self._speed_max is None else max(self._speed_max, speed)

    def end(self, *, is_terminated: bool, laps: Sequence[TimedLap] = ()) -> EpisodeSummary:
        """Return the episode."""
        best_ms = self._last["BestLap"] if self._last is not None else 0
        return EpisodeSummary(
            steps=self._steps,
            packages_lost=self._lost,
            reward=self._reward,
            speed_mean_mps=self._speed_sum / self._steps if self._steps else None,
            speed_max_mps=self._speed_max,
            best_lap_s=best_ms / 1000.0 if best_ms > 0 else None,
            is_terminated=is_terminated,
            laps=tuple(laps),
        )


class EpisodeTable:
    """Keep `episodes_stats.csv`; a table that is already there is continued, and several envs may share one.

    `LapNo_i` is the i-th lap that was begun and completed in the episode, valid or not; `ep_bestLapTime` the best valid
    one of them, `BestLap` the game's of the whole race, seconds. What does not exist is left empty.

    Args:
        path: of the CSV, in a folder that exists.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._lock = FileLock(self._path.with_name(f".{self._path.name}.lock"), timeout=_LOCK_S)

    def add(self, summary: EpisodeSummary) -> None:
        """Write one more episode.

        Raises:
            TimeoutError: another process holds the table, for ten seconds.
        """
        with self._lock:
            text = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
            whole = text[: text.rfind("\n") + 1]  # what a killed run left of a line is dropped
            rows = list(csv.DictReader(io.StringIO(whole)))
            row = _row(summary, len(rows) + 1, int(rows[-1]["total_steps"]) if rows else 0)
            num_laps = len(rows[0]) - len(_FIXED) if rows else -1
            if len(summary.laps) > num_laps or whole != text:
                self._rewrite([*rows, row], max(len(summary.laps), num_laps))
            else:
                with self._path.open("a", newline="", encoding="utf-8") as file:
                    _writer(file, num_laps).writerow(row)

    def _rewrite(self, rows: Sequence[Mapping[str, Any]], num_laps: int) -> None:
        text = io.StringIO()
        writer = _writer(text, num_laps)
        writer.writeheader()
        writer.writerows(rows)
        write_whole(self._path, text.getvalue().encode())


def _row(summary: EpisodeSummary, count: int, total: int) -> dict[str, Any]:
    best, episode_best = summary.best_lap_s, summary.episode_best_s
    values: tuple[Any, ...] = (
        *(count, summary.steps, total + summary.steps, summary.packages_lost, summary.reward),
        *(summary.speed_mean_mps, summary.speed_max_mps, best, int(summary.is_terminated), episode_best),
        sum(lap.is_valid for lap in summary.laps),
    )
    row = {name: "" if value is None else value for name, value in zip(_FIXED, values, strict=True)}
    return row | {_lap_name(lap.number): round(lap.time_s, 6) for lap in summary.laps}


def _writer(file: Any, num_laps: int) -> "csv.DictWriter[str]":
    names = [*_FIXED, *(_lap_name(number) for number in range(num_laps))]
    return csv.DictWriter(file, names, restval="", lineterminator="\n")


def _lap_name(number: int) -> str:
    return f"LapNo_{number}"
