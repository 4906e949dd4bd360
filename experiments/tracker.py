"""What a run is kept in, as the driver sees it: every method returns at once, and none fails because a store does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATUSES = ("FINISHED", "FAILED", "KILLED")  # how a run may end, in MLflow's words


@dataclass(eq=False)
class RunHandle:
    """A run that MLflow keeps, or will keep once it answers. Plain data, so it may be pickled.

    Attributes:
        name: what people call the run.
        run_id: MLflow's id, None until the store gave one.
        is_settled: True once MLflow started the run, or refused it for good (then `run_id` is None).
    """

    name: str
    run_id: str | None = None
    is_settled: bool = False


class Tracker:
    """What every tracker offers; here, each method is without effect."""

    def start_run(
        self,
        *,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, Any],
        parent_id: RunHandle | str | None = None,
        run_id: str | None = None,
    ) -> RunHandle:
        """Return a handle that never gets an id."""
        return RunHandle(name, is_settled=True)

    def run_id(self, run: RunHandle, timeout_s: float = 0.0) -> str | None:
        """Return None: nobody gives ids here."""
        return None

    def log(self, run: RunHandle, metrics: Mapping[str, float], step: int) -> None:
        """Do nothing."""

    def tag(self, run: RunHandle, tags: Mapping[str, str]) -> None:
        """Do nothing."""

    def log_artifact(self, run: RunHandle, path: str | Path, folder: str | None = None) -> None:
        """Do nothing."""

    def register(
        self,
        run: RunHandle,
        policy_folder: Path,
        evaluation: Mapping[str, Any],
        config: Mapping[str, Any],
        say: Callable[[str], None],
    ) -> None:
        """Do nothing."""

    def page(self) -> str | None:
        """Return None: nothing is shown anywhere."""
        return None

    def finish(self, run: RunHandle, status: str) -> None:
        """Do nothing."""

    def flush(self, timeout_s: float) -> bool:
        """Return True: nothing ever waits."""
        return True

    def close(self, timeout_s: float = 0.0) -> None:
        """Do nothing."""


class NoTracker(Tracker):
    """Keeps nothing (`tracking=none`)."""
