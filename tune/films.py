"""Films that trials leave while they train, as artifacts of their runs."""

from pathlib import Path

from experiments import folders
from experiments.tracker import RunHandle, Tracker


class Films:
    """Send each film once, as soon as it is there: a run that is killed later keeps those before.

    Args:
        tracker: Where runs are tracked.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._sent: set[Path] = set()

    def send(self, run: RunHandle, trial: Path) -> None:
        """Send what is new in a trial's folder; one that trains on another node has nothing here."""
        for film in sorted((trial / folders.DREAMS).glob("frames_*.mp4")):
            if film not in self._sent:
                self._sent.add(film)
                self._tracker.log_artifact(run, film, folders.DREAMS)
