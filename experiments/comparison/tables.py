"""The numbers of a comparison as CSV files, unrounded, for whoever wants to draw or test something else."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import folders
from experiments.comparison.curves import GroupCurve
from experiments.comparison.estimators import SUMMARY
from experiments.comparison.groups import Group, swept_keys
from experiments.comparison.importance import Importances
from experiments.comparison.profiles import Profile
from experiments.comparison.results import TrialResult
from experiments.comparison.table import Row


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows of the same keys; None becomes an empty cell, and no rows an empty file."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    folders.write_durably(path, text.getvalue())


def group_rows(rows: Sequence[Row], baseline: Group) -> list[dict[str, Any]]:
    """Return a row for each group."""
    return [_group_row(row, baseline) for row in rows]


def _group_row(row: Row, baseline: Group) -> dict[str, Any]:
    cells: dict[str, Any] = {"group": row.group.label, **row.group.values, "is_baseline": row.group is baseline}
    cells |= {"trials": len(row.group.trials), "scored": row.group.num_seeds, "tracks": row.group.scores.shape[1]}
    for name in SUMMARY:
        estimate = row.scores[name] if row.scores is not None else None
        cells |= {name: estimate and estimate.value, f"{name}_low": estimate and estimate.low}
        cells[f"{name}_high"] = estimate and estimate.high
    contrast = row.contrast
    for name, estimate in (
        ("gain", contrast.gain if contrast else None),
        ("probability_of_improvement", contrast.improvement if contrast else None),
    ):
        cells |= {name: estimate and estimate.value, f"{name}_low": estimate and estimate.low}
        cells[f"{name}_high"] = estimate and estimate.high
    cells["verdict"] = contrast and contrast.verdict
    cells["interval_over"] = _drawn(row.group.num_seeds) if row.scores else None
    cells["gain_interval_over"] = _drawn(row.group.num_seeds, baseline.num_seeds) if contrast else None
    cells |= {"wall_s": row.wall_s, "frames": row.frames, "frames_per_s": row.frames_per_s}
    reached = row.reached
    cells["frames_to_threshold"] = reached.frames if reached else None
    cells["frames_to_threshold_is_lower_bound"] = reached.is_censored if reached else None
    cells["reached_threshold"] = reached.num_reached if reached else None
    return cells


def _drawn(*num_seeds: int) -> str:
    """Return what intervals resample, of groups with so many seeds."""
    several = sum(size > 1 for size in num_seeds)
    whose = "" if several == len(num_seeds) else "of one group "
    return f"seeds {whose}and tracks" if several else "tracks"


def trial_rows(groups: Sequence[Group], trials: Sequence[TrialResult]) -> list[dict[str, Any]]:
    """Return a row for each trial."""
    keys = swept_keys(trials)
    group_of = {trial.run_id: group.label for group in groups for trial in group.trials}
    return [
        {
            "trial": trial.name,
            "group": group_of[trial.run_id],
            "state": trial.state,
            **{key: trial.assigned.get(key) for key in keys},
            **{tag: trial.tags.get(tag) for tag in ("env", "model", "algo", "seed", "commit") if tag not in keys},
            "score_mean": float(trial.evaluation.returns.mean()) if trial.evaluation else None,
            "score_first_seed": trial.evaluation.first_seed if trial.evaluation else None,
            "score_tracks": len(trial.evaluation.returns) if trial.evaluation else None,
            "last_train_return": trial.last_return,
            "frames": trial.num_frames,
            "wall_s": trial.wall_s,
            "frames_per_s": trial.frames_per_s,
            "mlflow_run": trial.run_id,
            "folder": trial.folder,
        }
        for trial in trials
    ]


def curve_rows(curves: Sequence[GroupCurve]) -> list[dict[str, Any]]:
    """Return a row for each point of each group's curve over frames."""
    return [
        {"group": curve.group.label, "frames": x, "mean": mean, "low": low, "high": high, "trials": curve.num_trials}
        for curve in curves
        for x, mean, low, high in zip(curve.x, curve.mean, curve.low, curve.high, strict=True)
    ]


def profile_rows(profiles: Sequence[Profile]) -> list[dict[str, Any]]:
    """Return a row for each point of each profile."""
    return [
        {"group": profile.group.label, "return": tau, "share_above": share, "low": low, "high": high}
        for profile in profiles
        for tau, share, low, high in zip(profile.thresholds, profile.share, profile.low, profile.high, strict=True)
    ]


def importance_rows(importances: Importances) -> list[dict[str, Any]]:
    """Return a row for each swept key."""
    return [{"key": one.key, "share": one.share, "chance": one.chance} for one in importances.keys]
