"""Past actions as a part of the observation: units, resets, one env against many, wrong requests in words."""

import sys
import types

import gymnasium as gym
import numpy as np
import pytest

from envs.action_history import ActionHistory
from envs.carracing.vector import CarRacingVectorEnv
from envs.contract import unsquash
from envs.dummy import DummyEnv
from envs.errors import ConfigError
from envs.factory import make_env, make_vector_env

DUMMY = {"_target_": "envs.dummy.DummyEnv", "obs": "vector", "image_size": 16, "num_decisions": 3}
# Without a picture, and over after two decisions: 1000 physics frames are the game's limit.
CARRACING = {"_target_": "envs.carracing.env.CarRacingEnv", "obs": "telemetry", "action_repeat": 500}
LOW, HIGH = np.array([-1.0, 0.0, 3.0], np.float32), np.array([1.0, 1.0, 3.0], np.float32)


class BoxEnv(DummyEnv):
    """The dummy env behind another box of actions, `[steer, throttle, what cannot be chosen]`."""

    def __init__(self, *, training: bool = False, render_mode: str | None = None) -> None:
        super().__init__(obs="vector", training=training, render_mode=render_mode)
        self.action_space = gym.spaces.Box(LOW, HIGH)

    def step(self, action):
        return super().step(action[:2])


@pytest.fixture
def make(monkeypatch):
    """Return a function that makes a class importable by name and builds it, with a history of two actions."""

    def built(cls):
        module = types.ModuleType("boxed_game")
        module.Env = cls
        monkeypatch.setitem(sys.modules, "boxed_game", module)
        return make_env({"_target_": "boxed_game.Env", "action_history": 2})

    return built


def history(env, *actions):
    """Return the history after each of these actions."""
    return [env.step(np.array(action, np.float32))[0]["action_history"] for action in actions]


def test_the_newest_action_stands_last_and_older_ones_leave():
    env = make_env(DUMMY | {"action_history": 2})
    assert env.observation_space["action_history"] == gym.spaces.Box(-1.0, 1.0, (4,), np.float32)
    observation, _ = env.reset(seed=0)
    np.testing.assert_array_equal(observation["action_history"], np.zeros(4, np.float32))
    first, second, third = history(env, [0.5, -0.25], [0.0, 1.0], [-1.0, 0.75])
    np.testing.assert_array_equal(first, np.array([0.0, 0.0, 0.5, -0.25], np.float32))  # kept: not overwritten later
    np.testing.assert_array_equal(second, np.array([0.5, -0.25, 0.0, 1.0], np.float32))
    np.testing.assert_array_equal(third, np.array([0.0, 1.0, -1.0, 0.75], np.float32))
    observation, _ = env.reset(seed=1)
    assert not observation["action_history"].any()
    np.testing.assert_array_equal(history(env, [0.25, 0.5])[0], np.array([0, 0, 0.25, 0.5], np.float32))


def test_actions_are_in_the_units_of_the_policy(make):
    """By hand: throttle 0.25 of 0 … 1 is half of the way from the centre to the lower bound."""
    env = make(BoxEnv)
    env.reset(seed=0)
    np.testing.assert_array_equal(history(env, [0.5, 0.25, 3.0])[0][3:], np.array([0.5, -0.5, 0.0], np.float32))
    np.testing.assert_array_equal(history(env, [-7.0, 2.0, 9.0])[0][3:], np.array([-1.0, 1.0, 0.0], np.float32))
    wanted = np.random.default_rng(0).uniform(-1, 1, (9, 2)).astype(np.float32)
    actions = unsquash(np.column_stack([wanted, np.zeros(9, np.float32)]), LOW, HIGH)
    np.testing.assert_allclose([past[3:5] for past in history(env, *actions)], wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("obs", "names"), [("image", {"image"}), ("vector", {"vector"}), ("both", {"image", "vector"})]
)
def test_what_was_seen_before_stays_and_has_a_name(obs, names):
    plain, env = make_env(DUMMY | {"obs": obs}), make_env(DUMMY | {"obs": obs, "action_history": 3})
    assert set(env.observation_space.spaces) == {*names, "action_history"}
    expected, observation = plain.reset(seed=4)[0], env.reset(seed=4)[0]
    for _ in range(3):
        assert observation in env.observation_space
        for name in names:
            np.testing.assert_array_equal(observation[name], expected[name] if obs == "both" else expected)
        expected, observation = plain.step(np.array([0.3, 1]))[0], env.step(np.array([0.3, 1]))[0]


