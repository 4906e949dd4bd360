"""What happens in the driver when a trial reports: a row in its CSV, a point in MLflow, its record, a new live line."""

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray.tune

from experiments import folders, metrics
from experiments.progress import LiveLine, ProgressCsv
from experiments.tracker import RunHandle, Tracker
from experiments.tracking import flatten
from experiments.trial import (
    ADOPTED,
    END,
    FAILED,
    FINISHED,
    INTERRUPTED,
    NOTES,
    OBJECTIVE,
    RESUMED_AT_FRAMES,
    trial_folder,
)
from tune import records as states
from tune.disk import DiskWatch
from tune.films import Films
from tune.records import TrialRecord, TrialRecords, short_value
from tune.sweep_line import SweepLine

logger = logging.getLogger(__name__)

_SAVE_EVERY_S = 10.0
_ADOPTED_METRIC = "tuned/"  # values that a population changed, over frames


class Recorder(ray.tune.Callback):
    """Writes down what trials report, and shows it.

    Args:
        tracker: Where runs are tracked.
        run: The sweep's own run there.
        known: Run ids of trials from before a resume, by trial folder name.
        children: Filled with the runs of the trials, by the same names.
        config: The run's plain config with `run_folder`.
        records: Of the trials.
        line: The live line.
        disk: Notices when the run's disk fills.
        observe: Hears of every trial that has ended.
        stop_reason: Says why the scheduler stops a trial, from its frames.
    """

    def __init__(
        self,
        *,
        tracker: Tracker,
        run: RunHandle,
        known: dict[str, str],
        children: dict[str, RunHandle],
        config: dict[str, Any],
        records: TrialRecords,
        line: LiveLine,
        disk: DiskWatch,
        observe: Callable[[TrialRecord], None],
        stop_reason: Callable[[float], str],
    ) -> None:
        self._tracker, self._run, self._config, self._line = tracker, run, config, line
        self._known, self._children, self._records, self._disk = known, children, records, disk
        self._observe, self._stop_reason = observe, stop_reason
        self._is_sweep = isinstance(line, SweepLine)
        self._reported: set[str] = set()
        self._adopted: dict[str, str | None] = {}
        self._csv: dict[str, ProgressCsv] = {}
        self._remembered: dict[str, Any] = {}
        self._saved_s = 0.0
        self._films = Films(tracker)

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything behind when Tune pickles its callbacks: a copy records nothing."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Open the trial's CSV and its MLflow run; it may also be one that paused, or lost its processes."""
        folder, config = trial_folder(self._config, trial.trial_id), trial.config
        record = self._records[folder.name]
        self._reported.discard(folder.name)
        if (Path(self._config["run_folder"]) / folders.STOP_REQUEST).exists():
            return  # it had been waiting for its turn, and ends at once
        if folder.name not in self._csv:
            self._open(record, folder, config)
        elif config.get(ADOPTED) != self._adopted.get(folder.name):
            self._change(record, config)
        record.state, record.reason = states.RUNNING, None
        self._save_records()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Record one report."""
        name = trial_folder(self._config, trial.trial_id).name
        record = self._records[name]
        for note in result[NOTES]:
            self._line.note(f"Trial {name}: {note}" if self._is_sweep else note)
        row = {key: value for key, value in result.items() if "/" in key}
        if metrics.FRAMES in row:
            if name not in self._csv:  # it was asked to stop after it had looked for that, while it began
                self._open(record, trial_folder(self._config, trial.trial_id), trial.config)
                record.state = states.RUNNING
            self._record_row(record, row, int(result[RESUMED_AT_FRAMES]))
            self._films.send(self._children[name], trial_folder(self._config, trial.trial_id))
            record.frames = int(row[metrics.FRAMES])
            record.objective = result.get(OBJECTIVE, record.objective)
        end = result[END]
        if end is not None and end.startswith(FAILED):
            record.state, record.reason = states.FAILED, end.removeprefix(FAILED)
        elif end == FINISHED:
            record.state = states.FINISHED
        self._show(name, row)
        self._remember_runs()
        self._disk.look()
        if end is not None or time.monotonic() - self._saved_s > _SAVE_EVERY_S:
            self._save_records()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Write down how a trial ended, unless it was interrupted."""
        record = self._records[trial_folder(self._config, trial.trial_id).name]
        end = (trial.last_result or {}).get(END, INTERRUPTED)
        if end == INTERRUPTED:
            return
        if end is None:
            record.state, record.reason = states.STOPPED, self._stop_reason(record.frames)
        self._ended(record)
        if end is None:  # it will not go on, so that nobody needs its replay: with it a sweep would fill the disk
            shutil.rmtree(trial_folder(self._config, trial.trial_id) / folders.REPLAY, ignore_errors=True)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Write down that a trial lost its processes, more often than it may."""
        record = self._records[trial_folder(self._config, trial.trial_id).name]
        error = str(trial.get_error() or "").strip() or "its processes died"
        logger.error("Trial %s lost its processes: %s", record.name, error)
        record.state, record.reason = states.FAILED, error.splitlines()[-1]
        self._ended(record)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Say that a trial lost its processes and goes on."""
        name = trial_folder(self._config, trial.trial_id).name
        self._line.note(
            f"Trial {name} lost its processes ({trial.num_failures} of at most {trial.max_failures} times, "
            "tuner.max_failures) and goes on from its newest checkpoint."
        )

    def _open(self, record: TrialRecord, folder: Path, config: dict[str, Any]) -> None:
        self._csv[folder.name] = ProgressCsv(folder / folders.PROGRESS)
        self._adopted[folder.name] = config.get(ADOPTED)  # before a resume, if ever
        self._children[folder.name] = self._start_run(record, folder, config)
        if self._is_sweep:
            self._line.note(f"Trial {record} {'goes on' if record.frames else 'starts'}.")

    def _start_run(self, record: TrialRecord, folder: Path, config: dict[str, Any]) -> RunHandle:
        chosen = {group: word for group, word in config["choices"].items() if word is not None}
        tags = {**chosen, "seed": str(config["seed"]), "commit": config["commit"], "host": config["host"]}
        assigned = {f"assigned.{key}": value for key, value in record.assigned.items()}
        unparameterised = ("run_folder", "started_at", "commit", "assigned", "words", "tuner", ADOPTED)
        return self._tracker.start_run(
            name=str(record) if self._is_sweep else f"trial {record.name} of {self._run.name}",
            tags={**tags, "trial": record.name, "folder": str(folder)},
            params={key: value for key, value in config.items() if key not in unparameterised} | assigned,
            parent_id=self._run,
            run_id=self._known.get(folder.name),
        )

    def _change(self, record: TrialRecord, config: dict[str, Any]) -> None:
        """Record that a trial took over another's weights, and what it was given."""
        record.assigned, self._adopted[record.name] = dict(config["assigned"]), config[ADOPTED]
        self._line.note(f"Trial {record} goes on with the weights of {config[ADOPTED]}.")
        numbers = {key: value for key, value in flatten(record.assigned).items() if _is_number(value)}
        tuned = {f"{_ADOPTED_METRIC}{key}": float(value) for key, value in numbers.items()}
        self._tracker.log(self._children[record.name], tuned, step=record.frames)

    def _record_row(self, record: TrialRecord, row: dict[str, Any], resumed_at_frames: int) -> None:
        name = record.name
        if (
            name not in self._reported
        ):  # after a resume: what was reported past the checkpoint is a branch that was lost
            try:
                self._csv[name].truncate_after(resumed_at_frames)
            except OSError as error:
                self._line.note(f"{folders.PROGRESS} keeps rows of a branch that was lost: {error}")
        self._reported.add(name)
        self._csv[name].append(row)
        self._tracker.log(self._children[name], row, step=int(row[metrics.FRAMES]))

    def _show(self, name: str, row: dict[str, Any]) -> None:
        if isinstance(self._line, SweepLine):
            self._line.update_trial(name, row)
        else:
            self._line.update(row)

    def _ended(self, record: TrialRecord) -> None:
        self._observe(record)
        self._save_records()
        state = record.state if record.reason is None else f"{record.state}: {record.reason}"
        if record.name in self._children:
            self._tracker.tag(self._children[record.name], {"state": state})
            self._tracker.finish(self._children[record.name], "FAILED" if record.state == states.FAILED else "FINISHED")
        if self._is_sweep:
            objective = f", {short_value(record.objective)}" if isinstance(record.objective, float) else ""
            self._line.note(f"Trial {record} {state} ({record.frames:,} frames{objective}).")

    def _save_records(self) -> None:
        self._saved_s = time.monotonic()
        try:
            self._records.save()
        except OSError as error:
            self._line.note(f"What became of the trials could not be written: {error}")

    def _remember_runs(self) -> None:
        """Keep the ids of the MLflow runs for a resume, as soon as MLflow has given them."""
        trials = self._known | {name: self._tracker.run_id(handle) for name, handle in self._children.items()}
        ids = {"run": self._tracker.run_id(self._run), "trials": trials}
        if ids == self._remembered:
            return
        self._remembered = ids
        try:
            folders.write_json(Path(self._config["run_folder"]) / folders.MLFLOW_RUN, ids)
        except OSError as error:
            self._line.note(f"A resume would begin new MLflow runs: {error}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
