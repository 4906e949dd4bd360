"""What cannot be done is refused in words, with exit code 2, before anything heavy starts."""

import os
import re

import gymnasium as gym
import pytest

from envs.dummy import DummyEnv
from experiments.checks import check_run
from experiments.runs import write_config


@pytest.mark.parametrize(
    ("word", "choices"),
    [
        ("env=nonsense", ["carracing", "dummy"]),
        ("model=nonsense", ["cnn"]),
        ("algo=nonsense", ["ppo", "sac"]),
        ("tuner=nonsense", ["single"]),
        ("ray=nonsense", ["local"]),
        ("tracking=nonsense", ["mlflow", "none"]),
        ("paths=nonsense", ["default"]),
        ("debug=nonsense", ["smoke"]),
        ("experiment=nonsense", ["carracing_ppo", "carracing_sac"]),
    ],
)
def test_unknown_option_lists_the_choices(refuse, word, choices):
    message = refuse(word)
    assert all(choice in message for choice in choices)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("sede=1", ["sede", "seed"]),
        ("stop.frame=1", ["stop.frame", "frames, return_mean, wall_s"]),
        ("env.image_sise=32", ["env.image_sise", "image_size"]),
        ("model.channel=[8]", ["model.channel", "channels", "preset"]),
        ("algo.training.learning_rate=1", ["learning_rate", "lr"]),
        ("ray.cpus=1", ["ray.cpus", "num_cpus"]),
        ("+algo.training.learning_rate=1", ["learning_rate", "lr", "gamma"]),
        ("+algo.schooling.lr=1", ["schooling", "training"]),
        ("+env.typo=1", ["typo", "image_size"]),
        ("+model.typo=1", ["typo", "channels"]),
        ("+tracking.typo=1", ["typo", "uri"]),
        ("+stop.typo=1", ["typo"]),
    ],
)
def test_unknown_key_lists_the_keys(refuse, word, expected):
    message = refuse(word)
    assert all(part in message for part in expected), message


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("seed=abc", ["seed", "abc"]),
        ("stop.wall_s=soon", ["wall_s", "soon"]),
        ("env.image_size=big", ["image_size", "big"]),
        ("algo.training.lr=fast", ["algo.training.lr", "fast"]),
        ("algo.training.gamma=2", ["algo.training.gamma", "2"]),
        ("name=???", ["name", "must be chosen"]),
        ("stop.wall_s=null", ["stop.frames", "end"]),
        ("checkpoint.every_s=0", ["checkpoint.every_s=0"]),
        ("checkpoint.keep=0", ["checkpoint.keep=0"]),
        ("seed=-1", ["seed=-1"]),
        ("tuner.num_trials=3", ["num_trials=3"]),
        ("ray.num_learners=0", ["ray.num_learners=0"]),
        ("ray.num_learners=2", ["ray.num_learners=2"]),
        ("ray.placement=near", ["ray.placement=near", "pack", "spread"]),
        ("ray.num_env_runners=0", ["ray.num_env_runners=0", "at least one"]),
        ("ray.envs_per_runner=0", ["ray.envs_per_runner=0"]),
        ("ray.num_cpus=4096", ["ray.num_cpus=4096", "cores"]),
        ("ray.num_gpus=64", ["ray.num_gpus=64", "GPU"]),
        ("env.frame_stack=0", ["frame_stack"]),
        ("name=a/b", ["name=a/b", "one word"]),
        ("name=..", ["name=..", "one word"]),
        ("stop.wall_s=nan", ["stop.wall_s=nan"]),
        ("checkpoint.every_s=nan", ["checkpoint.every_s=nan"]),
        ("evaluation.final_episodes=-1", ["evaluation.final_episodes=-1"]),
        ("evaluation.first_seed=-1", ["evaluation.first_seed=-1"]),
        ("evaluation.final_first_seed=5000000", ["evaluation.final_first_seed=5000000", "training"]),
        ("algo.training.start_after_decisions=4", ["start_after_decisions=4", "at least"]),
        ("algo.training.replay_capacity=100", ["replay_capacity=100", "at least"]),
        ("algo.training.head._target_=models.heads.BetaHead", ["SquashedGaussianHead", "BetaHead"]),
        ("algo.training.head._target_=os.system", ["os.system", "models.heads.SquashedGaussianHead"]),
        ("model.strides=[0,2,1]", ["strides=[0, 2, 1]", "at least 1"]),
        ("model.preset=tmlr", ["model.preset=tmlr", "nature, tmrl, impala"]),
        ("algo=null", ["one of its options", "--help"]),
    ],
)
def test_wrong_value_is_named(refuse, word, expected):
    message = refuse(word)
    assert all(part in message for part in expected), message


def test_missing_key_is_named(refuse):
    message = refuse("~algo.training.lr")
    assert "algo.training.lr is missing" in message


