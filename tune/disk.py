"""Notices that a disk fills before it is full, while there is still room for a last checkpoint of every trial."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

_EVERY_S = 10.0
_LEAST_BYTES = 500 * 10**6  # a last checkpoint of some trials, logs, MLflow's database


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
