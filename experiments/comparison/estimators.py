"""The statistics of Agarwal et al. 2021 on the returns of groups, as functions of how often seeds and tracks count.

Source: "Deep Reinforcement Learning at the Edge of the Statistical Precipice", sections 4.2 and 4.3, and their library
rliable 1.2 (`rliable.metrics`), with which the tests compare; that library itself needs arch < 8, which does not import
beside pandas 3.
"""

from collections.abc import Sequence

import numpy as np

from experiments.comparison.bootstrap import Counts
from experiments.comparison.results import Array

SUMMARY = ("mean", "iqm", "p10")


class PooledReturns:
    """The returns `(S, T)` of one group, S seeds on T tracks, sorted once: resamples then only count."""

    def __init__(self, returns: Array) -> None:
        self._returns = returns
        order = np.argsort(returns, axis=None, kind="stable")
        self._sorted = returns.ravel()[order]
        self._seeds, self._tracks = np.unravel_index(order, returns.shape)

    def summary(self, seeds: Sequence[Counts], tracks: Counts) -> Array:
        """Return mean, interquartile mean and tenth percentile `(B, 3)` of the drives, in the order of `SUMMARY`.

        The interquartile mean leaves out the worst and the best quarter, rounded down, as `scipy.stats.trim_mean` does;
        the percentile is interpolated linearly between neighbours, as `numpy.percentile` does.
        """
        totals = self._cumulated(seeds[0], tracks)
        count = self._returns.size  # of every resample too
        cut = count // 4
        clipped = np.clip(totals, cut, count - cut)
        inner = np.diff(clipped, axis=1, prepend=np.int64(cut)).astype(np.float64)
        mean = np.einsum("bs,bt,st->b", seeds[0], tracks, self._returns, optimize=True) / count
        iqm = inner @ self._sorted / (count - 2 * cut)
        return np.stack([mean, iqm, self._tenth_percentile(totals)], axis=1)

    def shares_above(self, thresholds: Array, seeds: Sequence[Counts], tracks: Counts) -> Array:
        """Return which share `(B, K)` of the drives brought more than each threshold `(K,)`: a performance profile."""
        totals = self._cumulated(seeds[0], tracks)
        below = np.searchsorted(self._sorted, thresholds, side="right")
        padded = np.concatenate([np.zeros((len(totals), 1), np.int64), totals], axis=1)
        return np.asarray(1.0 - padded[:, below] / self._returns.size, np.float64)

    def _cumulated(self, seeds: Counts, tracks: Counts) -> Counts:
        return np.cumsum(seeds[:, self._seeds] * tracks[:, self._tracks], axis=1)

    def _tenth_percentile(self, totals: Counts) -> Array:
        place = 0.1 * (self._returns.size - 1)
        low, high = (self._sorted[(totals <= rank).sum(axis=1)] for rank in (np.floor(place), np.ceil(place)))
        return np.asarray(low + (place - np.floor(place)) * (high - low))


class PairedReturns:
    """The returns `(S, T)` and `(R, T)` of two groups on the same T tracks."""

    def __init__(self, returns: Array, others: Array) -> None:
        self._returns, self._others = returns, others
        ours, theirs = returns[:, None, :], others[None, :, :]
        self._wins = (ours > theirs) + 0.5 * (ours == theirs)  # (S, R, T)

    def comparison(self, seeds: Sequence[Counts], tracks: Counts) -> Array:
        """Return the difference of the means, and the probability of improvement, `(B, 2)`.

        The latter is how often a policy of the first group beats one of the second on a track, averaged over all pairs
        of policies and over tracks; a tie is half a win.
        """
        mine, other = seeds
        means = np.einsum("bs,bt,st->b", mine, tracks, self._returns, optimize=True) / self._returns.size
        others = np.einsum("bs,bt,st->b", other, tracks, self._others, optimize=True) / self._others.size
        num_mine, num_other, num_tracks = self._wins.shape
        wins = (tracks @ self._wins.reshape(-1, num_tracks).T).reshape(-1, num_mine, num_other)
        share = np.einsum("br,bs,bsr->b", other, mine, wins, optimize=True) / self._wins.size
        return np.stack([means - others, share], axis=1)