def test_model_that_does_not_fit_the_env(refuse):
    message = refuse("env=dummy", "env.image_size=16")
    assert "model=cnn does not fit env=dummy" in message
    assert "36 pixels" in message


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("model.preset=tmrl", "env.image_size=49"), "too small .*the smallest is 50 pixels"),
        (("model.preset=impala", "model.kernels=[3]"), "ImpalaEncoder has no argument kernels; it takes channels"),
        (("model=vit", "env.image_size=44"), "patch=8 does not divide an image of 44x44.*multiple of 8"),
        (("model=vit", "model.heads=7"), "heads=7 do not divide width=64"),
    ],
)
def test_sizes_of_a_preset_that_do_not_fit(refuse, words, expected):
    message = refuse("env=dummy", *words)
    assert re.search(f"model=(cnn|vit) does not fit env=dummy with algo=sac: .*{expected}", message), message


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("algo=ppo", "algo.training.minibatch_size=100"), ["minibatch_size=100", "sequence_length"]),
        (("algo.training.batch_size=100",), ["batch_size=100", "sequence_length"]),
    ],
)
def test_numbers_that_a_memory_cannot_learn_with(refuse, words, expected):
    message = refuse("env=dummy", "model=cnn_lstm", *words)
    assert all(part in message for part in expected), message


def test_a_memory_that_sees_every_frame_several_times_is_warned_of(compose, tmp_path, caplog):
    def warnings(model, stack):
        caplog.clear()
        words = ("env=dummy", "algo=ppo", f"model={model}", f"env.frame_stack={stack}")
        check_run(compose(*words, f"paths.outputs={tmp_path}"))
        return [record.getMessage() for record in caplog.records if record.name == "experiments.checks"]

    (message,) = warnings("cnn_lstm", 3)
    assert "model=cnn_lstm remembers" in message
    assert "env.frame_stack=3" in message
    assert not warnings("cnn_lstm", 1)
    assert not warnings("cnn", 3)


@pytest.mark.parametrize("model", ["cnn", "vit"])
def test_image_model_on_a_vector_env(refuse, model):
    assert "exactly one image" in refuse("env=dummy", "env.obs=vector", f"model={model}")


def test_experiment_with_another_algorithm(refuse):
    message = refuse("experiment=carracing_ppo", "algo=sac")
    assert "experiment=carracing_ppo is a published point of algo=ppo" in message


def test_algorithm_that_does_not_import(refuse):
    assert "algo._target_=experiments.nonsense.X" in refuse("algo._target_=experiments.nonsense.X")


def test_env_that_raises_in_its_first_step(refuse):
    message = refuse("env=dummy", "+env.fail_at_step=1")
    assert "failed in its first step" in message
    assert "DummyEnv" in message


class Unbuildable(gym.Env):
    """An env whose game does not answer."""

    def __init__(self, training, render_mode):
        raise ConnectionError("nobody listens")


