"""The two pictures of a run: how the return grew with training, and how the returns of the evaluation spread."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments import metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK = "#1f2933"
_FAINT = "#8a94a0"
_TRAINING = "#86a3c1"
_EVALUATION = "#c8502b"
_BARS = "#b9c9da"
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "white",
    "font.size": 11.0,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}
_MINUTES_BETWEEN_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1440)
_LEFT = 0.085  # of the width: where axes and words begin
_ROUND = (1, 2, 5, 10)  # steps between ticks
_COLUMNS = (
    metrics.FRAMES,
    metrics.WALL_S,
    metrics.RETURN_MEAN,
    metrics.EVAL_RETURN_MEAN,
    metrics.EVAL_RETURN_P10,
)

Columns = dict[str, npt.NDArray[np.float64]]


def draw_curve(progress_csv: Path, out: Path, *, title: str) -> None:
    """Draw training and evaluation return against environment frames, with the minutes along the top.

    Args:
        progress_csv: with the columns of `experiments.metrics`; empty cells and absent columns leave gaps, and a file
            without rows gives a picture that says so.
        out: a PNG.
        title: names the run.
    """
    from matplotlib.ticker import EngFormatter, MaxNLocator

    figure, axes = _figure(top=0.78)
    columns = _read_progress(progress_csv)
    frames = columns[metrics.FRAMES]
    _draw_training(axes, frames, columns[metrics.RETURN_MEAN])
    _draw_evaluations(axes, frames, columns[metrics.EVAL_RETURN_MEAN], columns[metrics.EVAL_RETURN_P10])
    if len(axes.lines) + len(axes.collections):
        axes.legend(frameon=False, labelcolor=_INK, loc="lower right")
    else:
        axes.text(0.5, 0.5, "no episode has ended yet", transform=axes.transAxes, ha="center", color=_FAINT)
        axes.set_yticks([])
    axes.set(xlabel="environment frames", ylabel="return of an episode")
    axes.set_xlim(0, max([1.0, *frames]) * 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=_ROUND))
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    _draw_minutes(axes, frames, columns[metrics.WALL_S])
    _save(figure, out, title, _describe_curve(columns))


def _read_progress(path: Path) -> Columns:
    """Return the columns that the curve needs, `(rows,)` each, NaN where the file says nothing.

    A resumed run goes on from its checkpoint, so it repeats frames: of two stretches the later one counts.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = [{name: _number(row.get(name)) for name in _COLUMNS} for row in csv.DictReader(file)]
    kept: list[dict[str, float]] = []
    for row in reversed(rows):
        if np.isfinite(row[metrics.FRAMES]) and (not kept or row[metrics.FRAMES] < kept[-1][metrics.FRAMES]):
            kept.append(row)
    return {name: np.array([row[name] for row in reversed(kept)], dtype=np.float64) for name in _COLUMNS}


def _number(cell: str | None) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return float("nan")  # the last line of a run that was killed while writing


def _draw_training(axes: "Axes", frames: npt.NDArray[np.float64], returns: npt.NDArray[np.float64]) -> None:
    known = np.isfinite(returns)
    if known.any():
        marker = "o" if known.sum() == 1 else ""
        axes.plot(frames[known], returns[known], color=_TRAINING, lw=2, marker=marker, label="training, mean")


def _draw_evaluations(
    axes: "Axes",
    frames: npt.NDArray[np.float64],
    means: npt.NDArray[np.float64],
    p10s: npt.NDArray[np.float64],
) -> None:
    known = np.isfinite(means)
    if not known.any():
        return
    with_p10 = known & np.isfinite(p10s)
    if with_p10.any():
        axes.vlines(
            frames[with_p10],
            p10s[with_p10],
            means[with_p10],
            color=_EVALUATION,
            alpha=0.3,
            lw=4,
            label="evaluation, down to the worst tenth (p10)",
        )
    axes.plot(frames[known], means[known], color=_EVALUATION, lw=1, marker="o", ms=5, label="evaluation, mean")


def _draw_minutes(axes: "Axes", frames: npt.NDArray[np.float64], wall_s: npt.NDArray[np.float64]) -> None:
    known = np.isfinite(wall_s)
    minutes = wall_s[known] / 60
    if len(minutes) < 2 or minutes[-1] <= 0:
        return
    between = next((step for step in _MINUTES_BETWEEN_TICKS if minutes[-1] / step <= 8), _MINUTES_BETWEEN_TICKS[-1])
    ticks = np.arange(between, minutes[-1] + 1e-9, between)
    top = axes.secondary_xaxis("top")
    top.set_xticks(np.interp(ticks, minutes, frames[known]), [f"{tick:g}" for tick in ticks])
    top.set_xlabel("wall clock (minutes)", color=_FAINT, fontsize=10)
    top.tick_params(colors=_FAINT, labelsize=9)
    top.spines["top"].set_color(_FAINT)


def _describe_curve(columns: Columns) -> str:
    frames, wall_s = columns[metrics.FRAMES], columns[metrics.WALL_S]
    if not len(frames):
        return "no row yet"
    parts = [f"{frames[-1]:,.0f} frames"]
    if np.isfinite(wall_s).any():
        parts.append(f"{np.nanmax(wall_s) / 60:.1f} minutes")
    for name, word in ((metrics.RETURN_MEAN, "training"), (metrics.EVAL_RETURN_MEAN, "evaluation")):
        known = columns[name][np.isfinite(columns[name])]
        if len(known):
            parts.append(f"last {word} return {_say(known[-1])}")
    return "  ·  ".join(parts)


