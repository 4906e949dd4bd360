"""What a trial had reported of the tuner's metrics, read from its progress.csv when a sweep is resumed."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from experiments import folders, metrics
from experiments.checkpoints import checkpoint_frames, newest_whole_checkpoint


def reported(trial: Path, names: Sequence[str], whole: bool) -> list[tuple[float, float | list[float]]]:
    """Return frames and objective of every report of a trial, oldest first, as the tuner saw them.

    Args:
        trial: Its folder.
        names: The tuner's metrics; the objective is the newest value of the metric, or a list of them.
        whole: Whether the trial has ended. Else what it reported past its newest checkpoint is left out: it will be
            trained again, differently.
    """
    path = trial / folders.PROGRESS
    if not path.exists():
        return []
    last = float("inf")
    if not whole:
        checkpoint = newest_whole_checkpoint(trial / folders.CHECKPOINTS)
        last = 0.0 if checkpoint is None else checkpoint_frames(checkpoint)
    seen: dict[str, float] = {}
    rows: list[tuple[float, float | list[float]]] = []
    text = path.read_text(encoding="utf-8")
    whole_lines = text[: text.rfind("\n") + 1].splitlines()  # a kill may have left half a line
    for row in csv.DictReader(whole_lines):
        try:
            frames = float(row[metrics.FRAMES])
            values = {name: float(row[name]) for name in names if row.get(name)}
        except (KeyError, TypeError, ValueError):
            continue
        seen |= {name: value for name, value in values.items() if math.isfinite(value)}
        if frames <= last and len(seen) == len(names):
            objectives = [seen[name] for name in names]
            rows.append((frames, objectives[0] if len(names) == 1 else objectives))
    return rows
