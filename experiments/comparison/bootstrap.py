"""Intervals by resampling what was drawn by chance: the seeds of training, and the tracks, which all policies share.

Seeds and tracks are crossed: every policy of a group drives the same tracks. So a resample draws seeds for each group
and *one* set of tracks for all (Owen 2007, "The pigeonhole bootstrap", which never understates the variance of a
crossed design). To draw tracks anew for each seed would treat what makes a track hard as if it averaged out over seeds.
rliable's strata (Agarwal et al. 2021, `StratifiedBootstrap`) draw runs anew for each task, as runs on different Atari
games are different networks; here one network drives all tracks, and its luck would be averaged away.

Resampling three seeds gives too narrow an interval: the variance of a resample is (n - 1) / n of what it should be, and
normal quantiles stand where Student's belong (Hesterberg 2015, "What Teachers Should Know About the Bootstrap", section
4.1). Percentile intervals are therefore stretched about the estimate by both, with Satterthwaite's degrees of freedom
for the mixture of seeds and tracks. With one seed nothing is known about others, and the interval is over tracks only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.stats

from experiments.comparison.results import Array

Counts = npt.NDArray[np.int64]
# From how often each seed of each group `(B, S)` and each track `(B, T)` was drawn, to statistics `(B, K)`.
Statistic = Callable[[Sequence[Counts], Counts], Array]

RESAMPLES = 10_000
LEVEL = 0.95
_VARIANCE_RESAMPLES = 2_000  # enough for variances, of which only the ratio matters
_BLOCK = 2_000_000  # counts held at a time


@dataclass(frozen=True, eq=False)
class Intervals:
    """Estimates of K statistics and what lies around them, each `(K,)`."""

    estimate: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Bootstrap:
    """Draws the same tracks for whatever is asked, so that groups are compared on equal draws.

    Args:
        resamples: how many.
        rng_seed: of the draws.
    """

    resamples: int = RESAMPLES
    rng_seed: int = 0

    def intervals(
        self,
        statistic: Statistic,
        num_seeds: Sequence[int],
        num_tracks: int,
        *,
        level: float = LEVEL,
        bounds: tuple[float, float] = (-np.inf, np.inf),
    ) -> Intervals:
        """Return estimates with intervals that hold the truth with probability `level`.

        Args:
            statistic: from counts to numbers; all ones give the estimate.
            num_seeds: of each group that the statistic is about.
            num_tracks: that all of them drove on.
            level: 0..1.
            bounds: what the statistic can be at most and at least.
        """
        ones = [np.ones((1, size), np.int64) for size in (*num_seeds, num_tracks)]
        estimate = statistic(ones[:-1], ones[-1])[0]
        drawn = self._draw(statistic, num_seeds, num_tracks, self.resamples)
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
        stretch = self._stretch(statistic, num_seeds, num_tracks, drawn.var(axis=0), level)
        return Intervals(
            estimate,
            np.clip(estimate - stretch * (estimate - low), *bounds),
            np.clip(estimate + stretch * (high - estimate), *bounds),
        )

    def _draw(
        self, statistic: Statistic, num_seeds: Sequence[int], num_tracks: int, resamples: int, only: int | None = None
    ) -> Array:
        """Return the statistics of resamples `(resamples, K)`; with `only`, all but one of the factors stay put.

        The factors are the groups' seeds, in their order, and the tracks, which are the last.
        """
        sizes = (*num_seeds, num_tracks)
        rows = max(1, _BLOCK // (num_tracks * max(1, *num_seeds)))
        # The tracks have a stream of their own: their draws do not depend on how many seeds a group has.
        streams = [np.random.default_rng([self.rng_seed, index]) for index in range(1, len(sizes))]
        streams.append(np.random.default_rng([self.rng_seed, 0]))
        parts = []
        for first in range(0, resamples, rows):
            block = min(rows, resamples - first)
            counts = [
                stream.multinomial(size, np.full(size, 1 / size), size=block)
                if only is None or only == index
                else np.ones((block, size), np.int64)
                for index, (size, stream) in enumerate(zip(sizes, streams, strict=True))
            ]
            parts.append(statistic(counts[:-1], counts[-1]))
        return np.concatenate(parts)

    def _stretch(
        self, statistic: Statistic, num_seeds: Sequence[int], num_tracks: int, drawn: Array, level: float
    ) -> Array:
        """Return by how much `(K,)` percentile intervals are too narrow for so few seeds; 1 where there is one each.

        Args:
            statistic: what the intervals are of.
            num_seeds: of each group.
            num_tracks: of all.
            drawn: the variance `(K,)` of the resamples that the percentiles are of.
            level: of the intervals.
        """
        several = [index for index, size in enumerate(num_seeds) if size > 1]
        if not several:
            return np.ones_like(drawn)
        factors = (*several, len(num_seeds))
        alone = {
            index: self._draw(statistic, num_seeds, num_tracks, _VARIANCE_RESAMPLES, only=index).var(axis=0)
            for index in factors
        }
        of_seeds = {index: alone[index] * num_seeds[index] / (num_seeds[index] - 1) for index in several}
        total = alone[len(num_seeds)] + sum(of_seeds.values())
        # Tracks are many: they count as known exactly.
        spread = sum(variance**2 / (num_seeds[index] - 1) for index, variance in of_seeds.items())
        with np.errstate(divide="ignore", invalid="ignore"):
            freedom = np.where(spread > 0, total**2 / spread, np.inf)
            quantiles = scipy.stats.t.ppf((1 + level) / 2, freedom) / scipy.stats.norm.ppf((1 + level) / 2)
            stretch = quantiles * np.sqrt(total / drawn)
        return np.where(drawn > 0, stretch, 1.0)
