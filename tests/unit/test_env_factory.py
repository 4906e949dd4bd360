"""From config to env: wrong requests in words, training against evaluation, the action box."""

import itertools
import subprocess
import sys
import types

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from envs.contract import unsquash
from envs.dummy import DummyEnv
from envs.errors import ConfigError
from envs.factory import make_env, make_vector_env, played
from envs.seeds import episode_seeds
from envs.wrappers import TrainingSeeds

DUMMY = {"_target_": "envs.dummy.DummyEnv", "obs": "vector", "image_size": 16, "frame_stack": 4}


class NeedyEnv(DummyEnv):
    """Keep the seeds of its resets, and need an argument that has no default."""

    def __init__(self, *, track: str, training: bool = False, render_mode: str | None = None) -> None:
        super().__init__(obs="vector", num_decisions=2, training=training, render_mode=render_mode)
        self.track = track
        self.training = training
        self.seeds: list[int | None] = []

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        self.seeds.append(seed)
        return super().reset(seed=seed, options=options)


@pytest.fixture
def needy(monkeypatch):
    """Make `NeedyEnv` importable by name, and return a config of it."""
    module = types.ModuleType("needy_game")
    module.NeedyEnv = NeedyEnv
    monkeypatch.setitem(sys.modules, "needy_game", module)
    return {"_target_": "needy_game.NeedyEnv", "track": "spa"}


def test_builds_the_class_with_its_arguments(needy):
    env = make_env(needy, training=True, render_mode="rgb_array")
    assert isinstance(env, NeedyEnv)
    assert (env.track, env.training, env.render_mode) == ("spa", True, "rgb_array")


def test_frames_are_not_stacked_by_the_env():
    env = make_env(DUMMY | {"obs": "image"})
    assert env.observation_space.shape == (16, 16, 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"imagesize": 3}, r"no key 'imagesize'.*obs: str = 'both', image_size: int = 32"),
        ({"image_size": "64"}, r"image_size: int, got '64' \(str\)"),
        ({"image_size": None}, "image_size: int, got None"),
        ({"training": True}, "no key 'training'"),
        ({"_target_": "envs.nowhere.Env"}, "'envs.nowhere.Env', which does not import"),
        ({"_target_": "envs.dummy.Nothing"}, "'envs.dummy.Nothing', which does not import"),
        ({"_target_": "not a name"}, "does not import"),
        ({"_target_": "envs.factory.make_env"}, "subclass of gymnasium.Env"),
        ({"_target_": None}, "Expected env._target_ to name a class"),
    ],
)
def test_wrong_configs_are_refused_in_words(changes, words):
    with pytest.raises(ConfigError, match=words):
        make_env(DUMMY | changes)


def test_a_missing_argument_is_named(needy):
    del needy["track"]
    with pytest.raises(ConfigError, match=r"needs key 'track'\. It takes track: str"):
        make_env(needy)


def test_training_seeds_fill_in_every_reset_without_a_seed():
    env = NeedyEnv(track="spa")
    wrapped = TrainingSeeds(env, iter([101, 102, 103]))
    for seed in (None, 7, None):
        wrapped.reset(seed=seed)
    assert env.seeds == [101, 7, 102]


def test_vector_env_seeds_each_training_env_by_its_place(needy):
    needy["train_seeds"] = {"first": 40, "last": 139}
    envs = make_vector_env(needy, num_envs=3, training=True, seed=5, runner=2, num_runners=4, start=1)
    envs.reset()
    for _ in range(3):  # two decisions and the step that resets
        envs.step(np.zeros((3, 2), np.float32))
    for place, env in enumerate(envs.envs):
        assert env.unwrapped.training
        stream = {"seed": 5, "stream": 2 * 3 + place, "num_streams": 4 * 3, "start": 1}
        assert env.unwrapped.seeds == list(itertools.islice(episode_seeds(range(40, 140), **stream), 2))


def test_vector_env_of_evaluation_takes_its_seeds_from_reset(needy):
    needy["train_seeds"] = {"first": 0, "last": 0}  # fewer than envs: training's, not evaluation's
    envs = make_vector_env(needy, num_envs=2, training=False)
    envs.reset(seed=[10_000, 10_001])
    assert [env.seeds for env in envs.envs] == [[10_000], [10_001]]
    assert not any(env.training for env in envs.envs)


@pytest.mark.parametrize("place", [{"runner": 2, "num_runners": 2}, {"runner": -1}, {"num_envs": 0}])
def test_vector_env_refuses_a_place_that_is_none(needy, place):
    with pytest.raises(ConfigError, match=r"Expected (num_envs|runner) to be"):
        make_vector_env(needy, **{"num_envs": 1, "training": True} | place)


def test_arguments_of_evaluation_differ_without_training_only():
    config = DUMMY | {"evaluation": {"image_size": 24, "obs": "image"}}
    assert make_env(config, training=True).observation_space == make_env(DUMMY).observation_space
    assert make_env(config).observation_space.shape == (24, 24, 1)
    for training in (True, False):
        envs = make_vector_env(config, num_envs=2, training=training)
        assert envs.single_observation_space == make_env(config, training=training).observation_space


def test_arguments_of_play_take_the_place_of_those_of_evaluation():
    config = DUMMY | {"evaluation": {"image_size": 24, "obs": "image"}}
    assert make_env(played(config)).observation_space.shape == (24, 24, 1)
    config["play"] = {"obs": "image"}
    assert make_env(played(config)).observation_space.shape != (24, 24, 1)
    assert make_env(config).observation_space.shape == (24, 24, 1)
    with pytest.raises(ConfigError, match="no key 'imagesize'"):
        make_env(DUMMY | {"play": {"imagesize": 3}}, training=True)


@pytest.mark.parametrize(
    ("evaluation", "words"),
    [({"imagesize": 3}, "no key 'imagesize'"), ({"image_size": "64"}, "image_size: int, got '64'")],
)
@pytest.mark.parametrize("training", [True, False])
def test_wrong_arguments_of_evaluation_are_refused_before_training(evaluation, words, training):
    with pytest.raises(ConfigError, match=words):
        make_env(DUMMY | {"evaluation": evaluation}, training=training)


def test_vector_env_resets_one_step_after_the_end(needy):
    envs = make_vector_env(needy, num_envs=1, training=True)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    envs.reset()
    steps = [envs.step(np.zeros((1, 2), np.float32)) for _ in range(3)]
    assert [bool(step[3][0]) for step in steps] == [False, True, False]
    assert [int(step[4]["frames"][0]) for step in steps] == [1, 1, 0]


def test_unsquash_reaches_the_edges_and_the_middle_of_the_box():
    low, high = np.array([-1, 0, 10], np.float32), np.array([1, 1, 30], np.float32)
    actions = np.array([[-1, -1, -1], [0, 0, 0], [1, 1, 1], [5, -5, 0.5]], np.float32)
    wanted = [[-1, 0, 10], [0, 0.5, 20], [1, 1, 30], [1, 0, 25]]
    assert unsquash(actions, low, high).tolist() == wanted
    assert unsquash(actions, low, high).dtype == np.float32


def test_unsquash_refuses_infinite_bounds():
    space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    with pytest.raises(ConfigError, match="finite bounds"):
        unsquash(np.zeros(2), space.low, space.high)


@pytest.mark.timing
def test_import_takes_less_than_half_a_second():
    code = "import time; start = time.perf_counter(); import envs.factory; print(time.perf_counter() - start)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    assert min(float(run.stdout) for run in runs) < 0.5
