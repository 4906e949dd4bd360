"""What a reader of a comparison is told before the numbers."""

from dataclasses import replace

from experiments.comparison.notes import find_changed, find_mixtures, find_repetitions, find_survivors

LR, CLIP = "algo.training.lr", "algo.training.clip"


def test_a_group_of_unlike_trials_is_told(make_trial, grouped):
    trials = [make_trial({LR: 1, CLIP: clip}) for clip in (0.1, 0.2)]
    (note,) = find_mixtures(grouped(trials))
    assert "algo.training.clip (0.1, 0.2)" in note
    assert find_mixtures(grouped(trials, [LR, CLIP])) == []


def test_scores_of_survivors_are_told(make_trial, grouped):
    trials = [
        make_trial({LR: 1}, scores=[5]),
        make_trial({LR: 1}, state="stopped: asha"),
        make_trial({LR: 2}, scores=[5]),
    ]
    (note,) = find_survivors(grouped(trials))
    assert "lr=1 (1 of 2)" in note
    assert "lr=2" not in note


def test_equal_numbers_are_no_mixture(make_trial, grouped):
    trials = [make_trial({LR: 1, CLIP: clip}) for clip in (0, 0.0)]
    assert find_mixtures(grouped(trials)) == []


def test_a_seed_that_counts_twice_is_told(make_trial, grouped):
    trials = [make_trial({LR: 1, "seed": seed}, scores=[5]) for seed in (0, 1, 1)]
    trials.append(make_trial({LR: 1, "seed": 0}))  # not scored: it counts for nothing
    (note,) = find_repetitions(grouped(trials))
    assert "In group lr=1 seeds were trained repeatedly: 1 (2 times)." in note
    assert find_repetitions(grouped(trials[:2])) == []


def test_settings_that_a_population_changed_are_told(make_trial, grouped):
    trials = [make_trial({LR: 1}), replace(make_trial({LR: 2}), has_changed=True)]
    (note,) = find_changed(grouped(trials))
    assert f"trials {trials[1].name} while" in note
    assert find_changed(grouped(trials[:1])) == []
