"""Values of swept keys, and the groups that trials are put into by them."""

import pytest

from envs.errors import ConfigError
from experiments.comparison.groups import choose_keys
from experiments.comparison.values import parse, say, short_keys

LR, CLIP = "algo.training.lr", "algo.training.clip"


def labels(groups):
    return [group.label for group in groups]


@pytest.mark.parametrize(
    ("text", "value", "said"),
    [
        ("3e-05", 3e-05, "3e-05"),
        ("0.00031234", 0.00031234, "0.000312"),
        ("3", 3, "3"),
        ("True", True, "True"),
        ("None", None, "null"),
        ("[64, 64]", [64, 64], "[64, 64]"),
        ("cnn", "cnn", "cnn"),
        (None, None, "\N{EN DASH}"),
    ],
)
def test_values_come_back_from_text(text, value, said):
    assert parse(text) == value
    assert say(text) == said


def test_keys_are_as_short_as_they_can_be():
    keys = [LR, "model.hidden", "algo.training.head.hidden", "seed"]
    assert list(short_keys(keys).values()) == ["lr", "model.hidden", "head.hidden", "seed"]


def test_trials_are_grouped_by_what_was_swept_but_the_seed(make_trial, grouped):
    trials = [make_trial({LR: lr, "seed": seed}) for seed in (0, 1) for lr in (1e-3, 3e-4, 1e-2)]
    assert choose_keys(trials, None, num_sweeps=1) == [LR]
    groups = grouped(trials)
    assert labels(groups) == ["lr=0.0003", "lr=0.001", "lr=0.01"]  # by size, not by the alphabet
    assert [len(group.trials) for group in groups] == [2, 2, 2]


def test_runs_without_a_sweep_are_grouped_by_env_model_and_algo(make_trial, grouped):
    trials = [make_trial(algo="ppo"), make_trial(algo="sac"), make_trial(algo="sac")]
    keys = choose_keys(trials, None, num_sweeps=3)
    assert keys == ["env", "model", "algo"]
    assert labels(grouped(trials, keys)) == ["algo=ppo", "algo=sac"]


def test_experiments_tell_runs_of_equal_groups_apart(make_trial, grouped):
    trials = [make_trial(experiment="tuned"), make_trial()]
    keys = choose_keys(trials, None, num_sweeps=2)
    assert labels(grouped(trials, keys)) == ["experiment=tuned", "experiment=\N{EN DASH}"]


def test_any_tag_or_parameter_groups_and_endings_do(make_trial):
    trials = [make_trial({LR: 1e-3}, host="a"), make_trial({LR: 1e-2}, host="b")]
    assert choose_keys(trials, ["lr", "host"], num_sweeps=1) == [LR, "host"]
    with pytest.raises(ConfigError, match=r"group_by=hosts: no trial has .*Swept were algo.training.lr.*near are host"):
        choose_keys(trials, ["hosts"], num_sweeps=1)


def test_long_names_give_way_to_the_trials(make_trial, grouped):
    trials = [make_trial({LR: 1e-4 * k, CLIP: 0.1, "algo.training.gamma": 0.9 + k / 100}) for k in (1, 2)]
    groups = grouped(trials, [LR, CLIP, "algo.training.gamma"])
    assert labels(groups) == ["lr=0.0001, gamma=0.91", "lr=0.0002, gamma=0.92"]  # the clip is the same
    trials = [make_trial({LR: 1.2345e-4 * k, "algo.training.entropy_coeff": 0.123 * k}) for k in (1, 2)]
    groups = grouped(trials, [LR, "algo.training.entropy_coeff"])
    assert labels(groups) == ["trial 00002", "trial 00003"]
    assert groups[0].description == "lr=0.000123, entropy_coeff=0.123"


def test_values_that_round_alike_stay_apart(make_trial, grouped):
    assert labels(grouped([make_trial({LR: 0.00030001}), make_trial({LR: 0.00030002})])) == [
        "lr=0.00030001",
        "lr=0.00030002",
    ]


def test_equal_numbers_are_one_group_however_they_are_written(make_trial, grouped):
    groups = grouped([make_trial({LR: value}) for value in ("0", "0.0", "1e-3", "0.001", "True", "1")])
    assert labels(groups) == ["lr=0", "lr=0.001", "lr=1", "lr=True"]
    assert [len(group.trials) for group in groups] == [2, 2, 1, 1]


def test_the_only_group_needs_no_number(make_trial, grouped):
    trials = [make_trial({LR: 1.2345e-4, "algo.training.entropy_coeff": 0.123}, seed=str(seed)) for seed in (0, 1)]
    (group,) = grouped(trials, [LR, "algo.training.entropy_coeff"])
    assert group.label == "one setting"
    assert group.description == "lr=0.000123, entropy_coeff=0.123"
