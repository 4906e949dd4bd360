"""The picture of scores: a line for each group, its mean with the interval, and a mark for each of its policies."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.comparison.drawings.labels import shorten
from experiments.comparison.drawings.look import Look, head
from experiments.comparison.groups import Group
from experiments.comparison.table import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_ROWS = 30


def draw_scores(rows: Sequence[Row], baseline: Group, ranks: Mapping[str, int | None], look: Look) -> "Figure | None":
    """Return the picture; None where no group was scored. Of very many groups the best are drawn, and the baseline."""
    scored = [row for row in rows if row.scores is not None]
    if not scored:
        return None
    drawn = [row for at, row in enumerate(scored) if at < _MOST_ROWS or row.group is baseline]
    names = [shorten(row.group.label, 24 if look.is_narrow else 44) for row in drawn]
    left = 0.25 if look.is_narrow else min(4.0, 0.5 + 0.082 * max(map(len, names)))
    pitch = 0.5 if look.is_narrow else 0.34
    top = 0.15 if look.is_narrow else 0.55
    figure, axes = look.figure(top + 0.65 + pitch * len(drawn), left=left, right=0.55, top=top, bottom=0.65)
    for place, (row, name) in enumerate(zip(drawn, names, strict=True)):
        _draw_row(axes, -place, row, name, look.color(ranks[row.group.label]), look)
    _draw_baseline(axes, drawn, baseline, look)
    axes.set_ylim(-len(drawn) + 0.4, 0.7)
    axes.grid(axis="x", lw=0.8)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("mean return of a drive")
    left_out = f" (the best and the baseline, {len(drawn)} of {len(scored)})" if len(drawn) < len(scored) else ""
    head(figure, look, f"Mean return on unseen tracks{left_out}: bar, 95 % interval; small marks, single policies")
    return figure


def _draw_row(axes: "Axes", place: int, row: Row, name: str, color: str, look: Look) -> None:
    assert row.scores is not None
    estimate = row.scores["mean"]
    axes.plot([estimate.low, estimate.high], [place, place], color=color, lw=5, alpha=0.4, solid_capstyle="butt")
    if row.group.num_seeds > 1:
        means = row.group.scores.mean(axis=1)
        axes.plot(means, np.full(len(means), place), "|", color=color, ms=10, mew=1.3)
    axes.plot([estimate.value], [place], "o", color=color, ms=6, mec=look.theme.paper, mew=0.8)
    count = f"n={row.group.num_seeds}"
    axes.annotate(
        count, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=8.5, color=look.theme.faint
    )
    where = (0.0, place + 0.36) if look.is_narrow else (-0.015, place)
    axes.annotate(
        name,
        where,
        xycoords=("axes fraction", "data"),
        ha="left" if look.is_narrow else "right",
        va="center",
        color=color,
        annotation_clip=False,
    )
    axes.set_yticks([])


def _draw_baseline(axes: "Axes", drawn: Sequence[Row], baseline: Group, look: Look) -> None:
    for row in drawn:
        if row.group is baseline and row.scores is not None:
            axes.axvline(row.scores["mean"].value, color=look.theme.faint, lw=1, ls=(0, (4, 3)), zorder=0)
