"""The picture of importances: a bar for each swept key, and a mark for what chance reaches."""

from typing import TYPE_CHECKING

from experiments.comparison.drawings.labels import shorten
from experiments.comparison.drawings.look import Look, head
from experiments.comparison.importance import Importances
from experiments.comparison.values import short_keys

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_importance(importances: Importances, look: Look) -> "Figure | None":
    """Return the picture; None where there is nothing to say."""
    from matplotlib.ticker import PercentFormatter

    if not importances.keys:
        return None
    short = short_keys([one.key for one in importances.keys])
    names = [shorten(short[one.key], 30) for one in importances.keys]
    top = 0.2 if look.is_narrow else 0.6
    figure, axes = look.figure(
        top + 0.7 + 0.42 * len(names),
        left=0.35 + 0.085 * max(map(len, names)),
        right=0.5,
        top=top,
        bottom=0.7,
    )
    for place, one in enumerate(importances.keys):
        passes = one.share > one.chance
        color = look.theme.colors[0] if passes else look.theme.faint
        axes.barh(-place, one.share, height=0.55, color=color, alpha=0.9 if passes else 0.5)
        axes.plot([one.chance, one.chance], [-place - 0.4, -place + 0.4], color=look.theme.ink, lw=1.6)
        axes.annotate(
            f"{one.share:.0%}".replace("%", " %"),
            (max(one.share, one.chance), -place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    axes.set_yticks([-place for place in range(len(names))], names)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1.12 * max(max(one.share, one.chance) for one in importances.keys))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set_xlabel(
        "share of the importance" if look.is_narrow else "share of the importance; black: what chance reaches"
    )
    axes.grid(axis="x", lw=0.8)
    head(figure, look, f"What decided the training return of {importances.num_trials} trials (PED-ANOVA)")
    if look.theme.name == "dark":
        axes.set_xlabel(axes.get_xlabel().replace("black", "white"))
    return figure
