"""Trials' configs: an assignment gives what the same words on a command line would, and wrong ones are refused."""

import sys
import time
from copy import deepcopy
from pathlib import Path

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from envs.errors import ConfigError
from experiments.schema import register_schema
from tune.compose import TrialConfigs

CONF = str(Path(__file__).resolve().parent.parent.parent / "conf")
SPACE = "tuner.space={algo.training.lr: {loguniform: [1e-5, 1e-3]}, model: {choice: [cnn, vit]}}"


@pytest.fixture
def trials():
    """Return a function from the words of a command line to the configs of its trials."""
    register_schema()
    return lambda *words: TrialConfigs("config", list(words))


@pytest.fixture(scope="module")
def expected(compose):
    """Return a function from the words of a command line to the config of a run without a sweep."""

    def composed(*words):
        plain = compose(*words)
        return {key: value for key, value in plain.items() if key not in ("resume", "words")}

    return composed


@pytest.mark.parametrize(
    ("words", "assignment", "same_as"),
    [
        ([], {}, []),
        (["env=dummy", "seed=3"], {"seed": 5}, ["env=dummy", "seed=5"]),
        ([], {"algo.training.lr": 2e-4}, ["algo.training.lr=2e-4"]),
        (["model=mlp", "algo=ppo"], {"model": "vit"}, ["model=vit", "algo=ppo"]),
        ([], {"model": "vit", "model.depth": 4}, ["model=vit", "model.depth=4"]),
        ([], {"model.depth": 4, "model": "vit"}, ["model=vit", "model.depth=4"]),
        ([], {"model": "vit", "model.preset": "base"}, ["model=vit", "model.preset=base"]),
        (
            ["model.preset=tmrl"],
            {"model.preset": "impala", "model.num_blocks": 1},
            ["model.preset=impala", "model.num_blocks=1"],
        ),
        ([], {"model": "cnn_lstm"}, ["model=cnn_lstm"]),
        ([], {"model": "cnn_lstm", "model.over": "stack"}, ["model=cnn_lstm", "model.over=stack"]),
        (["stop.wall_s=60"], {"algo": "ppo", "env": "dummy"}, ["stop.wall_s=60", "algo=ppo", "env=dummy"]),
        (
            [],
            {"model.channels": [8, 8], "algo.training.lr_decay_frames": None},
            ["model.channels=[8,8]", "algo.training.lr_decay_frames=null"],
        ),
        ([], {"env.grayscale": False, "stop.frames": 100}, ["env.grayscale=false", "stop.frames=100"]),
        (["experiment=carracing_ppo"], {"model": "vit"}, ["experiment=carracing_ppo", "model=vit"]),
        (["experiment=carracing_ppo"], {"algo": "ppo"}, ["experiment=carracing_ppo"]),
        (["debug=smoke"], {"stop.frames": 50}, ["debug=smoke", "stop.frames=50"]),
        (
            ["algo.training.lr_decay_frames=${stop.frames}"],
            {"stop.frames": 777},
            ["algo.training.lr_decay_frames=777", "stop.frames=777"],
        ),
    ],
)
def test_an_assignment_is_what_the_same_words_on_the_command_line_are(trials, expected, words, assignment, same_as):
    assert trials(*words).config(assignment) == expected(*same_as)


def test_the_words_of_the_trial_stand_beside_its_config(trials):
    config = trials("experiment=carracing_ppo").config({"model": "vit", "model.preset": "base", "env": "dummy"})
    assert config["choices"] == {
        "env": "dummy",
        "model": "vit",
        "algo": "ppo",
        "experiment": "carracing_ppo",
        "debug": None,
        "preset": "base",
    }


def test_what_refers_to_a_swept_key_follows_it(trials):
    configs = trials("model=cnn_lstm", "algo.training.lr_decay_frames=${stop.frames}")
    followed = configs.config({"model.over": "stack", "stop.frames": 9})
    assert followed["env"]["frame_stack"] == 4  # conf/model/cnn_lstm.yaml: frames.stack
    assert followed["algo"]["training"]["lr_decay_frames"] == 9
    assert configs.config({"model.over": "time"})["env"]["frame_stack"] == 1  # frames.time
    assert configs.config({"env.frame_stack": 2})["env"]["frame_stack"] == 2  # set itself, it refers to nothing


def test_configs_share_nothing(trials):
    configs = trials()
    first = configs.config({"model": "vit"})
    before = deepcopy(first)
    first["algo"]["training"]["critic_hidden"].append(1)
    first["stop"]["wall_s"] = 1
    configs.config({"model": "vit", "algo.training.lr": 0.5, "stop.frames": 1})
    assert configs.config({"model": "vit"}) == before


def test_lists_of_an_assignment_stay_its_own(trials):
    assignment = {"model.channels": [8, 8]}
    trials().config(assignment)["model"]["channels"].append(4)
    assert assignment == {"model.channels": [8, 8]}


