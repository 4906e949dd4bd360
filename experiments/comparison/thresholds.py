"""How many frames trials needed to come as far as a threshold, and what is known where they did not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.comparison.groups import Group
from experiments.comparison.results import TrialResult

_SHARE = 0.9  # of the best group's last training return


@dataclass(frozen=True)
class Reached:
    """The median of a group's trials, in environment frames.

    Attributes:
        frames: the median, or where `is_censored` the least that it can be; None without any trial that trained.
        is_censored: whether trials that ended too early leave it open how large the median is.
        num_reached: how many did.
    """

    frames: float | None
    is_censored: bool
    num_reached: int


def default_threshold(groups: Sequence[Group]) -> float | None:
    """Return 90 % of the best group's last training return (110 % where that is negative); None without any.

    A group's return counts as the mean of its trials that were not stopped early, if it has such.
    """
    finals = []
    for group in groups:
        whole = [trial.last_return for trial in group.trials if trial.has_finished and trial.last_return is not None]
        if whole or np.isfinite(group.last_return):
            finals.append(float(np.mean(whole)) if whole else group.last_return)
    if not finals:
        return None
    best = max(finals)
    return best - (1 - _SHARE) * abs(best)


def first_reached(trial: TrialResult, threshold: float) -> float | None:
    """Return the frames at the first report of a training return of at least `threshold`; None if there is none."""
    reached = np.flatnonzero(trial.curve.returns >= threshold)
    return float(trial.curve.frames[reached[0]]) if len(reached) else None


def frames_to_threshold(group: Group, threshold: float) -> Reached:
    """Return the median over a group's trials; one that ended before it got there needed more than it had."""
    trained = [trial for trial in group.trials if not trial.curve.is_empty]
    if not trained:
        return Reached(None, False, 0)
    firsts = [first_reached(trial, threshold) for trial in trained]
    at_least = [trial.num_frames if first is None else first for trial, first in zip(trained, firsts, strict=True)]
    least = float(np.median(np.array(at_least, np.float64)))
    most = float(np.median([np.inf if first is None else first for first in firsts]))
    return Reached(least, least < most, sum(first is not None for first in firsts))
