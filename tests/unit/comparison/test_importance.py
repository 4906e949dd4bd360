"""Which swept keys mattered, and by how much chance would reach."""

import numpy as np
import pytest

from experiments.comparison.importance import measure_importance

LR, CLIP = "algo.training.lr", "algo.training.clip"


def test_the_key_that_mattered_stands_out(make_trial):
    rng = np.random.default_rng(0)
    trials = []
    for k in range(24):
        lr, clip = float(10 ** rng.uniform(-5, -2)), float(rng.uniform(0.1, 0.4))
        state = "finished" if k % 2 else "stopped: asha"
        trials.append(make_trial({LR: lr, CLIP: clip, "seed": k}, curve=[0, -100 * abs(np.log10(lr) + 4)], state=state))
    found = measure_importance(trials)
    assert found.num_trials == 24
    assert [one.key for one in found.keys] == [LR, CLIP]
    assert found.keys[0].share > found.keys[0].chance
    assert found.keys[1].share < found.keys[1].chance
    assert sum(one.share for one in found.keys) == pytest.approx(1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ([{}] * 9, "No key was swept"),
        ([{LR: 1 + k % 3, "seed": k} for k in range(9)], f"Only {LR} was varied"),
        ([{LR: k, CLIP: -k} for k in range(4)], "4 trials are too few"),
    ],
)
def test_where_nothing_can_be_said_of_importance_it_says_why(make_trial, settings, words):
    found = measure_importance([make_trial(one, curve=[1.0]) for one in settings])
    assert found.keys == []
    assert words in found.reason


def test_no_share_is_larger_than_the_whole_not_even_by_chance(make_trial):
    rng = np.random.default_rng(0)
    trials = [make_trial({LR: rng.uniform(), CLIP: rng.uniform()}, curve=[k < 6]) for k in range(12)]
    assert all(0 <= one.share <= 1 and 0 <= one.chance <= 1 for one in measure_importance(trials).keys)


def test_a_key_that_only_some_trials_have_is_judged(make_trial):
    rng = np.random.default_rng(1)
    trials = []
    for k in range(24):
        lr = float(10 ** rng.uniform(-5, -2))
        own = {"model": "cnn", CLIP: float(rng.uniform())} if k % 2 else {"model": "vit"}
        trials.append(make_trial({LR: lr, **own}, curve=[-abs(np.log10(lr) + 4)]))
    found = measure_importance(trials).keys
    assert {one.key for one in found} == {LR, CLIP, "model"}
    assert found[0].key == LR
