"""Who becomes champion: paired differences over the same tracks, and what is no score at all."""

import numpy as np
import pytest
import scipy.stats

from experiments.registry.contest import Score, judge, paired_interval


@pytest.fixture
def score_of(evaluation_of):
    """Return a function that makes the score of these returns."""
    return lambda returns, **more: Score.of(evaluation_of(returns, **more), "carracing")


def test_the_interval_agrees_with_students_where_that_holds():
    differences = np.random.default_rng(1).normal(2, 5, 400)
    low, high = paired_interval(differences)
    peer = scipy.stats.ttest_1samp(differences, 0).confidence_interval()
    assert (low, high) == pytest.approx((peer.low, peer.high), abs=0.03)
    assert paired_interval(differences) == (low, high)


def test_a_small_gain_on_every_track_counts_though_the_tracks_spread_far(tracks, score_of):
    gain = judge(score_of(tracks + 5), score_of(tracks), "version 3")
    assert gain.is_better  # 5 of a spread of 100: two intervals of the means would overlap almost wholly
    assert "beats version 3: return +5.0 on the same 100 tracks (95 % interval +5.0 to +5.0)" in gain.reason


def test_a_gain_within_noise_does_not_count(tracks, score_of):
    gain = np.array([30.0, -25.0] * 50)  # 2.5 ± 2.75 (standard error)
    found = judge(score_of(tracks + gain), score_of(tracks), "version 3")
    assert not found.is_better
    assert "does not beat version 3: return +2.5" in found.reason


def test_a_loss_and_a_tie_do_not_count(tracks, score_of):
    assert not judge(score_of(tracks - 5), score_of(tracks), "version 3").is_better
    assert not judge(score_of(tracks), score_of(tracks), "version 3").is_better


@pytest.mark.parametrize(
    ("other", "words"),
    [({"first_seed": 20000}, "from seed 20000"), ({"deterministic": False}, "sampling"), (None, "99 tracks")],
)
def test_other_tracks_are_not_compared(other, words, tracks, score_of):
    challenger = score_of((tracks + 500)[:99]) if other is None else score_of(tracks + 500, **other)
    found = judge(challenger, score_of(tracks), "version 3")
    assert not found.is_better
    assert "cannot be compared with version 3" in found.reason
    assert words in found.reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"env": "dummy"}, "evaluated in dummy, the champion is of carracing"),
        ({"episodes": 101}, "announces 101 tracks from seed 10000 and holds 100"),
        ({"first_seed": "10000"}, "from seed 10000"),
        ({"returns": [1.0] * 99 + [float("nan")]}, "no finite numbers"),
        ({"returns": ["9"] * 100}, "no finite numbers"),
        ({"returns": 900.0}, "holds 0 returns"),
        ({"returns": [700.0] * 19, "episodes": 19}, "19 tracks, a champion needs at least 20"),
    ],
)
def test_what_is_no_score_says_why(change, words, tracks, evaluation_of):
    with pytest.raises(ValueError, match=words):
        Score.of(evaluation_of(tracks) | change, "carracing")


def test_an_evaluation_that_lacks_something_says_what():
    with pytest.raises(ValueError, match="lacks deterministic, returns"):
        Score.of({"env": "carracing", "first_seed": 1, "episodes": 20}, "carracing")
