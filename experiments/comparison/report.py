"""Writes a comparison down: one page that needs no other file, its pictures, and its numbers."""

import base64
import shlex
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from experiments import folders
from experiments.commit import current_commit
from experiments.comparison import tables, words
from experiments.comparison.bootstrap import RESAMPLES
from experiments.comparison.comparison import Comparison
from experiments.comparison.curves import FRAMES
from experiments.comparison.drawings.gallery import Picture
from experiments.comparison.drawings.look import DARK, LIGHT, rank_groups, stands_out
from experiments.comparison.groups import swept_keys
from experiments.comparison.values import MISSING, say, short_keys

REPORT = "report.html"
_TEMPLATE = Path(__file__).with_name("report.html.j2")


def write_report(comparison: Comparison, pictures: Sequence[Picture], folder: Path) -> list[Path]:
    """Write report, pictures and tables into a folder, made if need be, and return their paths, the report first."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / REPORT]
    folders.write_durably(paths[0], render(comparison, pictures))
    for picture in pictures:
        for word, suffix in (("light", ""), ("dark", "_dark")):
            path = folder / f"{picture.name}{suffix}.png"
            path.unlink(missing_ok=True)  # of an earlier comparison
            if word in picture.pngs:
                path.write_bytes(picture.pngs[word])
                paths.append(path)
    for name, rows in (
        ("groups", tables.group_rows(comparison.rows, comparison.baseline)),
        ("trials", tables.trial_rows([row.group for row in comparison.rows], comparison.trials)),
        ("curves", tables.curve_rows(comparison.curves[FRAMES])),
        ("profiles", tables.profile_rows(comparison.profiles)),
        ("importance", tables.importance_rows(comparison.importances)),
    ):
        paths.append(folder / f"{name}.csv")
        tables.write_csv(paths[-1], rows)
    return paths


def render(comparison: Comparison, pictures: Sequence[Picture]) -> str:
    """Return the page."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        title=comparison.title,
        finding=words.finding(comparison.rows, comparison.baseline),
        basis=words.basis(comparison.rows, comparison.tracks),
        notes=comparison.notes,
        baseline=words.name(comparison.baseline),
        baseline_reason=comparison.baseline_reason,
        threshold=None if comparison.threshold is None else words.number(comparison.threshold),
        group_rows=_group_cells(comparison),
        trial_keys=list(short_keys(swept_keys(comparison.trials)).values()),
        trial_rows=_trial_cells(comparison),
        pictures=[
            {
                "heading": one.heading,
                "alt": one.alt,
                "text": one.text,
                "name": one.name,
                "data": {k: _embed(v) for k, v in one.pngs.items()},
            }
            for one in pictures
        ],
        commit=current_commit(),
        command=" ".join(["python -m experiments.compare", *map(shlex.quote, sys.argv[1:])]),
        date=f"{datetime.now():%Y-%m-%d %H:%M}",
        resamples=f"{RESAMPLES:,}",
        grouped_by=", ".join(comparison.keys),
    )


def _embed(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _group_cells(comparison: Comparison) -> list[dict[str, Any]]:
    ranks = rank_groups([row.group for row in comparison.rows], comparison.baseline)
    cells = []
    for row in comparison.rows:
        rank, scores, contrast = ranks[row.group.label], row.scores, row.contrast
        cells.append(
            {
                "label": row.group.label,
                "description": row.group.description if row.group.description != row.group.label else "",
                "colors": [LIGHT.colors[rank], DARK.colors[rank]] if rank is not None and stands_out(rank) else None,
                "is_baseline": row.group is comparison.baseline,
                "n": f"{row.group.num_seeds} of {len(row.group.trials)}",
                "states": words.states(row.group),
                "scores": {name: (words.number(scores[name].value), words.interval(scores[name])) for name in scores}
                if scores
                else None,
                "gain": (words.signed(contrast.gain.value), words.interval(contrast.gain)) if contrast else None,
                "improvement": words.share(contrast.improvement) if contrast else None,
                "verdict": words.verdict(contrast),
                "verdict_kind": contrast.verdict.split()[0] if contrast else "",
                "wall": words.duration(row.wall_s),
                "frames": words.frames(row.frames),
                "rate": "" if row.frames_per_s is None else f"{row.frames_per_s:,.0f}",
                "reached": words.reached(row.reached, len(row.group.trials)),
            }
        )
    return cells


def _trial_cells(comparison: Comparison) -> list[dict[str, Any]]:
    keys = swept_keys(comparison.trials)
    group_of = {trial.run_id: row.group.label for row in comparison.rows for trial in row.group.trials}
    scores = {
        trial.run_id: float(own.mean())
        for row in comparison.rows
        for trial, own in zip(row.group.scored, row.group.scores, strict=True)
    }
    ordered = sorted(
        comparison.trials,
        key=lambda trial: (
            scores.get(trial.run_id, -float("inf")),
            -float("inf") if trial.last_return is None else trial.last_return,
        ),
        reverse=True,
    )
    return [
        {
            "name": trial.name,
            "group": group_of[trial.run_id],
            "values": [say(trial.assigned.get(key)) for key in keys],
            "seed": trial.tags.get("seed", MISSING),
            "state": trial.state,
            "score": words.number(scores[trial.run_id])
            if trial.run_id in scores
            else "on other tracks"
            if trial.evaluation
            else words.NOT_SCORED,
            "last": MISSING if trial.last_return is None else words.number(trial.last_return),
            "frames": words.frames(trial.num_frames),
            "wall": words.duration(trial.wall_s),
            "run_id": trial.run_id,
        }
        for trial in ordered
    ]
