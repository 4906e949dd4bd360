"""Which tracks a comparison is of."""

from experiments.comparison.tracks import choose_tracks

LR = "algo.training.lr"


def test_the_tracks_of_most_trials_count(make_trial, grouped):
    trials = [
        make_trial({LR: 1}, scores=[1, 2, 3]),
        make_trial({LR: 1}, scores=[4, 5, 6, 7], first_seed=9_999),  # drove one more, in front
        make_trial({LR: 1}, scores=[9, 9], first_seed=20_000),
        make_trial({LR: 1}, scores=[1, 1, 1]),
    ]
    tracks, (note,) = choose_tracks(trials)
    assert tracks == range(10_000, 10_003)
    assert "Trial 00002 was scored on tracks 20000 to 20001, not on tracks 10000 to 10002" in note
    (group,) = grouped(trials)
    assert group.scores.tolist() == [[1, 2, 3], [5, 6, 7], [1, 1, 1]]
    assert len(group.trials) == 4