@pytest.mark.parametrize(
    "config",
    [DUMMY, DUMMY | {"actions": "discrete"}, CARRACING],
    ids=["gymnasiums", "gymnasiums, of choices", "its own"],
)
@pytest.mark.parametrize("training", [False, True])
def test_many_envs_have_the_histories_of_single_ones_over_the_ends_of_episodes(config, training):
    config = config | {"action_history": 2}
    envs, singles = make_vector_env(config, num_envs=2, training=training), [make_env(config) for _ in range(2)]
    assert envs.single_observation_space == singles[0].observation_space
    observations, _ = envs.reset(seed=[1, 2])
    for index, env in enumerate(singles):
        assert not observations["action_history"][index].any()
        env.reset(seed=1 + index)
    envs.action_space.seed(0)
    done, resets = np.zeros(2, bool), 0
    for _ in range(6):
        actions = envs.action_space.sample()
        observations, _, terminated, truncated, _ = envs.step(actions)
        assert observations in envs.observation_space
        for index, env in enumerate(singles):
            seen = env.reset()[0] if done[index] else env.step(actions[index])[0]
            np.testing.assert_array_equal(observations["action_history"][index], seen["action_history"])
            assert observations["action_history"][index].any() != done[index]
        resets += done.sum()
        done = terminated | truncated
    assert resets >= 2
    envs.reset()
    assert not envs.reset()[0]["action_history"].any()
    for env in (envs, *singles):
        env.close()


def test_without_a_history_nothing_is_wrapped():
    for config in (CARRACING, CARRACING | {"action_history": 0}):
        assert type(make_vector_env(config, num_envs=1, training=False)) is CarRacingVectorEnv
        assert make_env(config).unwrapped is not None
        assert not isinstance(make_env(config), gym.Wrapper)


def test_pictures_pass_through():
    env = make_env(DUMMY | {"action_history": 1}, render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (16, 16, 3)
    assert env.metadata["render_fps"] == DummyEnv.metadata["render_fps"]


@pytest.mark.parametrize("depth", [-1, 1.5, "2", True, None])
def test_a_depth_that_is_none_is_refused(depth):
    for build in (make_env, lambda config: make_vector_env(config, num_envs=1, training=False)):
        with pytest.raises(ConfigError, match=r"env\.action_history to be a whole number of actions, at least 0"):
            build(DUMMY | {"action_history": depth})


@pytest.mark.parametrize(
    "config",
    [DUMMY | {"actions": "discrete"}, CARRACING | {"continuous": False, "action_repeat": 1}],
    ids=["gymnasiums", "its own"],
)
def test_choices_are_one_hots_newest_last(config):
    env = make_env(config | {"action_history": 2})
    assert env.observation_space["action_history"] == gym.spaces.Box(0.0, 1.0, (10,), np.float32)
    env.reset(seed=0)
    first = env.step(3)[0]["action_history"]
    np.testing.assert_array_equal(first, [0, 0, 0, 0, 0, 0, 0, 0, 1, 0])
    env.reset(seed=0)
    envs = make_vector_env(config | {"action_history": 2}, num_envs=2, training=False)
    envs.reset(seed=0)
    for actions in ([3, 0], [1, 4]):
        observations = envs.step(np.array(actions))[0]
    assert observations in envs.observation_space
    np.testing.assert_array_equal(
        observations["action_history"], [[0, 0, 0, 1, 0, 0, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]]
    )
    envs.close()


def test_boundless_actions_are_refused(make):
    class Boundless(BoxEnv):
        def __init__(self, **arguments):
            super().__init__(**arguments)
            self.action_space = gym.spaces.Box(-np.inf, np.inf, (2,))

    with pytest.raises(ConfigError, match="expected a bounded Box"):
        make(Boundless)


def test_a_part_of_that_name_is_not_replaced():
    with pytest.raises(ConfigError, match=r"have a part 'action_history' already\. Choose env\.action_history=0"):
        ActionHistory(make_env(DUMMY | {"action_history": 1}), 2)
