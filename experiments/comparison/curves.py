"""Learning curves of groups: the mean of their trials, and the band from the lowest trial to the highest."""

from dataclasses import dataclass

import numpy as np

from experiments.comparison.groups import Group
from experiments.comparison.results import Array, Curve

_POINTS = 200  # of a curve: more than a picture shows

FRAMES, MINUTES = "frames", "minutes"


@dataclass(frozen=True, eq=False)
class GroupCurve:
    """The curve of a group, as far as all its trials got (failed ones aside, unless all failed); `(P,)` each.

    Attributes:
        group: whose.
        x: environment frames, or minutes.
        mean: of the trials' training returns.
        low: the lowest trial's.
        high: the highest trial's.
        num_trials: how many these are of.
        rests: for each trial that trained for longer than the others, x and return from there on, `(R,)` each.
        ends: for each trial that ended early, x and return of its end, and whether it failed.
    """

    group: Group
    x: Array
    mean: Array
    low: Array
    high: Array
    num_trials: int
    rests: list[tuple[Array, Array]]
    ends: list[tuple[float, float, bool]]


def group_curve(group: Group, axis: str) -> GroupCurve | None:
    """Return a group's curve over `FRAMES` or `MINUTES`; None where no trial has one.

    Trials report at other frames each, so their curves are interpolated linearly to common ones.
    """
    lines = [(trial, *points) for trial in group.trials if (points := _points(trial.curve, axis)) is not None]
    if not lines:
        return None
    ends = [(float(x[-1]), float(y[-1]), trial.has_failed) for trial, x, y in lines if not trial.is_whole]
    whole = [line for line in lines if not line[0].has_failed] or lines
    first, last = max(x[0] for _, x, _ in whole), min(x[-1] for _, x, _ in whole)
    grid = np.linspace(first, last, _POINTS) if last > first else np.array([last])
    heights = np.array([np.interp(grid, x, y) for _, x, y in whole])
    rests = []
    for trial, x, y in lines:
        beginning = -np.inf if trial.has_failed and len(whole) < len(lines) else last
        kept = x > beginning
        if kept.any():
            joint = [] if beginning == -np.inf else [(last, float(np.interp(last, x, y)))]
            rests.append((np.array([*(p[0] for p in joint), *x[kept]]), np.array([*(p[1] for p in joint), *y[kept]])))
    return GroupCurve(
        group, grid, heights.mean(axis=0), heights.min(axis=0), heights.max(axis=0), len(whole), rests, ends
    )


def _points(curve: Curve, axis: str) -> tuple[Array, Array] | None:
    x = curve.frames if axis == FRAMES else curve.wall_s / 60
    known = np.isfinite(x)
    return (x[known], curve.returns[known]) if known.any() else None
