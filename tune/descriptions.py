"""What a run is called, tagged with, and how a sweep's trials ended."""

import platform
from pathlib import Path
from typing import Any

from experiments import folders
from experiments.commit import current_commit
from tune.preparation import Preparation
from tune.records import TrialRecord, TrialRecords
from tune.sweep_note import count_states, describe_front, describe_training


def title(preparation: Preparation, run_folder: Path) -> str:
    """Return what tells this run from others in the first words that a narrow column shows."""
    chosen = preparation.base["choices"]
    seed = "sweep" if preparation.is_sweep else f"s{preparation.base['seed']}"
    words = [chosen["algo"], chosen["env"], seed, chosen["experiment"], chosen["debug"]]
    when = "_".join(run_folder.name.split("_")[:2])
    return " ".join([*(word for word in words if word is not None), when])


def tags(preparation: Preparation, run_folder: Path) -> dict[str, str]:
    """Return the tags of the run in MLflow."""
    chosen = {group: word for group, word in preparation.base["choices"].items() if word is not None}
    about = {"seed": str(preparation.base["seed"]), "kind": "sweep" if preparation.is_sweep else "run"}
    return {**chosen, **about, **made_with(), **preparation.size.tags(), "folder": str(run_folder)}


def made_with() -> dict[str, str]:
    """Return which code runs on which machine."""
    return {"commit": current_commit(), "host": platform.node()}


def summary(records: TrialRecords, best: TrialRecord | None, run_folder: Path, tuner: dict[str, Any]) -> str:
    """Return what became of a sweep's trials."""
    lines = [f"Trials:     {count_states(records)}"]
    if isinstance(tuner["metric"], list):
        lines += [f"Front:      {one}" for one in describe_front(records, tuner)]
    elif best is not None:
        lines.append(f"Best:       {best}: {describe_training(best)}, {run_folder / folders.TRIALS / best.name}")
    return "\n".join(lines)
