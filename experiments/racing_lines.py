"""Where cars drove, seen from above: the line over the road, coloured by speed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from envs.contract import POSITION_M, ROAD_EDGES, SPEED_MPS
from experiments.drive import Episode

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BACKGROUND, _ROAD, _INK, _FAINT = "#14181d", "#333b45", "#f2f4f7", "#8a94a0"
_COLOURS = "plasma"
_MARGIN = 12.0  # metres around road and line
_INCHES = 5.2  # of a panel's side


@dataclass
class Trace:
    """Where one episode led.

    Attributes:
        positions: `(2,)` in metres, one a decision; none where the env does not tell them.
        speeds: of the same moments, metres a second.
        road: `(2, N, 2)` left and right edge of the closed road in metres, or None.
    """

    positions: list[npt.ArrayLike] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    road: npt.NDArray[np.float64] | None = None

    def add(self, env: gym.Env[Any, Any], info: Mapping[str, Any]) -> None:
        """Note what a decision's `info` says, and the road that the env knows of."""
        if POSITION_M not in info:
            return
        if self.road is None and env.has_wrapper_attr(ROAD_EDGES):
            self.road = env.get_wrapper_attr(ROAD_EDGES)
        self.positions.append(info[POSITION_M])
        self.speeds.append(float(info[SPEED_MPS]))


def draw_racing_lines(driven: Sequence[tuple[str, Episode, Trace]], out: Path) -> bool:
    """Draw a panel for each episode, with one scale of speeds for all.

    Args:
        driven: a word for the episode (`best`), what it came to, and where it led.
        out: a PNG.

    Returns:
        Whether there was anything to draw: envs that tell no positions give no picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    shown = [(word, episode, trace) for word, episode, trace in driven if len(trace.positions) > 1]
    if not shown:
        return False
    fastest = max(max(trace.speeds) for _, _, trace in shown) * 3.6
    figure = Figure(figsize=(_INCHES * len(shown), _INCHES + 1.0), dpi=130, facecolor=_BACKGROUND)
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    figure.subplots_adjust(left=0.02, right=0.98, top=0.88, bottom=0.12, wspace=0.04)
    for axes, (word, episode, trace) in zip(panels, shown, strict=True):
        lines = _draw_line(axes, trace, Normalize(0.0, fastest))
        axes.set_title(_title(word, episode), color=_INK, fontsize=13, fontweight="bold")
    bar = figure.colorbar(lines, cax=figure.add_axes((0.35, 0.065, 0.3, 0.022)), orientation="horizontal")
    bar.outline.set_visible(False)  # type: ignore[operator] # matplotlib types it as what it is a container of
    bar.ax.tick_params(colors=_FAINT, labelsize=9, length=0)
    bar.set_label("km/h", color=_FAINT, fontsize=9)
    unfinished = out.with_name(f".{out.name}")
    figure.savefig(unfinished, format="png", facecolor=_BACKGROUND)
    unfinished.replace(out)
    return True


def _draw_line(axes: "Axes", trace: Trace, norm: Any) -> Any:
    from matplotlib.collections import LineCollection, PolyCollection

    points = np.array(trace.positions, np.float64)
    if trace.road is not None:
        left, right = trace.road
        stretches = np.stack([left, right, np.roll(right, -1, axis=0), np.roll(left, -1, axis=0)], axis=1)
        axes.add_collection(PolyCollection(list(stretches), facecolors=_ROAD, edgecolors=_ROAD, linewidths=0.5))
    lines = LineCollection(
        list(np.stack([points[:-1], points[1:]], axis=1)),
        cmap=_COLOURS,
        norm=norm,
        array=np.array(trace.speeds[1:]) * 3.6,
        linewidths=2.2,
        capstyle="round",
    )
    axes.add_collection(lines)
    axes.plot(*points[0], "o", color=_INK, ms=5)
    axes.plot(*points[-1], "X", color=_INK, ms=7)
    everything = points if trace.road is None else np.concatenate([points, *trace.road])
    middle, half = (everything.max(0) + everything.min(0)) / 2, np.ptp(everything, axis=0).max() / 2 + _MARGIN
    axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half), aspect="equal")
    axes.set_facecolor(_BACKGROUND)
    axes.set_axis_off()
    return lines


def _title(word: str, episode: Episode) -> str:
    lap = f"  ·  lap {episode.lap_time_s:.2f} s" if episode.lap_time_s is not None else ""
    return f"{word} {episode.episode_return:.0f}  ·  seed {episode.seed}{lap}"
