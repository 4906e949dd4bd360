"""Verdicts and words about groups that never trained: what is a gain, a loss, or within noise."""

import numpy as np
import pytest

from experiments.comparison.bootstrap import Bootstrap
from experiments.comparison.table import GAIN, LOSS, NOISE, make_rows
from experiments.comparison.words import basis, finding, frames

LR = "algo.training.lr"


@pytest.fixture
def rows_of(grouped):
    """Return a function from trials and a baseline's label to rows by label, and the baseline."""

    def make(trials, baseline):
        groups = grouped(trials)
        reference = next(group for group in groups if group.label == baseline)
        return {row.group.label: row for row in make_rows(groups, reference, None, Bootstrap(2000))}, reference

    return make


def test_verdicts(make_trial, rows_of):
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 50, 60)
    means = {"1": [800, 805, 795], "2": [900, 905, 895], "3": [700, 705, 695], "4": [803, 808, 790]}
    trials = [make_trial({LR: lr}, scores=hard + mean) for lr, those in means.items() for mean in those]
    rows, baseline = rows_of(trials, "lr=1")
    assert {label: row.contrast and row.contrast.verdict for label, row in rows.items()} == {
        "lr=2": GAIN,
        "lr=4": NOISE,
        "lr=1": None,
        "lr=3": LOSS,
    }
    assert list(rows) == ["lr=2", "lr=4", "lr=1", "lr=3"]  # the best first
    assert rows["lr=2"].contrast.gain.value == pytest.approx(100)
    assert rows["lr=2"].contrast.improvement.value == 1.0
    assert finding(list(rows.values()), baseline).startswith("lr=2 brings +100 a drive")


def test_seeds_that_differ_make_noise_of_what_tracks_alone_call_a_gain(make_trial, rows_of):
    hard = np.random.default_rng(0).normal(0, 10, 60)
    means = {"1": [760, 800, 840], "2": [800, 830, 880]}
    trials = [make_trial({LR: lr}, scores=hard + mean) for lr, those in means.items() for mean in those]
    rows, baseline = rows_of(trials, "lr=1")
    assert rows["lr=2"].contrast.verdict == NOISE
    assert finding(list(rows.values()), baseline).startswith("No gain beyond noise")
    single, baseline = rows_of([trials[1], trials[4]], "lr=1")
    assert single["lr=2"].contrast.verdict == GAIN
    assert "single seed" in finding(list(single.values()), baseline)


def test_among_many_groups_a_gain_has_to_be_clearer(make_trial, rows_of):
    rng = np.random.default_rng(1)
    ours = rng.normal(0, 1, 100)
    ours = (ours - ours.mean()) / ours.std() + 0.25  # 2.5 standard errors above zero: beyond 95 %, within 99.7 %
    alone = [make_trial({LR: 1}, scores=np.zeros(100)), make_trial({LR: 2}, scores=ours)]
    assert rows_of(alone, "lr=1")[0]["lr=2"].contrast.verdict == GAIN
    others = [make_trial({LR: 3 + k}, scores=rng.permutation(ours) - 0.25) for k in range(19)]
    row = rows_of([*alone, *others], "lr=1")[0]["lr=2"]
    assert row.contrast.verdict == NOISE
    assert row.contrast.gain.low > 0


def test_what_was_not_scored_stays_in_the_table(make_trial, rows_of):
    trials = [
        make_trial({LR: 1}, scores=[5.0] * 40, curve=[5]),
        make_trial({LR: 2}, curve=[3], state="stopped: asha"),
        make_trial({LR: 3}, state="failed: no memory"),
    ]
    rows, baseline = rows_of(trials, "lr=1")
    assert [row.scores is None for row in rows.values()] == [False, True, True]
    text = " ".join(basis(list(rows.values()), range(10_000, 10_040)))
    assert "3 trials in 3 groups; 1 scored, 1 stopped early, 1 failed." in text
    assert "the same 40 tracks (seeds 10000 to 10039)" in text
    assert "say nothing about what another seed would bring" in text
    assert "Only lr=1 was scored" in finding(list(rows.values()), baseline)


def test_a_clear_gain_is_found_below_a_higher_mean_that_is_noise(make_trial, rows_of):
    hard = np.random.default_rng(0).normal(0, 10, 60)
    means = {"1": [795, 800, 805], "2": [820, 825, 830], "3": [700, 850, 1000]}
    trials = [make_trial({LR: lr}, scores=hard + mean) for lr, those in means.items() for mean in those]
    rows, baseline = rows_of(trials, "lr=1")
    assert [row.contrast and row.contrast.verdict for row in rows.values()] == [NOISE, GAIN, None]
    said = finding(list(rows.values()), baseline)
    assert said.startswith("lr=2 brings +25.0 a drive")
    assert "lr=3 has the highest mean, but within noise" in said


def test_a_loss_of_single_seeds_is_one_of_these_policies(make_trial, rows_of):
    hard = np.random.default_rng(0).normal(0, 10, 60)
    rows, baseline = rows_of([make_trial({LR: 1}, scores=hard), make_trial({LR: 2}, scores=hard - 50)], "lr=1")
    assert rows["lr=2"].contrast.verdict == LOSS
    said = finding(list(rows.values()), baseline)
    assert said.startswith("Nothing beats the baseline")
    assert "single seed" in said


def test_trials_that_still_run_are_counted(make_trial, rows_of):
    rows, _ = rows_of([make_trial({LR: 1}, scores=[5.0] * 40), make_trial({LR: 2}, state="running")], "lr=1")
    assert "1 scored, 0 stopped early, 0 failed, 1 still running." in basis(list(rows.values()), range(40))[0]


@pytest.mark.parametrize(
    ("count", "said"), [(999.4, "999"), (999_400, "999 k"), (999_700, "1 M"), (12_345_678, "12.3 M")]
)
def test_frames_have_three_digits_and_a_unit(count, said):
    assert frames(count) == said
