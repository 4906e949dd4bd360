"""The picture of performance profiles: which share of a group's drives brought more than a return, for every return."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from experiments.comparison.drawings.labels import label_ends, label_width, legend_height, shorten, spread
from experiments.comparison.drawings.look import Look, head, stands_out
from experiments.comparison.profiles import Profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_profiles(profiles: Sequence[Profile], ranks: Mapping[str, int | None], look: Look) -> "Figure | None":
    """Return the picture; None where no group was scored."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    named = [profile for profile in profiles if stands_out(ranks[profile.group.label])]
    if not named:
        return None
    names = [shorten(profile.group.label, 40) for profile in named]
    below = legend_height(look, len(named))
    figure, axes = look.figure(
        (3.6 if look.is_narrow else 4.6) + below,
        left=0.78 if look.is_narrow else 0.85,
        right=label_width(look, names),
        top=0.15 if look.is_narrow else 0.55,
        bottom=0.6 + below,
    )
    for profile in profiles:
        rank = ranks[profile.group.label]
        color, is_named = look.color(rank), stands_out(rank)
        axes.plot(
            profile.thresholds, profile.share, color=color, lw=1.8 if is_named else 0.7, alpha=1.0 if is_named else 0.5
        )
        if is_named:
            axes.fill_between(profile.thresholds, profile.low, profile.high, color=color, alpha=0.14, lw=0)
    axes.grid(lw=0.8)
    axes.set(xlabel="return τ of a drive", ylabel="share of drives above τ", ylim=(0, 1.02))
    axes.margins(x=0)
    axes.xaxis.set_major_locator(MaxNLocator(5 if look.is_narrow else 8, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    _label(axes, look, named, names, [look.color(ranks[profile.group.label]) for profile in named])
    head(figure, look, "Performance profiles on unseen tracks, band: 95 % interval; higher is better")
    return figure


def _label(axes: "Axes", look: Look, named: Sequence[Profile], names: Sequence[str], colors: Sequence[str]) -> None:
    """Write names where their lines are: beside the axes, ordered by how much of the area lies below each line."""
    areas = [float(profile.share.mean()) for profile in named]
    if look.is_narrow:
        label_ends(axes, look, list(zip(areas, names, colors, strict=True)))
        return
    ordered = sorted(range(len(named)), key=lambda index: -areas[index])
    places = spread([0.96 - 0.062 * place for place in range(len(named))], 0.05, 0.02, 0.98)
    for place, index in zip(places, ordered, strict=True):
        axes.annotate(
            names[index], (1.06, place), xycoords="axes fraction", va="center", fontsize=9.5, color=colors[index]
        )
        axes.plot([1.015, 1.05], [place, place], transform=axes.transAxes, color=colors[index], lw=2, clip_on=False)
