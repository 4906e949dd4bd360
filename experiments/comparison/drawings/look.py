"""How pictures look: two themes, two widths, and colours that people with other eyes tell apart too."""

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from experiments.comparison.groups import Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Color = str | tuple[float, float, float, float]


@dataclass(frozen=True)
class Theme:
    """Colours for one kind of page.

    Attributes:
        name: `light` or `dark`.
        paper: behind everything.
        ink: of words and of the baseline.
        faint: of what is beside the point.
        grid: of lines that lead the eye.
        colors: of groups, by rank. Source: Okabe & Ito 2008, without black, and each without what its paper swallows.
        map_range: the part of a colour map that shows on the paper, 0..1.
    """

    name: str
    paper: str
    ink: str
    faint: str
    grid: str
    colors: tuple[str, ...]
    map_range: tuple[float, float]


LIGHT = Theme(
    name="light",
    paper="#ffffff",
    ink="#1f2933",
    faint="#77828f",
    grid="#e4e8ec",
    colors=("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    map_range=(0.0, 0.85),
)
DARK = Theme(
    name="dark",
    paper="#171b21",
    ink="#e6eaef",
    faint="#8c97a5",
    grid="#2b323b",
    colors=("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00"),
    map_range=(0.2, 1.0),
)
MOST_COLORS = len(LIGHT.colors)
COLOR_MAP = "viridis"


@dataclass(frozen=True)
class Look:
    """A theme and a width."""

    theme: Theme
    is_narrow: bool = False

    @property
    def width(self) -> float:
        """Width of a picture, in inches; a narrow one fills a phone, and its words are as large there."""
        return 4.0 if self.is_narrow else 9.0

    def figure(self, height: float, *, left: float, right: float, top: float, bottom: float) -> tuple["Figure", "Axes"]:
        """Return a figure of `height` inches with axes inside margins, all in inches."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(self.width, height), dpi=190 if self.is_narrow else 150)
        FigureCanvasAgg(figure)  # no pyplot: it would keep every figure, and look for a display
        inside = (self.width - left - right) / self.width, (height - top - bottom) / height
        axes = figure.add_axes((left / self.width, bottom / height, *inside))
        axes.set_axisbelow(True)
        return figure, axes

    def styled(self) -> AbstractContextManager[None]:
        """Return the context in which everything of a picture is drawn: words get the theme's colours."""
        import matplotlib as mpl  # costs 0.3 s

        theme = self.theme
        style: dict[Any, Any] = {
            "axes.edgecolor": theme.faint,
            "axes.facecolor": theme.paper,
            "axes.labelcolor": theme.ink,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "figure.facecolor": theme.paper,
            "font.size": 9.5 if self.is_narrow else 10.5,
            "grid.color": theme.grid,
            "text.color": theme.ink,
            "xtick.color": theme.ink,
            "ytick.color": theme.ink,
        }
        return mpl.rc_context(style)

    def color(self, rank: int | None) -> str:
        """Return the colour of the group of a rank; None is the baseline's, and late ranks share the faint one."""
        if rank is None:
            return self.theme.ink
        return self.theme.colors[rank] if rank < MOST_COLORS else self.theme.faint


def rank_groups(ordered: Sequence[Group], baseline: Group) -> dict[str, int | None]:
    """Return which colour each group gets, by label: the best ones their own, the baseline that of the ink."""
    others = [group for group in ordered if group is not baseline]
    return {group.label: rank for rank, group in enumerate(others)} | {baseline.label: None}


def stands_out(rank: int | None) -> bool:
    """Whether a group of this rank has a colour of its own."""
    return rank is None or rank < MOST_COLORS


def head(figure: "Figure", look: Look, title: str) -> None:
    """Write what a picture shows above it; on a phone the page says it."""
    if not look.is_narrow:
        width, height = figure.get_size_inches()
        figure.text(0.15 / width, 1 - 0.27 / height, title, fontsize=11.5, fontweight="bold")


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


def to_png(figure: "Figure") -> bytes:
    """Return the picture as a PNG of 256 colours, a third of the size."""
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    small = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    packed = io.BytesIO()
    small.save(packed, format="png", optimize=True)
    return packed.getvalue()
