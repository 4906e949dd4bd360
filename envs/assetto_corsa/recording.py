"""What an env writes of its episodes: a parquet each, the game's static info once, and a line of the table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.assetto_corsa.course import Course
from envs.assetto_corsa.endings import Ending
from envs.assetto_corsa.geometry.derived import Geometry
from envs.assetto_corsa.logs.episode_log import EpisodeLog
from envs.assetto_corsa.logs.episode_table import EpisodeStatistics, EpisodeTable
from envs.assetto_corsa.logs.log_head import LogHead
from envs.assetto_corsa.look import Look
from envs.assetto_corsa.preflight import STATE_RATE_HZ, GameFacts
from envs.assetto_corsa.step_info import EXTRA_CHANNELS

_TABLE = "episodes_stats.csv"


class EpisodeRecorder:
    """Write episodes into a folder, which several envs may share, its table too.

    Args:
        folder: of the run.
        facts: what the game said.
        geometry: that channels are derived with.
        presets: of the env: what describes it beside track and car.
        has_extras: whether the nine raw channels are written once more, under names of their own.
    """

    def __init__(
        self, folder: str, facts: GameFacts, geometry: Geometry, presets: Mapping[str, Any], *, has_extras: bool
    ) -> None:
        head = LogHead(
            track=facts.track,
            track_digest=geometry.track.digest,
            car=facts.car,
            rate_hz=STATE_RATE_HZ,
            is_fixed=geometry.line.is_fixed,
            presets=dict(presets),
        )
        self._extras = tuple(f"obs_extra_{name}" for name in EXTRA_CHANNELS) if has_extras else ()
        self._log = EpisodeLog(folder, head, extras=self._extras)
        self._log.write_static_info(dict(facts.static_info) | {"TrackFullName": facts.track})
        self._table = EpisodeTable(Path(folder) / _TABLE)
        self._statistics: EpisodeStatistics | None = None

    def row(
        self,
        look: Look,
        *,
        action: npt.NDArray[np.float64],
        reward: float,
        ending: Ending | None,
        is_going_backwards: bool,
        missing: int,
    ) -> None:
        """See `Recorder`; the first row of an episode is its reset's."""
        extras = {f"obs_extra_{name}": float(look.state[name]) for name in EXTRA_CHANNELS} if self._extras else None
        self._log.row(
            look.state,
            look.derived,
            command=look.commands,
            action=action,
            reward=reward,
            terminated=ending is not None and ending.is_terminated,
            truncated=ending is not None and not ending.is_terminated,
            is_going_backwards=is_going_backwards,
            extras=extras,
        )
        if self._statistics is None:
            self._statistics = EpisodeStatistics()
            self._statistics.begin(look.state)
        else:
            self._statistics.step(look.state, reward, missing=missing)

    def finish(self, *, outcome: str, course: Course, is_terminated: bool) -> None:
        """See `Recorder`."""
        statistics, self._statistics = self._statistics, None
        self._log.finish(outcome=outcome)
        if statistics is not None:
            self._table.add(statistics.end(is_terminated=is_terminated, laps=course.laps))
