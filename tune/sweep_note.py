"""What MLflow shows as the description of a sweep, in Markdown."""

from pathlib import Path
from typing import Any

from experiments import folders
from experiments.commit import current_commit
from tune import records as states
from tune.front import pareto_front
from tune.header import domain_words
from tune.preparation import Preparation
from tune.records import TrialRecord, TrialRecords, short_value


def sweep_note(preparation: Preparation, records: TrialRecords, best: TrialRecord | None, run_folder: Path) -> str:
    """Return what was searched, how, and what has come of it.

    Args:
        preparation: What the sweep is.
        records: Of its trials.
        best: The best trial that finished, if one has.
        run_folder: Of the sweep.
    """
    base = preparation.base
    tuner, chosen = base["tuner"], base["choices"]
    words = ", ".join(str(chosen[axis]) for axis in ("env", "model", "algo"))
    lines = [f"**Sweep of {preparation.num_total} trials** ({words}), by {tuner['mode']} `{tuner['metric']}`", ""]
    if preparation.scheduling is not None:
        lines.append(f"- {preparation.scheduling}")
    searched = {key: one for key, one in tuner["space"].items() if key not in preparation.space.left_out}
    lines += [f"- `{key}`: {domain_words(section)}" for key, section in searched.items()]
    lines += [f"- trials: {count_states(records)}", f"- commit `{current_commit()}`"]
    if isinstance(tuner["metric"], list):
        lines += [f"- front: {one}" for one in describe_front(records, tuner)]
    elif best is not None:
        lines.append(f"- best: {best}, {describe_training(best)}; `{run_folder / folders.TRIALS / best.name}`")
    return "\n".join([*lines, "", "The trials side by side: `python -m experiments.compare sweep=" + f"{run_folder}`"])


def count_states(records: TrialRecords) -> str:
    """Return how many trials are where: `3 finished, 9 stopped`."""
    counts = {state: len(records.in_state(state)) for state in states.STATES}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


def describe_front(records: TrialRecords, tuner: dict[str, Any]) -> list[str]:
    """Return the trials of the Pareto front, each with its metrics."""
    front = pareto_front(records, tuner["mode"])
    values = [
        ", ".join(f"{name} {short_value(value)}" for name, value in zip(tuner["metric"], one.objective, strict=True))
        for one in front
    ]
    return [f"{one}: {said}" for one, said in zip(front, values, strict=True)]


def describe_training(record: TrialRecord) -> str:
    """Return what a trial reached."""
    return f"{'no episode' if record.first_objective is None else short_value(record.first_objective)} in training"
