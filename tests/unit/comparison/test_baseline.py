"""Which group the others are measured against."""

import pytest

from envs.errors import ConfigError
from experiments.comparison.baseline import choose_baseline

LR, CLIP = "algo.training.lr", "algo.training.clip"


def test_the_baseline_is_what_the_config_says(make_trial, grouped):
    defaults = {LR: "0.0003", "choices.model": "cnn"}
    trials = [
        make_trial({LR: lr, "model": m}, scores=[1], defaults=defaults) for lr in (0.0003, 0.1) for m in ("cnn", "vit")
    ]
    group, reason = choose_baseline(grouped(trials, [LR, "model"]), None)
    assert group.label == "lr=0.0003, model=cnn"
    assert "config" in reason


def test_else_the_baseline_is_the_group_in_the_middle(make_trial, grouped):
    trials = [make_trial({LR: lr}, scores=[score]) for lr, score in ((1, 50), (2, 10), (3, 30))]
    trials.append(make_trial({LR: 4}, curve=[99], state="stopped: asha"))  # not scored: no baseline
    assert choose_baseline(grouped(trials), None)[0].label == "lr=3"


@pytest.mark.parametrize("word", ["lr=0.001", "algo.training.lr=0.001", "0.001", 0.001, "1e-3", "lr=1e-3"])
def test_the_baseline_may_be_named_by_its_values(make_trial, grouped, word):
    groups = grouped([make_trial({LR: lr}) for lr in (0.001, 0.01)])
    assert choose_baseline(groups, word)[0].label == "lr=0.001"


def test_a_baseline_that_is_none_or_several_is_refused(make_trial, grouped):
    groups = grouped([make_trial({LR: lr, CLIP: 0.1}) for lr in (0.001, 0.01)], [LR, CLIP])
    with pytest.raises(ConfigError, match=r"(?s)baseline=cnn means no group.*lr=0.001.*lr=0.01"):
        choose_baseline(groups, "cnn")
    with pytest.raises(ConfigError, match=r"baseline=0\.1 means 2 groups"):
        choose_baseline(groups, "0.1")


def test_runs_that_each_are_their_configs_own_have_the_baseline_in_the_middle(make_trial, grouped):
    trials = [
        make_trial(algo=algo, scores=[score], defaults={"choices.algo": algo})
        for algo, score in (("ppo", 50), ("sac", 10), ("tuned", 70))
    ]
    group, reason = choose_baseline(grouped(trials, ["algo"]), None)
    assert group.label == "algo=ppo"
    assert reason == "the one in the middle, as several groups are the config's own"


def test_a_config_of_its_own_that_was_not_scored_is_no_baseline(make_trial, grouped):
    defaults = {LR: "1"}
    trials = [make_trial({LR: 1}, defaults=defaults), make_trial({LR: 2}, scores=[5], defaults=defaults)]
    group, reason = choose_baseline(grouped(trials), None)
    assert group.label == "lr=2"
    assert reason == "the one in the middle, as no scored group is the config's own"
