"""Notices that a disk fills before it is full, while there is still room for a last checkpoint of every trial."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from envs.errors import ConfigError

_EVERY_S = 10.0
_LEAST_BYTES = 500 * 10**6  # a last checkpoint of some trials, logs, MLflow's database


def describe_replays(folder: Path, replay_bytes: int, num_concurrent: int, num_trials: int) -> str | None:
    """Return what the replays of all trials take, where the disk does not hold them; else None.

    Args:
        folder: On the disk; it may not be there yet.
        replay_bytes: Of each trial; those that finish keep theirs, to be prolonged.
        num_concurrent: Trials at once.
        num_trials: All that are to train.

    Raises:
        ConfigError: Not even those of the trials that train at once fit.
    """
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free - _LEAST_BYTES
    each = f"the disk of {folder} has {max(free, 0) / 1e9:.1f} GB for replays of {replay_bytes / 1e9:.2f} GB a trial"
    if num_concurrent * replay_bytes > free:
        raise ConfigError(
            f"{each}, and {num_concurrent} train at once. Make room, let fewer train (tuner.num_concurrent), or keep "
            "fewer decisions (algo.training.replay_capacity)."
        )
    if num_trials * replay_bytes <= free:
        return None
    return f"{each}: delete those of trials that are done (trials/*/replay), or the {num_trials} trials stop half-way"


class DiskWatch:
    """Asks a run to stop when its disk is nearly full.

    Args:
        folder: On the disk.
        stop: What to call then, once, with the reason.
        least_bytes: Of free space.
        clock: Seconds from any start, never going back.
    """

    def __init__(
        self,
        folder: Path,
        stop: Callable[[str], None],
        least_bytes: int = _LEAST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._stop, self._least_bytes, self._clock = folder, stop, least_bytes, clock
        self._next_s = clock()
        self.reason: str | None = None

    def look(self) -> None:
        """Look, if it is time."""
        if self.reason is not None or self._clock() < self._next_s:
            return
        self._next_s = self._clock() + _EVERY_S
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError:  # a shared folder that hiccups: next time
            return
        if free < self._least_bytes:
            self.reason = (
                f"The disk of {self._folder} has {free / 1e9:.2f} GB left, less than {self._least_bytes / 1e9:.2f}. "
                "Everything was saved; make room (replay folders of trials that are done may go) and resume."
            )
            self._stop(self.reason)
