"""What happens in the driver when a trial reports: a row in its CSV, a point in MLflow, a new live line."""

import logging
from pathlib import Path
from typing import Any

import ray.tune

from experiments import folders, metrics
from experiments.progress import LiveLine, ProgressCsv
from experiments.tracking import RunHandle, Tracker
from experiments.trial import trial_folder

logger = logging.getLogger(__name__)


class Recorder(ray.tune.Callback):
    """Writes down what trials report, and shows it.

    Args:
        tracker: Where runs are tracked.
        run: The sweep's own run there.
        known: Run ids of trials from before a resume, by trial folder name.
        children: Filled with the runs of the trials, by the same names.
        config: The run's plain config.
        line: The live line.
    """

    def __init__(
        self,
        *,
        tracker: Tracker,
        run: RunHandle,
        known: dict[str, str],
        children: dict[str, RunHandle],
        config: dict[str, Any],
        line: LiveLine,
    ) -> None:
        self._tracker, self._run, self._config, self._line = tracker, run, config, line
        self._known, self._children = known, children
        self._reported: set[str] = set()
        self._csv: dict[str, ProgressCsv] = {}
        self._remembered: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything behind when Tune pickles its callbacks: a copy records nothing."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Open the trial's CSV and its MLflow run."""
        folder = trial_folder(self._config, trial.trial_id)
        if folder.name in self._csv:
            return
        self._csv[folder.name] = ProgressCsv(folder / folders.PROGRESS)
        config = trial.config
        chosen = {group: word for group, word in config["choices"].items() if word is not None}
        tags = {**chosen, "seed": str(config["seed"]), "commit": config["commit"], "host": config["host"]}
        self._children[folder.name] = self._tracker.start_run(
            name=f"trial {folder.name} of {self._run.name}",
            tags={**tags, "folder": str(folder)},
            params={key: value for key, value in config.items() if key not in ("run_folder", "started_at", "commit")},
            parent_id=self._run,
            run_id=self._known.get(folder.name),
        )

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Record one report."""
        name = trial_folder(self._config, trial.trial_id).name
        row = {key: value for key, value in result.items() if "/" in key}
        frames = int(row[metrics.FRAMES])
        if (
            name not in self._reported
        ):  # after a resume: what was reported past the checkpoint happened on a lost branch
            try:
                self._csv[name].truncate_after(int(result["resumed_at_frames"]))
            except OSError as error:
                self._line.note(f"{folders.PROGRESS} keeps rows of a branch that was lost: {error}")
        self._reported.add(name)
        self._csv[name].append(row)
        self._tracker.log(self._children[name], row, step=frames)
        for note in result["notes"]:
            self._line.note(note)
        self._line.update(row)
        self._remember_runs()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Say that a trial failed."""
        self._line.note(f"Trial {trial_folder(self._config, trial.trial_id).name} failed.")

    def _remember_runs(self) -> None:
        """Keep the ids of the MLflow runs for a resume, as soon as MLflow has given them."""
        trials = {name: self._tracker.run_id(handle) for name, handle in self._children.items()}
        ids = {"run": self._tracker.run_id(self._run), "trials": trials}
        if ids == self._remembered:
            return
        self._remembered = ids
        try:
            folders.write_json(Path(self._config["run_folder"]) / folders.MLFLOW_RUN, ids)
        except OSError as error:
            self._line.note(f"A resume would begin new MLflow runs: {error}")
