"""The statistics of comparisons: by hand, against numpy and scipy on resamples written out, and against theory."""

import numpy as np
import pytest
import scipy.stats

from experiments.comparison.bootstrap import Bootstrap
from experiments.comparison.estimators import PairedReturns, PooledReturns


def ones(*sizes):
    return [np.ones((1, size), np.int64) for size in sizes]


def mean_interval(returns, **more):
    found = Bootstrap(**more).intervals(PooledReturns(returns).summary, [len(returns)], returns.shape[1])
    return found.estimate[0], found.low[0], found.high[0]


def test_summary_by_hand():
    returns = np.array([[7.0, 0, 2, 5], [4, 6, 1, 3]])
    (seeds, tracks) = ones(2, 4)
    mean, iqm, p10 = PooledReturns(returns).summary([seeds], tracks)[0]
    assert mean == 3.5
    assert iqm == 3.5  # of 2, 3, 4, 5: two of eight are left out at each end
    assert p10 == pytest.approx(0.7)  # a tenth of the way along the seven gaps


def test_a_resample_is_worth_its_rows_and_columns_written_out():
    rng = np.random.default_rng(3)
    returns = rng.normal(size=(5, 13))
    seeds, tracks = rng.multinomial(5, [0.2] * 5, size=6), rng.multinomial(13, [1 / 13] * 13, size=6)
    thresholds = np.array([-0.5, float(returns[2, 2]), 1.0])
    pooled = PooledReturns(returns)
    found, shares = pooled.summary([seeds], tracks), pooled.shares_above(thresholds, [seeds], tracks)
    for row in range(6):
        written = np.repeat(np.repeat(returns, seeds[row], axis=0), tracks[row], axis=1)
        expected = [written.mean(), scipy.stats.trim_mean(written.ravel(), 0.25), np.percentile(written, 10)]
        np.testing.assert_allclose(found[row], expected)
        np.testing.assert_allclose(shares[row], [(written > threshold).mean() for threshold in thresholds])


def test_comparison_by_hand():
    paired = PairedReturns(np.array([[1.0, 2.0], [5.0, 0.0]]), np.array([[0.0, 2.0]]))
    mine, other, tracks = ones(2, 1, 2)
    gain, improvement = paired.comparison([mine, other], tracks)[0]
    assert gain == 1.0  # a mean of 2 against 1
    assert improvement == pytest.approx((1 + 0.5 + 1 + 0) / 4)  # two wins, a tie, a loss


def test_a_resample_of_two_groups_is_worth_its_rows_written_out():
    rng = np.random.default_rng(4)
    ours, theirs = rng.integers(0, 5, (3, 7)).astype(float), rng.integers(0, 5, (2, 7)).astype(float)
    mine, other, tracks = np.array([[2, 0, 1]]), np.array([[0, 2]]), np.array([[3, 0, 1, 1, 2, 0, 0]])
    found = PairedReturns(ours, theirs).comparison([mine, other], tracks)[0]
    a = np.repeat(np.repeat(ours, mine[0], axis=0), tracks[0], axis=1)
    b = np.repeat(np.repeat(theirs, other[0], axis=0), tracks[0], axis=1)
    wins = [np.sign(x - y).mean() / 2 + 0.5 for x in a for y in b]
    np.testing.assert_allclose(found, [a.mean() - b.mean(), np.mean(wins)])


def test_one_seed_has_the_interval_over_tracks_that_scipy_gives():
    returns = np.random.default_rng(7).gamma(3.0, 150.0, size=(1, 100))
    peer = scipy.stats.bootstrap((returns[0],), np.mean, n_resamples=20_000, method="percentile", rng=1)
    _, low, high = mean_interval(returns)
    half = (peer.confidence_interval.high - peer.confidence_interval.low) / 2
    assert low == pytest.approx(peer.confidence_interval.low, abs=0.05 * half)
    assert high == pytest.approx(peer.confidence_interval.high, abs=0.05 * half)


def test_what_makes_tracks_hard_does_not_average_out_over_seeds():
    tracks = np.random.default_rng(1).normal(800, 60, size=(1, 100))
    _, low, high = mean_interval(tracks)
    _, low_of_many, high_of_many = mean_interval(np.repeat(tracks, 16, axis=0))
    # Were tracks drawn anew for each of 16 seeds, the interval would be a quarter as wide.
    assert high_of_many - low_of_many == pytest.approx(high - low, rel=0.05)


def test_few_seeds_have_students_interval():
    seeds = np.array([[-3.0], [-1.0], [1.0], [3.0]])
    _, low, high = mean_interval(seeds)
    wanted = scipy.stats.t.ppf(0.975, 3) * seeds.std(ddof=1) / 2
    assert high == pytest.approx(wanted, rel=0.12)  # means of four have few values
    assert low == pytest.approx(-wanted, rel=0.12)


@pytest.mark.slow
@pytest.mark.parametrize(("num_seeds", "seed_std"), [(3, 5.0), (3, 30.0), (5, 30.0)])
def test_intervals_hold_the_truth_as_often_as_they_say(num_seeds, seed_std):
    rng = np.random.default_rng(num_seeds)
    hits = 0
    for _ in range(200):
        seeds, tracks = rng.normal(0, seed_std, (num_seeds, 1)), rng.normal(0, 60, 40)
        _, low, high = mean_interval(800 + seeds + tracks + rng.normal(0, 40, (num_seeds, 40)), resamples=400)
        hits += low <= 800 <= high
    # Bare percentiles hold 3 seeds of spread 30 in 8 of 10 cases. 200 trials of 0.95 lie above 0.88 but once in 10,000.
    assert hits / 200 > 0.88


def test_the_same_tracks_cancel_out():
    tracks = np.random.default_rng(1).normal(800, 60, size=(1, 50))
    found = Bootstrap().intervals(PairedReturns(tracks + 10, tracks).comparison, [1, 1], 50)
    np.testing.assert_allclose([found.estimate[0], found.low[0], found.high[0]], 10)
    np.testing.assert_allclose([found.estimate[1], found.low[1], found.high[1]], 1)


def test_a_wider_level_and_bounds():
    returns = np.random.default_rng(2).random((3, 20))
    statistic = PooledReturns(returns).summary
    narrow, wide = (Bootstrap().intervals(statistic, [3], 20, level=level) for level in (0.9, 0.99))
    assert (wide.low < narrow.low).all()
    assert (wide.high > narrow.high).all()
    bounded = Bootstrap().intervals(statistic, [3], 20, level=0.99, bounds=(0.4, 0.6))
    assert bounded.low.min() >= 0.4
    assert bounded.high.max() <= 0.6


def test_returns_that_are_all_the_same_have_an_interval_of_no_width():
    estimate, low, high = mean_interval(np.full((3, 5), 7.0))
    assert (estimate, low, high) == (7.0, 7.0, 7.0)


def test_intervals_repeat():
    returns = np.random.default_rng(5).normal(size=(3, 30))
    assert mean_interval(returns) == mean_interval(returns)
