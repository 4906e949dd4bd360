"""Performance profiles of groups, with what chance leaves open."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.comparison.bootstrap import Bootstrap
from experiments.comparison.estimators import PooledReturns
from experiments.comparison.groups import Group
from experiments.comparison.results import Array

_POINTS = 101
_RESAMPLES = 1000  # for a picture's bands


@dataclass(frozen=True, eq=False)
class Profile:
    """Which share of a group's drives brought more than each return; `(P,)` each."""

    group: Group
    thresholds: Array
    share: Array
    low: Array
    high: Array


def make_profiles(groups: Sequence[Group]) -> list[Profile]:
    """Return the profiles of the groups that were scored, over the same returns."""
    scored = [group for group in groups if group.scored]
    if not scored:
        return []
    lowest, highest = (float(edge([edge(group.scores) for group in scored])) for edge in (np.min, np.max))
    margin = 0.02 * (highest - lowest) or 1.0
    thresholds = np.linspace(lowest - margin, highest + margin, _POINTS)
    return [_profile(group, thresholds) for group in scored]


def _profile(group: Group, thresholds: Array) -> Profile:
    pooled = PooledReturns(group.scores)
    found = Bootstrap(_RESAMPLES).intervals(
        lambda seeds, tracks: pooled.shares_above(thresholds, seeds, tracks),
        [group.num_seeds],
        group.scores.shape[1],
        bounds=(0.0, 1.0),
    )
    return Profile(group, thresholds, found.estimate, found.low, found.high)
