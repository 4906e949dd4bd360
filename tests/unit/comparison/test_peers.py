"""The statistics of comparisons against rliable's, where that is installed (it needs arch < 8 and pandas < 3)."""

import numpy as np
import pytest

from experiments.comparison.bootstrap import Bootstrap
from experiments.comparison.estimators import PairedReturns, PooledReturns

library = pytest.importorskip("rliable.library", exc_type=ImportError)
metrics = pytest.importorskip("rliable.metrics", exc_type=ImportError)


@pytest.fixture
def returns():
    return np.random.default_rng(8).gamma(4.0, 200.0, size=(4, 30))


def ones(*sizes):
    return [np.ones((1, size), np.int64) for size in sizes]


def test_interquartile_mean(returns):
    seeds, tracks = ones(4, 30)
    assert PooledReturns(returns).summary([seeds], tracks)[0, 1] == pytest.approx(metrics.aggregate_iqm(returns))


def test_probability_of_improvement(returns):
    others = np.random.default_rng(9).gamma(4.0, 210.0, size=(3, 30))
    mine, other, tracks = ones(4, 3, 30)
    found = PairedReturns(returns, others).comparison([mine, other], tracks)[0, 1]
    assert found == pytest.approx(metrics.probability_of_improvement(returns, others))


def test_performance_profile(returns):
    thresholds = np.linspace(0, 2000, 21)
    seeds, tracks = ones(4, 30)
    found = PooledReturns(returns).shares_above(thresholds, [seeds], tracks)[0]
    np.testing.assert_allclose(found, library.score_distributions(returns, thresholds))


def test_interval_over_tracks(returns):
    # One seed, tracks resampled: the one design that both know.
    one = returns[:1]
    _, peer = library.get_interval_estimates(
        {"one": one.T}, lambda scores: np.array([metrics.aggregate_mean(scores)]), reps=20_000
    )
    found = Bootstrap().intervals(PooledReturns(one).summary, [1], 30)
    half = float(np.ptp(peer["one"][:, 0])) / 2
    assert found.low[0] == pytest.approx(peer["one"][0, 0], abs=0.05 * half)
    assert found.high[0] == pytest.approx(peer["one"][1, 0], abs=0.05 * half)
