"""The table of a comparison: a row for each group, with its score, its interval and what it gained on the baseline."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.comparison.bootstrap import LEVEL, Bootstrap
from experiments.comparison.estimators import SUMMARY, PairedReturns, PooledReturns
from experiments.comparison.groups import Group
from experiments.comparison.thresholds import Reached, frames_to_threshold

# What a difference is, once the tracks, the seeds and the number of comparisons are allowed for.
GAIN, LOSS, NOISE = "gain", "loss", "within noise"


@dataclass(frozen=True)
class Estimate:
    """A number with the interval that holds the true one in 95 of 100 cases."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Contrast:
    """A group against the baseline, on the same tracks.

    Attributes:
        gain: difference of the mean returns.
        improvement: probability that it drives a track better than the baseline.
        verdict: `GAIN`, `LOSS` or `NOISE`.
        has_seeds: whether both have several seeds; if not, the interval knows tracks only.
    """

    gain: Estimate
    improvement: Estimate
    verdict: str
    has_seeds: bool


@dataclass(frozen=True, eq=False)
class Row:
    """A group in the table.

    Attributes:
        group: which one.
        scores: `mean`, `iqm` and `p10` of the drives; None where no trial was scored.
        contrast: None for the baseline, and where one of the two was not scored.
        wall_s: mean training time of a trial, in seconds.
        frames: mean of a trial.
        frames_per_s: mean of the trials.
        reached: frames to the threshold; None without one.
    """

    group: Group
    scores: dict[str, Estimate] | None
    contrast: Contrast | None
    wall_s: float | None
    frames: float | None
    frames_per_s: float | None
    reached: Reached | None


def make_rows(groups: Sequence[Group], baseline: Group, threshold: float | None, bootstrap: Bootstrap) -> list[Row]:
    """Return a row for each group, the best mean score first, those without a score last.

    The verdicts hold together: with k groups beside the baseline each has to leave out zero at 1 - 0.05 / k
    (Bonferroni), or among enough groups one would always look better.
    """
    num_comparisons = sum(bool(group.scored) for group in groups if group is not baseline)
    rows = []
    for group in groups:
        has_contrast = group is not baseline and group.scored and baseline.scored
        rows.append(
            Row(
                group=group,
                scores=_scores(group, bootstrap) if group.scored else None,
                contrast=_contrast(group, baseline, num_comparisons, bootstrap) if has_contrast else None,
                wall_s=_mean([trial.wall_s for trial in group.trials]),
                frames=_mean([trial.num_frames for trial in group.trials]),
                frames_per_s=_mean([trial.frames_per_s for trial in group.trials]),
                reached=None if threshold is None else frames_to_threshold(group, threshold),
            )
        )
    return sorted(rows, key=lambda row: (row.group.mean, row.group.last_return), reverse=True)


def _scores(group: Group, bootstrap: Bootstrap) -> dict[str, Estimate]:
    num_seeds, num_tracks = group.scores.shape
    found = bootstrap.intervals(PooledReturns(group.scores).summary, [num_seeds], num_tracks)
    return {
        name: Estimate(float(value), float(low), float(high))
        for name, value, low, high in zip(SUMMARY, found.estimate, found.low, found.high, strict=True)
    }


def _contrast(group: Group, baseline: Group, num_comparisons: int, bootstrap: Bootstrap) -> Contrast:
    paired = PairedReturns(group.scores, baseline.scores)
    sizes, num_tracks = [group.num_seeds, baseline.num_seeds], group.scores.shape[1]
    found = bootstrap.intervals(paired.comparison, sizes, num_tracks)
    strict = bootstrap.intervals(paired.comparison, sizes, num_tracks, level=1 - (1 - LEVEL) / num_comparisons)
    verdict = GAIN if strict.low[0] > 0 else LOSS if strict.high[0] < 0 else NOISE
    gain, improvement = (
        Estimate(float(found.estimate[k]), float(max(found.low[k], bottom)), float(min(found.high[k], top)))
        for k, (bottom, top) in enumerate([(-np.inf, np.inf), (0.0, 1.0)])
    )
    return Contrast(gain, improvement, verdict, has_seeds=min(sizes) > 1)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
