"""Names of lines: beside the axes of wide pictures, below those of narrow ones."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from experiments.comparison.drawings.look import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return heights near the wanted ones, at least `gap` apart where there is room, within `low` and `high`."""
    if not wanted:
        return []
    gap = min(gap, (high - low) / max(1, len(wanted) - 1))
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    places = [min(max(wanted[index], low), high) for index in order]
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + gap)
    places[-1] = min(places[-1], high)
    for index in range(len(places) - 2, -1, -1):
        places[index] = min(places[index], places[index + 1] - gap)
    assert all(after - before >= gap - 1e-9 for before, after in pairwise(places))
    return [place for _, place in sorted(zip(order, places, strict=True))]


def label_ends(axes: "Axes", look: Look, ends: Sequence[tuple[float, str, str]]) -> None:
    """Write names at the right end of lines: `(y, name, colour)`; on a phone below the axes, where there is room."""
    if look.is_narrow:
        _label_below(axes, ends)
        return
    low, high = axes.get_ylim()
    points = axes.get_window_extent().height * 72 / axes.figure.dpi
    places = spread([y for y, _, _ in ends], 13 * (high - low) / points, low, high)
    for (y, name, color), place in zip(ends, places, strict=True):
        axes.annotate(
            name,
            xy=(1.0, y),
            xytext=(1.03, place),
            xycoords=("axes fraction", "data"),
            textcoords=("axes fraction", "data"),
            va="center",
            fontsize=9.5,
            color=color,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "lw": 0.6, "shrinkA": 1, "shrinkB": 1, "relpos": (0, 0.5)},
        )


def _label_below(axes: "Axes", ends: Sequence[tuple[float, str, str]]) -> None:
    from matplotlib.lines import Line2D

    ordered = sorted(ends, reverse=True)
    handles = [Line2D([], [], color=color, lw=2) for _, _, color in ordered]
    height = axes.get_window_extent().height / axes.figure.dpi
    axes.legend(
        handles,
        [name for _, name, _ in ordered],
        loc="upper left",
        bbox_to_anchor=(-0.12, -0.5 / height),
        frameon=False,
        fontsize=9,
        labelcolor=[color for _, _, color in ordered],
        handlelength=1.2,
        borderaxespad=0.0,
    )


def legend_height(look: Look, num_names: int) -> float:
    """Return the inches that names below the axes take."""
    return 0.2 * num_names if look.is_narrow else 0.0


def label_width(look: Look, names: Sequence[str]) -> float:
    """Return the inches that names beside the axes take."""
    return 0.15 if look.is_narrow else min(3.2, 0.45 + 0.077 * max((len(name) for name in names), default=0))


def shorten(name: str, most: int) -> str:
    """Return a name of at most `most` letters."""
    return name if len(name) <= most else f"{name[: most - 1]}…"