@pytest.mark.parametrize(
    ("words", "assignment", "parts"),
    [
        (
            [],
            {"algo.training.learning_rate": 1},
            ["algo.training.learning_rate", "algo.training has", "lr, lr_decay_frames"],
        ),
        ([], {"model.depth": 2}, ["no key model.depth", "model has channels", "when: {model: WORD}"]),
        ([], {"sede": 2}, ["no key sede", "The config has algo", "seed"]),
        ([], {"seed.x": 2}, ["no key seed.x"]),
        ([], {"algo.training": 2}, ["algo.training is a section", "lr, lr_decay_frames"]),
        ([], {"stop.frames": "many"}, ["stop.frames cannot be 'many'", "Integer"]),
        ([], {"seed": 0.5}, ["seed cannot be 0.5", "Integer"]),
        ([], {"seed": None}, ["seed cannot be None"]),
        ([], {"checkpoint.every_s": "soon"}, ["checkpoint.every_s cannot be 'soon'", "Float"]),
        ([], {"model": "vti"}, ["model=vti", "cnn_lstm", "vit"]),
        ([], {"model": 3}, ["model", "expected the word of an option, got 3"]),
        ([], {"model": "cnn,vit"}, ["expected the word of an option"]),
        ([], {"model.preset": "huge"}, ["model.preset=huge", "nature, tmrl, impala"]),
        ([], {"algo.training.lr": "${stop.fames}"}, ["algo.training.lr=${stop.fames}", "stop.fames"]),
        (["model=vit", "model.depth=3"], {"model": "cnn"}, ["With model=cnn", "command line", "no key model.depth"]),
        (["seed=x"], {"model": "vit"}, ["seed=x"]),
        (["sede=1"], {}, ["no key sede", "seed"]),
        (["experiment=carracing_ppo"], {"algo": "sac"}, ["experiment=carracing_ppo", "algo=sac", "algo=ppo"]),
        (["experiment=carracing_ppo", "algo=ppo"], {"algo": "sac"}, ["experiment=carracing_ppo", "algo=sac"]),
        ([], {"ray.num_cpus": 2}, ["ray.num_cpus cannot differ between trials", "share the cores"]),
        ([], {"paths.outputs": "x"}, ["paths.outputs cannot differ between trials"]),
        ([], {"experiment": "carracing_ppo"}, ["experiment cannot differ between trials"]),
    ],
)
def test_what_cannot_be_set_is_refused_in_words(trials, words, assignment, parts):
    with pytest.raises(ConfigError) as refused:
        trials(*words).config(assignment)
    assert all(part in str(refused.value) for part in parts), refused.value


def test_a_space_reads_from_the_command_line_with_and_without_a_plus(compose):
    expected = {"algo.training.lr": {"loguniform": [1e-5, 1e-3]}, "model": {"choice": ["cnn", "vit"]}}
    for word in (SPACE, f"+{SPACE}"):
        assert compose(word)["tuner"]["space"] == expected
    conditional = (
        "tuner.space={model: {grid: [vit]}, model.depth: {choice: [2, 4], when: {model: vit, algo: [ppo, sac]}}}"
    )
    assert compose(conditional)["tuner"]["space"]["model.depth"] == {
        "choice": [2, 4],
        "when": {"model": "vit", "algo": ["ppo", "sac"]},
    }
    limit = "algo.training.minibatch_size <= 32 * ray.envs_per_runner"
    assert compose(f"tuner.constraints=['{limit}']")["tuner"]["constraints"] == [limit]


def test_an_experiments_space_is_added_to_or_replaced(compose):
    own = compose("experiment=carracing_ppo_sweep")["tuner"]["space"]
    lr = "algo.training.lr: {choice: [1e-4, 1e-3]}"
    words = ("experiment=carracing_ppo_sweep", "+tuner.space={seed: {grid: [0, 1]}}")
    assert compose(*words)["tuner"]["space"] == own | {"seed": {"grid": [0, 1]}}
    merged = compose("experiment=carracing_ppo_sweep", f"+tuner.space={{{lr}}}")["tuner"]["space"]
    assert set(merged["algo.training.lr"]) == {"loguniform", "choice"}  # which parse_domain refuses, with the way out
    replaced = compose("experiment=carracing_ppo_sweep", "tuner.space=null", f"+tuner.space={{{lr}}}")
    assert replaced["tuner"]["space"] == {"algo.training.lr": {"choice": [1e-4, 1e-3]}}


def test_a_space_with_dotted_keys_stays_in_the_configs_of_its_trials(trials):
    config = trials(f"+{SPACE}").config({"model": "vit", "algo.training.lr": 1e-4})
    assert config["tuner"]["space"]["algo.training.lr"] == {"loguniform": [1e-5, 1e-3]}
    assert config["algo"]["training"]["lr"] == 1e-4


def test_hydras_own_run_goes_on_as_it_was(trials, monkeypatch):
    seen = []

    def state():
        own = HydraConfig.get()
        return list(own.overrides.task), own.runtime.choices["model"], GlobalHydra.instance().hydra

    def main(config):
        before = state()
        with pytest.raises(ConfigError):
            trials("env=dummy").config({"model": "vti"})
        made = trials("experiment=carracing_sac").config({"algo": "sac", "model": "vit"})
        seen.append((before == state(), made["choices"]["model"], config.seed))

    monkeypatch.setattr(sys, "argv", ["run.py", "model=mlp", "seed=4"])
    hydra.main(version_base="1.3", config_path=CONF, config_name="config")(main)()
    assert seen == [(True, "vit", 4)]


@pytest.mark.timing
def test_a_trial_of_a_known_combination_costs_little(trials):
    configs = trials("env=dummy")
    configs.config({"model": "vit"})
    spent_s = []
    for depth in range(20):
        started = time.perf_counter()
        configs.config({"model": "vit", "model.depth": depth, "algo.training.lr": 1e-4})
        spent_s.append(time.perf_counter() - started)
    assert min(spent_s) < 0.03  # 0.009 on a core of its own
