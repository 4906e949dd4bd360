"""How pictures look: two themes, two widths, and colours that people with other eyes tell apart too."""

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
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


def to_png(figure: "Figure") -> bytes:
    """Return the picture as a PNG of 256 colours, a third of the size."""
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    small = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    packed = io.BytesIO()
    small.save(packed, format="png", optimize=True)
    return packed.getvalue()
