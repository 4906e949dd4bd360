"""What the episodes of a runner's envs come to, counted step by step."""

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.contract import FAULT, FRAMES, LAP_TIME_S, OFF_TRACK
from experiments.fragment import EpisodeOutcome
from experiments.link_account import LinkAccount, LinkReadings


class EpisodeAccounts:
    """Accounts of the running episodes of `N` envs, and the outcomes of those that ended since they were taken."""

    def __init__(self, num_envs: int) -> None:
        self._num_envs = num_envs
        self._returns, self._frames = np.zeros(num_envs), np.zeros(num_envs, np.int64)
        self._decisions, self._off_track = np.zeros(num_envs, np.int64), np.zeros(num_envs, np.int64)
        self._lap_times: list[list[float]] = [[] for _ in range(num_envs)]
        self._outcomes: list[EpisodeOutcome] = []
        self._frames_since = 0
        self._links = LinkReadings()

    def add(
        self,
        rewards: npt.NDArray[np.float64],
        infos: dict[str, Any],
        valid: npt.NDArray[np.bool_],
        done: npt.NDArray[np.bool_],
    ) -> None:
        """Count one step: what it earned where it was a decision (`valid`), and close the episodes that it ended."""
        frames = np.where(valid, infos.get(FRAMES, np.ones(self._num_envs, np.int64)), 0).astype(np.int64)
        self._frames += frames
        self._frames_since += int(frames.sum())
        self._returns += np.where(valid, rewards, 0.0)
        self._decisions += valid
        self._links.add(infos, valid)
        self._off_track += valid & np.asarray(infos.get(OFF_TRACK, False), bool)
        for env in np.flatnonzero(valid & infos.get(f"_{LAP_TIME_S}", np.zeros(self._num_envs, bool))):
            self._lap_times[env].append(float(infos[LAP_TIME_S][env]))
        self._outcomes.extend(self._close(int(env), infos) for env in np.flatnonzero(done & valid))

    def take(self) -> tuple[int, list[EpisodeOutcome], LinkAccount]:
        """Return the frames simulated, the episodes ended and what links were like since the last time."""
        taken = self._frames_since, self._outcomes, self._links.take()
        self._frames_since, self._outcomes = 0, []
        return taken

    def _close(self, env: int, infos: dict[str, Any]) -> EpisodeOutcome:
        fault = str(infos[FAULT][env]) if FAULT in infos and infos[f"_{FAULT}"][env] else None
        outcome = EpisodeOutcome(
            episode_return=float(self._returns[env]),
            frames=int(self._frames[env]),
            decisions=int(self._decisions[env]),
            off_track_share=float(self._off_track[env] / max(1, self._decisions[env])),
            lap_times_s=tuple(self._lap_times[env]),
            fault=fault,
        )
        self._returns[env] = self._frames[env] = self._decisions[env] = self._off_track[env] = 0
        self._lap_times[env] = []
        return outcome
