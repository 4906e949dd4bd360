"""What a run says at its end: what to type next."""

import socket
from pathlib import Path
from typing import Any

from envs.app import INTERRUPTED, OK, ROOT
from experiments import folders
from experiments.cluster import is_job

_MLFLOW_PORT = 5001


def next_commands(config: dict[str, Any], run_folder: Path, *, code: int, is_sweep: bool, page: str | None) -> str:
    """Return what to type next.

    Args:
        config: The run's plain config.
        run_folder: Of the run.
        code: Its exit code.
        is_sweep: Whether there are trials to compare.
        page: Of the tracker, behind the address of MLflow's pages; None: none was reached.
    """
    outputs = config["paths"]["outputs"]
    word = folders.LATEST if Path(outputs) == ROOT / "outputs" else run_folder
    resume = f"python run.py resume={word}"
    if is_job():
        resume = f"ray job submit --working-dir . -- python run.py resume={run_folder} paths.outputs={outputs}"
    lines = [f"Run folder: {run_folder}"]
    if code == OK:
        longer = [f"stop.{name}={2 * value}" for name, value in config["stop"].items() if value is not None]
        lines.append(f"Train on:   {resume} {' '.join(longer)}")
    else:
        lines.append(f"Go on:      {resume}")
    uri = config["tracking"].get("uri")
    if uri is None:  # nothing was tracked that could be compared or looked at
        return "\n".join(lines)
    if is_sweep and code != INTERRUPTED:
        lines.append(f"Compare:    {' '.join(['python -m experiments.compare', f'sweep={word}', *_paths(config)])}")
    return "\n".join([*lines, *_mlflow(uri, page)])


def _paths(config: dict[str, Any]) -> list[str]:
    """Return the words that lead to a run's files where they are not where commands look by themselves."""
    outputs, uri = config["paths"]["outputs"], config["tracking"]["uri"]
    words = [] if Path(outputs) == ROOT / "outputs" else [f"paths.outputs={outputs}"]
    return words if uri == f"sqlite:///{outputs}/mlflow.db" else [*words, f"'paths.mlflow_uri={uri}'"]


def _mlflow(uri: str, page: str | None) -> list[str]:
    if uri.startswith("http"):
        return [f"MLflow:     {uri.rstrip('/')}/{page or ''}"]
    port = _free_port(_MLFLOW_PORT)
    lines = [f"MLflow:     mlflow ui --backend-store-uri {uri} --port {port}"]
    return lines if page is None else [*lines, f"            http://127.0.0.1:{port}/{page}"]


def _free_port(first: int) -> int:
    """Return the first port from `first` on that nobody on this machine listens on."""
    for port in range(first, first + 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    return first
