"""Names and pointers in the folder of a run."""

import json
import os
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from envs.errors import ConfigError

CONFIG = "config.yaml"
LOG = "run.log"
TRIALS = "trials"
CHECKPOINTS = "checkpoints"
REPLAY = "replay"
VIDEOS = "videos"
PROGRESS = "progress.csv"
EVALUATION = "evaluation.json"
EVALUATIONS = "evaluations"  # in other envs than the policy's own, a folder each
CURVE = "curve.png"
RETURNS = "returns.png"
RACING_LINES = "racing_lines.png"
DREAMS = "dreams"  # films of algorithms that learn a world model, one beside each evaluation
PROFILE = "profile"
LATEST = "latest"
STOP_REQUEST = "stop_requested"
MLFLOW_RUN = "mlflow_run.json"

# What leads from the run folder into its trial, when there is just one.
SHARED_BY_SINGLE_TRIAL = (CHECKPOINTS, PROGRESS, EVALUATION, CURVE, RETURNS, RACING_LINES, VIDEOS, DREAMS, PROFILE)


def point(link: Path, target: Path) -> None:
    """Let `link` name `target`, replacing what it named before in one step.

    A symbolic link, relative so that the outputs can be moved; where the system allows none (Windows), a text file
    that holds the path.
    """
    relative = os.path.relpath(target, link.parent)
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    try:
        if os.name == "nt":  # it may allow links, but not to replace one in one step
            raise OSError("links cannot be replaced here")
        fresh.symlink_to(relative, target_is_directory=target.is_dir())
    except OSError:
        fresh.write_text(relative, encoding="utf-8")
    os.replace(fresh, link)


def follow(link: Path) -> Path:
    """Return what `link`, made by `point`, names; it may be gone."""
    if not link.is_symlink() and link.is_file():
        return (link.parent / link.read_text(encoding="utf-8")).resolve()
    return link.resolve()


def claim(folder: Path, timeout_s: float) -> FileLock:
    """Keep others from training in this folder for as long as the returned lock lives.

    The system gives it back when the process ends, however it ends.

    Raises:
        ConfigError: Somebody else still trains there after `timeout_s`.
    """
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=timeout_s)
    except Timeout as error:
        raise ConfigError(
            f"{folder} is in use: another process trains there. Wait for it, stop it (ctrl-C), or start a new run."
        ) from error
    return lock


def write_durably(path: Path, text: str) -> None:
    """Write a small file so that after a crash it holds either its old or its new content, whole."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file as `write_durably` does.

    Raises:
        ValueError: A number in it is not finite, which JSON cannot say.
    """
    write_durably(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
