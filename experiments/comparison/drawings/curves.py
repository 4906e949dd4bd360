"""The picture of learning curves: a line and a band for each group, against frames or minutes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from experiments.comparison.curves import FRAMES, GroupCurve
from experiments.comparison.drawings.labels import label_ends, label_width, legend_height, shorten
from experiments.comparison.drawings.look import Look, head, stands_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_curves(
    curves: Sequence[GroupCurve],
    ranks: Mapping[str, int | None],
    threshold: float | None,
    axis: str,
    look: Look,
) -> "Figure | None":
    """Return the picture; None where nothing was trained.

    Args:
        curves: of groups.
        ranks: which colour each group has, by label.
        threshold: a return to mark.
        axis: what the curves are over.
        look: of the picture.
    """
    from matplotlib.ticker import EngFormatter, MaxNLocator

    if not curves:
        return None
    named = [curve for curve in curves if stands_out(ranks[curve.group.label])]
    names = {curve.group.label: shorten(curve.group.label, 40) for curve in named}
    below = legend_height(look, len(named))
    figure, axes = look.figure(
        (3.6 if look.is_narrow else 4.6) + below,
        left=0.62 if look.is_narrow else 0.75,
        right=label_width(look, list(names.values())),
        top=0.15 if look.is_narrow else 0.55,
        bottom=0.6 + below,
    )
    for curve in sorted(curves, key=lambda curve: stands_out(ranks[curve.group.label])):
        _draw_curve(axes, curve, look.color(ranks[curve.group.label]), stands_out(ranks[curve.group.label]), look)
    axes.grid(axis="y", lw=0.8)
    axes.set(ylabel="training return", xlabel="environment frames" if axis == FRAMES else "training time (minutes)")
    axes.xaxis.set_major_locator(MaxNLocator(5 if look.is_narrow else 7, steps=[1, 2, 5, 10]))
    if axis == FRAMES:
        axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.set_xlim(left=0)
    axes.margins(x=0.02)
    _draw_threshold(axes, threshold, look)
    label_ends(
        axes, look, [(_end(curve), names[curve.group.label], look.color(ranks[curve.group.label])) for curve in named]
    )
    most = max(curve.num_trials for curve in curves)
    band = ", band: lowest to highest trial" if most > 1 else ""
    others = f"; grey: {len(curves) - len(named)} other groups" if len(named) < len(curves) else ""
    head(figure, look, f"Training return, mean of a group's trials{band}{others}")
    return figure


def _draw_curve(axes: "Axes", curve: GroupCurve, color: str, is_named: bool, look: Look) -> None:
    alpha = 1.0 if is_named else 0.55
    marker = "o" if len(curve.x) == 1 else ""
    axes.plot(curve.x, curve.mean, color=color, lw=1.8 if is_named else 0.8, alpha=alpha, marker=marker, ms=4)
    if is_named and curve.num_trials > 1:
        axes.fill_between(curve.x, curve.low, curve.high, color=color, alpha=0.16, lw=0)
    for x, y in curve.rests:
        axes.plot(x, y, color=color, lw=0.9, alpha=0.75 * alpha)
    for end_x, end_y, has_failed in curve.ends:
        axes.plot(
            [end_x], [end_y], "X" if has_failed else "s", color=color, ms=7 if has_failed else 4, mec=look.theme.paper
        )


def _end(curve: GroupCurve) -> float:
    """Return the height at which a group's lines end at the right."""
    _, returns = max([(curve.x, curve.mean), *curve.rests], key=lambda line: line[0][-1])
    return float(returns[-1])


def _draw_threshold(axes: "Axes", threshold: float | None, look: Look) -> None:
    if threshold is None:
        return
    axes.axhline(threshold, color=look.theme.faint, lw=1, ls=(0, (4, 3)), zorder=0)
    axes.annotate(
        f"threshold {threshold:.0f}" if abs(threshold) >= 10 else f"threshold {threshold:.2g}",
        (0.01, threshold),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        fontsize=8.5,
        color=look.theme.faint,
    )