class Choices(DummyEnv):
    """An env whose decision is two choices at once."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.action_space = gym.spaces.MultiDiscrete([3, 2])

    def step(self, action):
        return super().step(self.optimal_action())


def test_env_that_cannot_be_built(refuse, monkeypatch):
    monkeypatch.setattr("envs.dummy.DummyEnv", Unbuildable)
    words = [f"~env.{key}" for key in ("obs", "actions", "image_size", "num_decisions")]
    assert "could not be built: ConnectionError: nobody listens" in refuse("env=dummy", *words)


@pytest.mark.parametrize("algo", ["ppo", "sac", "dreamerv3"])
def test_actions_that_no_policy_takes(refuse, monkeypatch, algo):
    monkeypatch.setattr("envs.dummy.DummyEnv", Choices)
    message = refuse("env=dummy", f"algo={algo}")
    assert "acts in MultiDiscrete([3 2]); expected a bounded Box of one dimension, or a Discrete" in message


@pytest.mark.parametrize("algo", ["ppo", "sac"])
@pytest.mark.parametrize(
    "words",
    [
        ("env=dummy", "env.actions=discrete"),
        ("env=dummy", "env.actions=discrete", "env.action_history=1"),
        ("env=carracing", "env.continuous=false", "env.actions=full"),
    ],
)
def test_choices_where_only_dreamerv3_takes_them(refuse, algo, words):
    message = refuse(*words, f"algo={algo}")
    assert "acts in Discrete(5), one of 5 actions, and" in message
    assert f"algo={algo} in a Box alone. Choose algo=dreamerv3, which takes both, or continuous actions" in message


def test_five_actions_and_a_pedal(refuse):
    message = refuse("env=carracing", "env.continuous=false", "algo=dreamerv3")
    assert "actions=pedal is continuous: choose actions=full with continuous=False" in message


def test_resuming_what_is_not_there(refuse, tmp_path):
    assert "is no run" in refuse("resume=latest")
    assert "is no run" in refuse(f"resume={tmp_path / 'nowhere'}")


def test_resuming_with_what_may_not_change(refuse, compose, tmp_path):
    run = tmp_path / "outputs" / "default" / "run"
    (run / "trials").mkdir(parents=True)
    saved = compose(f"paths.outputs={tmp_path / 'outputs'}", "seed=5")
    del saved["resume"]
    write_config(run, saved)
    assert "seed: saved 5, asked 6" in refuse(f"resume={run}", "seed=6")


def test_unwritable_outputs(refuse, tmp_path):
    file = tmp_path / "file"
    file.touch()
    message = refuse(f"paths.outputs={file}/below")
    assert str(file) in message
    assert "paths.outputs=FOLDER" in message


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_forbidden_outputs(refuse, tmp_path):
    tmp_path.chmod(0o500)
    assert "cannot be written" in refuse(f"paths.outputs={tmp_path}/below")


def test_evaluating_what_is_not_there(refuse, tmp_path):
    from experiments.evaluate import main

    assert "is no run" in refuse(main=main, config_name="evaluate")
    assert "is no run" in refuse(f"run={tmp_path}", main=main, config_name="evaluate")
    assert "episodes=0" in refuse("episodes=0", main=main, config_name="evaluate")
    assert "first_seed=-1" in refuse("first_seed=-1", main=main, config_name="evaluate")
    assert "ten" in refuse("episodes=ten", main=main, config_name="evaluate")
    assert "no key typo" in refuse("+typo=1", main=main, config_name="evaluate")
    assert "first_seed" in refuse("seed=1", main=main, config_name="evaluate")
    assert "carracing_gymnasium" in refuse("env=carracing_gymnasiun", main=main, config_name="evaluate")


SEEDS = "+tuner.space={seed: {grid: [0, 1, 2]}}"
GAMMA = "+tuner.space={algo.training.gamma: {uniform: [0.9, 0.99]}}"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((SEEDS,), ["tuner=single", "tuner=grid, random, asha, hyperband, pbt or optuna"]),
        (("tuner=grid",), ["needs to know what to search", "+tuner.space="]),
        (("tuner=grid", "+tuner.space={algo.training.learning_rate: {grid: [1]}}"), ["learning_rate", "lr", "gamma"]),
        (("tuner=grid", "+tuner.space={sede: {grid: [1]}}"), ["sede", "seed"]),
        (("tuner=grid", "+tuner.space={seed: {lattice: [1]}}"), ["lattice", "grid, choice, uniform"]),
        (("tuner=grid", "+tuner.space={seed: [0, 1]}"), ["seed", "expected a domain"]),
        (("tuner=grid", "+tuner.space={model: {grid: [cnn, vti]}}"), ["vti", "vit"]),
        (("tuner=grid", "+tuner.space={tuner.num_trials: {grid: [1]}}"), ["tuner.num_trials cannot differ"]),
        (("tuner=grid", GAMMA), ["algo.training.gamma has none", "tuner=random"]),
        (("tuner=random", SEEDS), ["tuner=grid"]),
        (("tuner=optuna", SEEDS), ["choice: […] in place of grid"]),
        (("tuner=random", "+tuner.space={algo.training.gamma: {uniform: [0.99, 0.9]}}"), ["gamma", "0.99"]),
        (("tuner=random", "tuner.num_trials=1000000", GAMMA), ["1,000,000 trials", "tuner.max_trials=1000000"]),
        (("tuner=random", "tuner.num_trials=0", GAMMA), ["num_trials=0"]),
        (("tuner=grid", "tuner.constraints=['seed > 5']", SEEDS), ["constraints allow none of the 3 points"]),
        (("tuner=grid", "tuner.constraints=['sede > 0']", SEEDS), ["sede"]),
        (("tuner=grid", "tuner.metric=train/return_maen", SEEDS), ["train/return_maen", "train/return_mean"]),
        (("tuner=grid", "tuner.mode=most", SEEDS), ["tuner.mode=most", "max or min"]),
        (("tuner=grid", "tuner.num_concurrent=0", SEEDS), ["num_concurrent=0"]),
        (("tuner=grid", "ray.cpus_per_trial=4096", SEEDS), ["cpus_per_trial=4096", "cores"]),
        (("tuner=asha", "tuner.scheduler.grace_frames=99999999", "stop.frames=9000", GAMMA), ["grace_frames=99999999"]),
        (("tuner=asha", "tuner.scheduler.grace=1", GAMMA), ["tuner.scheduler.grace", "grace_frames"]),
        (("tuner=pbt", "stop.frames=9000", SEEDS), ["tuner=grid"]),
        (("tuner=pbt", "stop.frames=9000", "+tuner.space={seed: {choice: [0, 1]}}"), ["seed cannot change then"]),
        # A trial of the sweep that could not run is found before the first one starts.
        (("tuner=grid", "+tuner.space={env.image_size: {grid: [40, 16]}}"), ["does not fit env=dummy", "36 pixels"]),
        (
            ("tuner=grid", "algo=ppo", "+tuner.space={algo.training.minibatch_size: {grid: [64, -1]}}"),
            ["minibatch_size"],
        ),
    ],
)
def test_a_sweep_that_cannot_be(refuse, words, expected):
    message = refuse("env=dummy", *words)
    assert all(part in message for part in expected), message


def test_a_stack_of_frames_where_the_world_model_remembers(refuse):
    message = refuse("env=carracing", "algo=dreamerv3", "env.frame_stack=4")
    assert "env.frame_stack=4: the world model remembers by itself" in message
    assert "Leave it at 1" in message
