"""Which trials `sweep=`, `name=` and `runs=` mean, and where their comparison belongs."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from envs.errors import ConfigError
from experiments import folders
from experiments.comparison.history import PARENT, RunHistory, is_run_id
from experiments.comparison.results import TrialResult
from experiments.comparison.words import plural
from experiments.runs import find_run_folder

FOLDER = "comparison"


@dataclass(frozen=True)
class Selection:
    """The trials to compare.

    Attributes:
        title: what they are, for people.
        trials: in the order that they began.
        output: where pictures, tables and the report go.
        parent_id: the MLflow run that gets them too; None where they are not the trials of one run.
        notes: what was left out, and why.
        num_sweeps: how many runs the trials are of.
    """

    title: str
    trials: list[TrialResult]
    output: Path
    parent_id: str | None
    num_sweeps: int
    notes: list[str] = field(default_factory=list)


def select(settings: dict[str, Any], history: RunHistory, outputs: Path) -> Selection:
    """Return the trials that the words mean.

    Args:
        settings: of `CompareConfig`, one of `sweep`, `name`, `runs` set.
        history: the MLflow store.
        outputs: where runs are.

    Raises:
        ConfigError: A word means nothing, or a run has no trials.
    """
    if settings["name"] is not None:
        asked = title = settings["name"]
        runs, output = history.of_experiment(title), outputs / title / FOLDER
    else:
        words = [settings["sweep"]] if settings["sweep"] is not None else settings["runs"]
        runs = [run for word in words for run in _with_children(_find(word, history, outputs), history)]
        asked, title = ", ".join(words), plural(len(words), "run")
        output = outputs / f"{FOLDER}s" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    unique = {run.info.run_id: run for run in runs}
    parents = {run_id: run for run_id, run in unique.items() if PARENT not in run.data.tags}
    trials, notes = _newest([run for run in unique.values() if PARENT in run.data.tags])
    if not trials:
        raise ConfigError(f"{asked}: MLflow at {history.uri} has no trial of it yet, so there is nothing to compare.")
    needed = {run.data.tags[PARENT] for run in trials}
    parent_id = next(iter(needed)) if len(needed) == 1 and needed <= parents.keys() else None  # not of chosen trials
    parents |= {run_id: history.run(run_id) for run_id in needed - parents.keys()}
    if parent_id is not None and settings["name"] is None:
        title = parents[parent_id].info.run_name
        folder = parents[parent_id].data.tags.get("folder")
        if folder is not None and Path(folder).is_dir():
            output = Path(folder) / FOLDER
    if settings["output"] is not None:
        output = Path(settings["output"]).absolute()
    return Selection(title, history.results(trials, parents), output, parent_id, len(needed), notes)


def _find(word: str, history: RunHistory, outputs: Path) -> Any:
    """Return the MLflow run that a word means: an id, a run folder, a trial's folder, or `latest`."""
    run_id = word.removeprefix("mlflow:")
    if word.startswith("mlflow:") or is_run_id(word):
        return history.run(run_id)
    folder = Path(word).resolve()
    if folder.parent.name == folders.TRIALS and (folder / folders.CONFIG).is_file():
        ids = _run_ids(folder.parent.parent)["trials"]
        if folder.name not in ids:
            raise ConfigError(f"{folder} has no run in MLflow; its sweep has {', '.join(sorted(ids)) or 'none'}.")
        return history.run(ids[folder.name])
    return history.run(_run_ids(find_run_folder(word, outputs))["run"])


def _run_ids(run_folder: Path) -> dict[str, Any]:
    path = run_folder / folders.MLFLOW_RUN
    try:
        ids = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{run_folder} says nothing of MLflow ({path.name}: {error}): it ran with tracking=none, or stopped before "
            "its first report. Only what MLflow keeps can be compared."
        ) from error
    if not isinstance(ids, dict) or ids.get("run") is None:
        raise ConfigError(f"{path} names no run of MLflow: the store was away when it was written.")
    return {"run": ids["run"], "trials": ids.get("trials", {})}


def _with_children(run: Any, history: RunHistory) -> list[Any]:
    return [run, *history.children(run)] if PARENT not in run.data.tags else [run]


def _newest(trials: Iterable[Any]) -> tuple[list[Any], list[str]]:
    """Return one MLflow run a trial, the newest: a resume that MLflow had forgotten begins a second one."""
    newest: dict[tuple[str, str], Any] = {}
    notes = []
    for run in trials:
        key = (run.data.tags[PARENT], run.data.tags.get("folder", run.info.run_id))
        if key in newest:
            notes.append(f"Trial {Path(key[1]).name} has two runs in MLflow, as it was resumed; the newer one counts.")
        newest[key] = run
    return list(newest.values()), notes
