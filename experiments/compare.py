"""`python -m experiments.compare sweep=latest`: trials beside each other, from what MLflow keeps of them."""

import logging
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from envs.app import OK, run_app
from experiments.comparison import words
from experiments.comparison.comparison import Comparison, compare
from experiments.comparison.drawings.gallery import draw_all
from experiments.comparison.history import RunHistory
from experiments.comparison.report import write_report
from experiments.comparison.save_best import check_name, save_best
from experiments.comparison.selection import FOLDER, select
from experiments.comparison.settings import CompareConfig, check_words, register_compare_schema
from experiments.schema import to_plain

logger = logging.getLogger(__name__)

_MOST_LINES = 12


def main(config: DictConfig) -> int:
    """Compare what the words choose, and leave a report."""
    settings: dict[str, Any] = check_words(to_plain(config, CompareConfig))
    if settings["save_best"] is not None:
        check_name(settings["save_best"], may_overwrite=settings["overwrite"])
    paths = settings["paths"]
    history = RunHistory(paths["mlflow_uri"], paths["mlflow_artifacts"])
    selection = select(settings, history, Path(paths["outputs"]))
    comparison = compare(
        selection,
        group_by=settings["group_by"],
        baseline=settings["baseline"],
        threshold=settings["threshold"],
    )
    files = write_report(comparison, draw_all(comparison), selection.output)
    print(describe(comparison))
    print(f"Report    {files[0]}")
    if selection.parent_id is None:
        print("Kept in this folder alone: these are not the trials of one run in MLflow.")
    else:  # file by file: output=FOLDER may hold others
        for file in files:
            history.client.log_artifact(selection.parent_id, str(file), FOLDER)
    if settings["save_best"] is not None:
        path = save_best(settings["save_best"], comparison, may_overwrite=settings["overwrite"])
        print(f"Saved     {path}\nRun it    python run.py experiment={settings['save_best']}")
    return OK


def describe(comparison: Comparison) -> str:
    """Return the few lines that a person reads: the finding, and the first rows of the table."""
    lines = [words.finding(comparison.rows, comparison.baseline), ""]
    rows = comparison.rows[:_MOST_LINES]
    width = max(len(row.group.label) for row in rows)
    for row in rows:
        name = row.group.label.ljust(width)
        if row.scores is None:
            lines.append(f"  {name}  {words.NOT_SCORED} ({words.states(row.group) or 'finished'})")
            continue
        mean = row.scores["mean"]
        cells = [f"{words.number(mean.value):>6}  ({words.interval(mean)})", f"n={row.group.num_seeds}"]
        if row.contrast is not None:
            cells += [words.signed(row.contrast.gain.value), words.verdict(row.contrast)]
        elif row.group is comparison.baseline:
            cells.append("baseline")
        lines.append(f"  {name}  {'  '.join(cells)}")
    if len(comparison.rows) > len(rows):
        lines.append(f"  … and {words.plural(len(comparison.rows) - len(rows), 'group')} more in the report")
    lines += ["", *(f"note: {note}" for note in comparison.notes)]
    return "\n".join(lines).rstrip()


if __name__ == "__main__":
    register_compare_schema()
    run_app(main, config_name="compare")