def draw_returns(evaluation: Mapping[str, Any], out: Path) -> None:
    """Draw how the returns of an evaluation spread: how many episodes came to how much, and where the marks lie.

    Args:
        evaluation: the content of `evaluation.json`.
        out: a PNG.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = _figure(top=0.86)
    returns = np.array(evaluation["returns"], dtype=np.float64)
    low, high = float(returns.min()), float(returns.max())
    width = _bin_width(high - low)
    edges = np.arange(np.floor(low / width), np.floor(high / width) + 2) * width
    counts, _, _ = axes.hist(returns, bins=edges.tolist(), color=_BARS, edgecolor="white", lw=1.5)
    tallest = float(np.max(counts))
    axes.set_ylim(-0.09 * tallest, 1.34 * tallest)  # dots below the bars, words above them
    axes.set_yticks(
        [tick for tick in MaxNLocator(5, integer=True, steps=_ROUND).tick_values(0, tallest) if tick <= tallest]
    )
    axes.set_xlim(edges[0] - 0.12 * np.ptp(edges), edges[-1] + 0.12 * np.ptp(edges))
    axes.plot(returns, np.full(len(returns), -0.045 * tallest), ".", color=_INK, alpha=0.35, ms=7, mew=0, clip_on=False)
    axes.axhline(0, color=_FAINT, lw=0.8)
    if evaluation["ci95_low"] is not None:
        axes.axvspan(evaluation["ci95_low"], evaluation["ci95_high"], 0, 0.82, color=_EVALUATION, alpha=0.15, lw=0)
    _draw_marks(axes, evaluation, tallest)
    axes.set(
        xlabel="return of an episode (a dot each; shaded: the 95 % interval of the mean)", ylabel="number of episodes"
    )
    _save(figure, out, _title_returns(evaluation), _describe_returns(evaluation))


def _draw_marks(axes: "Axes", evaluation: Mapping[str, Any], tallest: float) -> None:
    is_mean_right = evaluation["mean"] > evaluation["median"]  # words point away from the neighbouring line
    marks = (
        ("p10", _INK, ":", 1.06, False),
        ("median", _INK, "--", 1.14, not is_mean_right),
        ("mean", _EVALUATION, "-", 1.22, is_mean_right),
    )
    for word, color, line, level, is_right in marks:
        value = evaluation[word]
        axes.plot([value, value], [level * tallest, 0], color=color, ls=line, lw=1.8)
        axes.annotate(
            f"{word} {_say(value)}",
            (value, level * tallest),
            xytext=(5 if is_right else -5, 0),
            textcoords="offset points",
            ha="left" if is_right else "right",
            va="center",
            color=color,
            fontweight="bold" if word == "mean" else "normal",
        )


def _bin_width(spread: float) -> float:
    """Return a round width that cuts `spread` into at most 24 bars."""
    if spread == 0:
        return 1.0
    return next((width for width in (0.1, 0.5, 1, 2, 5, 10, 20, 25, 50, 100) if spread / width <= 24), spread / 24)


def _say(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


def _title_returns(evaluation: Mapping[str, Any]) -> str:
    title = f"{evaluation['env']}: mean return {_say(evaluation['mean'])}"
    if evaluation["ci95_low"] is not None:
        title += f"  (95 % interval {_say(evaluation['ci95_low'])} to {_say(evaluation['ci95_high'])})"
    return title


def _describe_returns(evaluation: Mapping[str, Any]) -> str:
    count, first_seed = evaluation["episodes"], evaluation["first_seed"]
    parts = [
        f"seed {first_seed}" if count == 1 else f"{count} episodes, seeds {first_seed} to {first_seed + count - 1}",
        f"std {_say(evaluation['std'])}",
        f"min {_say(evaluation['min'])}, max {_say(evaluation['max'])}",
    ]
    if evaluation["share_below_500"] < 1:  # elsewhere the mark of 500 says nothing
        parts.append(f"below 500: {evaluation['share_below_500']:.0%}")
    parts.append(f"lap finished: {evaluation['finish_rate']:.0%}")
    return "  ·  ".join(parts)


def _figure(*, top: float) -> tuple["Figure", "Axes"]:
    """Return a figure whose axes end at `top` (0..1 of its height), below the words of `_save`."""
    import matplotlib as mpl  # costs 0.3 s, and only the end of a run draws
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 5.4), dpi=130)
        FigureCanvasAgg(figure)  # no pyplot: it would keep every figure, and look for a display
        axes = figure.add_axes((_LEFT, 0.12, 0.97 - _LEFT, top - 0.12))
    axes.grid(axis="y", color="#e4e8ec", lw=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _save(figure: "Figure", out: Path, title: str, subtitle: str) -> None:
    figure.text(_LEFT, 0.945, title, fontsize=14, fontweight="bold", color=_INK)
    figure.text(_LEFT, 0.895, subtitle, fontsize=10, color=_FAINT)
    unfinished = out.with_name(f".{out.name}")
    figure.savefig(unfinished, format="png")
    unfinished.replace(out)
