"""What comes after training: scores on unseen tracks, for every trial that was trained to its end."""

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from envs.errors import ConfigError
from experiments import folders
from experiments.checkpoint_mirror import CheckpointMirror
from experiments.checkpoints import checkpoint_frames, latest_checkpoint
from experiments.evaluate import describe_results, evaluate
from experiments.machine import available_cores
from experiments.runs import find_trial_folders
from experiments.tracker import RunHandle, Tracker
from tune.records import FAILED, FINISHED, TrialRecord, TrialRecords

logger = logging.getLogger(__name__)

_SCORES = ("mean", "p10", "median", "min", "share_below_500")
_ARTIFACTS = (
    folders.CONFIG,
    folders.EVALUATION,
    folders.CURVE,
    folders.RETURNS,
    folders.RACING_LINES,
    folders.VIDEOS,
)


def report_failures(records: TrialRecords, run_folder: Path) -> None:
    """Say why trials failed, on the console."""
    for record in records.in_state(FAILED):
        of = f"Trial {record}: " if len(records) > 1 else ""
        print(f"error: {of}{record.reason}\nMore of it stands in {run_folder / folders.LOG}.", file=sys.stderr)


def evaluate_trials(
    config: dict[str, Any],
    run_folder: Path,
    records: TrialRecords,
    tracker: Tracker,
    run_of: Callable[[TrialRecord], RunHandle],
) -> dict[str, dict[str, Any]]:
    """Drive the policies of all trials that finished on unseen tracks; return their evaluations by trial name.

    Args:
        config: The run's plain config.
        run_folder: Of the run.
        records: Of its trials.
        tracker: Where runs are tracked.
        run_of: Returns the run of a trial there.
    """
    scores: dict[str, dict[str, Any]] = {}
    if config["evaluation"]["final_episodes"] == 0:
        return scores
    for record in records.in_state(FINISHED):
        trial = run_folder / folders.TRIALS / record.name
        try:
            scores[record.name] = _score(config, trial, record, len(records) > 1, tracker, run_of)
        except (ConfigError, OSError) as error:
            print(f"error: Trial {record} has no score: {error}", file=sys.stderr)
        except Exception as error:  # of its env, say: the others are scored
            logger.info("Trial %s has no score.", record.name, exc_info=error)
            said = f"error: Trial {record} has no score: {type(error).__name__}: {error}"
            print(f"{said}\nMore of it stands in {run_folder / folders.LOG}.", file=sys.stderr)
    return scores


def _score(
    config: dict[str, Any],
    trial: Path,
    record: TrialRecord,
    is_one_of_many: bool,
    tracker: Tracker,
    run_of: Callable[[TrialRecord], RunHandle],
) -> dict[str, Any]:
    """Drive one trial's policy, unless that was done, and return its evaluation.

    Raises:
        ConfigError: Its newest checkpoint is damaged.
    """
    settings = config["evaluation"]
    storage = config["paths"].get("storage")
    if storage and config["ray"].get("address") is not None:  # it was trained on another node
        CheckpointMirror(storage, trial).pull_newest(trial / folders.CHECKPOINTS)
    checkpoint = latest_checkpoint(trial / folders.CHECKPOINTS)
    known = _known_score(trial, checkpoint, settings)
    if known is not None:
        return known
    if is_one_of_many:
        print(f"Evaluating trial {record} on {settings['final_episodes']} unseen tracks.", flush=True)
    evaluation = evaluate(
        checkpoint,
        trial,
        episodes=settings["final_episodes"],
        first_seed=settings["final_first_seed"],
        video=settings["videos"],
        num_processes=available_cores(),
    )
    track(trial, evaluation, tracker, run_of(record))
    print(describe_results(trial, evaluation), flush=True)
    return evaluation


def track(trial: Path, evaluation: dict[str, Any], tracker: Tracker, run: RunHandle) -> None:
    """Put a trial's score, pictures and videos into its run."""
    tracker.log(run, score_metrics(evaluation), step=checkpoint_frames(latest_checkpoint(trial / folders.CHECKPOINTS)))
    for name in _ARTIFACTS:
        if (trial / name).exists():
            tracker.log_artifact(run, trial / name, name if name == folders.VIDEOS else None)


def score_metrics(evaluation: dict[str, Any], prefix: str = "score") -> dict[str, float]:
    """Return the part of an evaluation that stands among the metrics of a run; a sweep has its `best` trial's."""
    return {f"{prefix}/{name}": evaluation[name] for name in _SCORES}


def _known_score(trial: Path, checkpoint: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Return the score that this very policy was given before the run was resumed, if it was."""
    try:
        evaluation: dict[str, Any] = json.loads((trial / folders.EVALUATION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    asked = {"episodes": settings["final_episodes"], "first_seed": settings["final_first_seed"]}
    is_same = Path(evaluation["checkpoint"]).name == checkpoint.name
    return evaluation if is_same and all(evaluation[key] == value for key, value in asked.items()) else None


def lead_to_single_trial(run_folder: Path) -> None:
    """Let the run folder lead to what its only trial made."""
    trials = find_trial_folders(run_folder)
    if len(trials) == 1:
        for name in folders.SHARED_BY_SINGLE_TRIAL:
            if (trials[0] / name).exists():
                folders.point(run_folder / name, trials[0] / name)
