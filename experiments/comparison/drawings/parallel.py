"""The picture of parallel coordinates: a line for each trial through the values of its swept keys to its return."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.comparison.drawings.labels import shorten
from experiments.comparison.drawings.look import COLOR_MAP, Color, Look, head
from experiments.comparison.groups import swept_keys
from experiments.comparison.results import Array, TrialResult
from experiments.comparison.values import is_number, order, parse, say, short_keys, spans_magnitudes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_TICKS = 6
_KNOWN_PART = 0.85  # of an axis that has room for missing values
_JITTER = 0.035  # of an axis: trials with the same value of a choice stay apart


@dataclass(frozen=True)
class Scale:
    """Where the values of a key lie on its axis, 0..1.

    Attributes:
        places: of every value, by its text.
        ticks: place and word of those that are named.
        is_choice: whether values have no distances.
    """

    places: dict[str | None, float]
    ticks: list[tuple[float, str]]
    is_choice: bool


def make_scale(texts: Sequence[str | None]) -> Scale:
    """Return the axis for these values: by size where all are numbers, by logarithm where they span a factor of 10.

    Trials without the key, of a conditional space, are above its numbers.
    """
    given = sorted(set(texts), key=order)
    values = [parse(text) for text in given]
    if None in given[1:] and all(is_number(value) for value in values[:-1]):  # what is missing is sorted to the end
        known = make_scale(given[:-1])
        places = {text: _KNOWN_PART * place for text, place in known.places.items()}
        ticks = [(_KNOWN_PART * place, word) for place, word in known.ticks]
        return Scale({**places, None: 1.0}, [*ticks, (1.0, say(None))], known.is_choice)
    if all(is_number(value) for value in values) and len(given) > 1:
        numbers = np.array(values, np.float64)
        is_log = spans_magnitudes(values)
        heights = np.log(numbers) if is_log else numbers
        heights = (heights - heights.min()) / np.ptp(heights) if np.ptp(heights) > 0 else np.full(len(given), 0.5)
        places = {text: float(height) for text, height in zip(given, heights, strict=True)}
        if len(given) <= _MOST_TICKS:
            return Scale(places, [(places[text], say(text)) for text in given], True)
        named = (
            np.linspace(numbers.min(), numbers.max(), 5)
            if not is_log
            else np.geomspace(numbers.min(), numbers.max(), 5)
        )
        return Scale(places, [(k / 4, f"{value:.2g}") for k, value in enumerate(named)], False)
    places = {text: (k / (len(given) - 1) if len(given) > 1 else 0.5) for k, text in enumerate(given)}
    return Scale(places, [(places[text], say(text)) for text in given], True)


def draw_parallel(trials: Sequence[TrialResult], look: Look) -> "Figure | None":
    """Return the picture; None where nothing was swept."""
    keys = [key for key in swept_keys(trials) if len({trial.assigned.get(key) for trial in trials}) > 1]
    trials = [trial for trial in trials if trial.assigned]
    if not keys or not trials:
        return None
    short = short_keys(keys)
    figure, axes = look.figure(
        4.2 if look.is_narrow else 4.8, left=0.55, right=0.75, top=0.6 if look.is_narrow else 0.95, bottom=0.45
    )
    scales = [make_scale([trial.assigned.get(key) for trial in trials]) for key in keys]
    returns = np.array([np.nan if trial.last_return is None else trial.last_return for trial in trials], np.float64)
    marks = _round_marks(returns)
    low, high = marks[0], marks[-1]
    heights = (returns - low) / (high - low)
    for at in np.argsort(np.nan_to_num(heights, nan=-1.0)):  # the best are drawn last, on top
        height = float(heights[at])
        places = [
            scale.places[trials[at].assigned.get(key)] + (_jitter(int(at), len(trials)) if scale.is_choice else 0.0)
            for key, scale in zip(keys, scales, strict=True)
        ]
        _draw_line(axes, [*places, height], trials[at], _color(returns[at], returns, look), look)
    for at, (key, scale) in enumerate(zip(keys, scales, strict=True)):
        _draw_axis(axes, at, shorten(short[key], (40 if look.is_narrow else 100) // (len(keys) + 1)), scale.ticks, look)
    ticks = [((mark - low) / (high - low), f"{mark:g}") for mark in marks]
    _draw_axis(axes, len(keys), "return", ticks, look, is_last=True)
    axes.set(xlim=(-0.05, len(keys) + 0.05), ylim=(-0.12, 1.06))
    axes.axis("off")
    figure.text(0.02, 0.035, _explain(trials, look), fontsize=8.5, color=look.theme.faint)
    head(figure, look, "Every trial's settings and its last training return (colour: return)")
    return figure


def _round_marks(returns: Array) -> list[float]:
    """Return round numbers from below the least return to above the largest."""
    from matplotlib.ticker import MaxNLocator

    known = returns[np.isfinite(returns)]
    if not len(known):
        return [0.0, 1.0]
    margin = 0.0 if np.ptp(known) > 0 else 0.05 * abs(known[0]) or 1.0
    marks = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(known.min() - margin, known.max() + margin)
    return [float(mark) for mark in marks]


def _jitter(index: int, count: int) -> float:
    return _JITTER * (2 * index / max(1, count - 1) - 1)


def _draw_line(axes: "Axes", places: list[float], trial: TrialResult, color: Color, look: Look) -> None:
    height = places[-1]
    if not np.isfinite(height):
        axes.plot(range(len(places) - 1), places[:-1], color=look.theme.faint, lw=1, ls=":")
        axes.plot([len(places) - 1], [-0.08], "X", color=look.theme.faint, ms=7)
        axes.plot([len(places) - 2, len(places) - 1], [places[-2], -0.08], color=look.theme.faint, lw=1, ls=":")
        return
    axes.plot(
        range(len(places)),
        places,
        color=color,
        lw=1.7 if trial.is_whole else 1.0,
        ls="-" if trial.is_whole else (0, (4, 2)),
    )


def _color(value: float, values: Array, look: Look) -> Color:
    """Return the colour of a return among those of all trials."""
    import matplotlib as mpl

    known = values[np.isfinite(values)]
    if not np.isfinite(value):
        return look.theme.faint
    share = (value - known.min()) / np.ptp(known) if np.ptp(known) > 0 else 1.0
    low, high = look.theme.map_range
    return mpl.colormaps[COLOR_MAP](low + (high - low) * share)


def _draw_axis(
    axes: "Axes", at: int, name: str, ticks: list[tuple[float, str]], look: Look, *, is_last: bool = False
) -> None:
    axes.plot([at, at], [-0.05, 1.05], color=look.theme.faint, lw=1)
    axes.annotate(
        name, (at, 1.05), xytext=(0, 6), textcoords="offset points", ha="center", fontweight="bold", fontsize=9
    )
    for place, word in ticks:
        axes.plot([at - 0.015, at + 0.015], [place, place], color=look.theme.ink, lw=1)
        axes.annotate(
            word,
            (at, place),
            xytext=(6 if is_last else -4, 0),
            textcoords="offset points",
            ha="left" if is_last else "right",
            va="center",
            fontsize=8.5,
            bbox={"boxstyle": "round,pad=0.12", "fc": look.theme.paper, "ec": "none", "alpha": 0.8},
            zorder=5,
        )


def _explain(trials: Sequence[TrialResult], look: Look) -> str:
    words = []
    if any(trial.last_return is not None and not trial.is_whole for trial in trials):
        words.append("dashed: stopped early or failed")
    if any(trial.last_return is None for trial in trials):
        words.append("✕ dotted: no return")
    return "   ".join(words)
