"""What a run is called, tagged with, and says at its end."""

import platform
import socket
from pathlib import Path
from typing import Any

from envs.app import INTERRUPTED, OK, ROOT
from experiments import folders
from experiments.cluster import is_job
from experiments.commit import current_commit
from tune import records as states
from tune.preparation import Preparation
from tune.records import TrialRecord, TrialRecords

_MLFLOW_PORT = 5001


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


def summary(records: TrialRecords, best: TrialRecord | None, run_folder: Path) -> str:
    """Return what became of a sweep's trials."""
    counts = {state: len(records.in_state(state)) for state in states.STATES}
    said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    lines = [f"Trials:     {said}"]
    if best is not None:
        trained = "no episode" if best.first_objective is None else f"{best.first_objective:.1f}"
        lines.append(f"Best:       {best}: {trained} in training, {run_folder / folders.TRIALS / best.name}")
    return "\n".join(lines)


def next_commands(config: dict[str, Any], run_folder: Path, *, code: int, is_sweep: bool, page: str | None) -> str:
    """Return what to type next.

    Args:
        config: The run's plain config.
        run_folder: Of the run.
        code: Its exit code.
        is_sweep: Whether there are trials to compare.
        page: Of the tracker, behind the address of `mlflow ui`.
    """
    uri, outputs = config["paths"]["mlflow_uri"], config["paths"]["outputs"]
    is_default = Path(outputs) == ROOT / "outputs"
    word = folders.LATEST if is_default else run_folder
    resume = f"python run.py resume={word}"
    if is_job():
        resume = f"ray job submit --working-dir . -- python run.py resume={run_folder} paths.outputs={outputs}"
    lines = [f"Run folder: {run_folder}"]
    if code == OK:
        longer = [f"stop.{name}={2 * value}" for name, value in config["stop"].items() if value is not None]
        lines.append(f"Train on:   {resume} {' '.join(longer)}")
    else:
        lines.append(f"Go on:      {resume}")
    if is_sweep and code != INTERRUPTED:
        lines.append(f"Compare:    python -m experiments.compare sweep={word}")
    port = _free_port(_MLFLOW_PORT)
    lines.append(f"MLflow:     mlflow ui --backend-store-uri {uri} --port {port}")
    if page is not None:
        lines.append(f"            http://127.0.0.1:{port}/{page}")
    return "\n".join(lines)


def _free_port(first: int) -> int:
    """Return the first port from `first` on that nobody on this machine listens on."""
    for port in range(first, first + 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    return first
