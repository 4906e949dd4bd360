"""Constraints on a trial's config: what they compute, and what they refuse."""

import pytest

from envs.errors import ConfigError
from tune.space.constraints import Constraint

CONFIG = {
    "algo": {"training": {"minibatch_size": 256, "lr": 3e-4, "items": 5, "critic_hidden": [256, 128]}},
    "model": {"channels": [32, 64], "width": 64, "heads": 4},
    "ray": {"envs_per_runner": 8, "num_env_runners": None},
    "seed": 1,
    "true": 7,
    "choices": {"model": "vit", "algo": "ppo", "env": "dummy", "preset": "tiny"},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("algo.training.minibatch_size <= 32 * ray.envs_per_runner", True),
        ("algo.training.minibatch_size < 32 * ray.envs_per_runner", False),
        ("model.width % model.heads == 0 and seed != 0", True),
        ("model == 'vit'", True),
        ("model in ['cnn', 'mlp']", False),
        ("algo != 'ppo' or model.width // model.heads == 16", True),
        ("model.preset == 'tiny'", True),
        ("model == 'vit' or model.depth > 2", True),  # this model has no depth, and is not asked for it
        ("1e-5 < algo.training.lr < 1e-3", True),
        ("max(model.channels) == 64 and len(model.channels) == 2", True),
        ("model.channels[0] * 2 == model.channels[1]", True),
        ("algo.training.critic_hidden == [256, 128]", True),
        ("ray.num_env_runners is None", True),
        ("ray.num_env_runners == null", True),
        ("not (seed == 1)", False),
        ("algo.training.items == 5", True),  # a key, not what dicts have under this name
        ("  seed == 1 ", True),
        ("(seed == 1 if model == 'cnn' else seed == 2)", False),
    ],
)
def test_a_constraint_is_computed_from_the_trials_own_keys(text, expected):
    assert Constraint(text).holds(CONFIG) is expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["no expression"]),
        ("seed <", ["no expression"]),
        ("seed = 1", ["no expression"]),
        ("seed == 1; seed == 2", ["no expression"]),
        ("import os", ["no expression"]),
        ("__import__('os').system('true') == 0", ["no call of min, max"]),
        ("open('x') == 1", ["open('x')", "no call of min, max"]),
        ("model.keys() == 1", ["model.keys()", "no call"]),
        ("[x for x in model.channels] == []", ["nothing that constraints are made of"]),
        ("(lambda: 1) == 1", ["nothing that constraints are made of"]),
        ("(seed := 2) == 2", ["nothing that constraints are made of"]),
        ("f'{seed}' == '1'", ["nothing that constraints are made of"]),
        ("'x'.upper == 1", ["expected a dotted key"]),
        (3, ["expected a text", "3"]),
    ],
)
def test_what_is_no_condition_is_refused_when_it_is_read(text, words):
    with pytest.raises(ConfigError) as refused:
        Constraint(text)
    assert str(refused.value).startswith("tuner.constraints: ")
    assert all(word in str(refused.value) for word in words), refused.value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("algo.training.lrr < 1", ["algo.training.lrr", "algo.training has critic_hidden, items, lr, minibatch_size"]),
        ("algo.trainings.lr < 1", ["algo.trainings.lr", "algo has training"]),
        ("sede == 1", ["sede", "the config has algo, choices, model"]),
        ("seed.x == 1", ["seed.x", "seed has no keys"]),
        ("model == vit", ["no key vit", "in quotes: 'vit'"]),
        ("model.depth <= 4", ["model.depth", "heads", "behind an or"]),
        ("ray.num_env_runners <= 2", ["cannot be computed", "ray.num_env_runners=None"]),
        ("seed / 0 == 1", ["cannot be computed", "seed=1"]),
        ("model.channels[5] == 1", ["cannot be computed", "model.channels=[32, 64]"]),
        ("9 ** 9 ** 9 ** 9 > 1", ["cannot be computed"]),
        ("model.width - 64", ["expected a condition", "0", "model.width=64"]),
    ],
)
def test_what_a_trial_does_not_have_is_refused_when_it_is_asked(text, words):
    constraint = Constraint(text)
    with pytest.raises(ConfigError) as refused:
        constraint.holds(CONFIG)
    assert repr(text) in str(refused.value)
    assert all(word in str(refused.value) for word in words), refused.value


def test_words_of_yaml_give_way_to_keys_of_that_name():
    assert Constraint("true == 7").holds(CONFIG)
    assert Constraint("true == (seed == 1)").holds({"seed": 1})
