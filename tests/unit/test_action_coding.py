"""Between a policy's numbers and an env's actions: boxes, choices, what is neither."""

import gymnasium as gym
import numpy as np
import pytest

from envs.action_coding import action_coding
from envs.errors import ConfigError

BOX = gym.spaces.Box(np.array([-1, 0, 3], np.float32), np.array([1, 4, 3], np.float32))


def test_a_box_is_stretched():
    """By hand: the middle of 0 … 4 is 2, its half range 2; the last component leaves no choice."""
    coding = action_coding(BOX)
    numbers = np.array([[0.5, -0.5, 0.25], [-7, 2, -1]], np.float32)
    actions = coding.to_env(numbers)
    np.testing.assert_array_equal(actions, np.array([[0.5, 1, 3], [-1, 4, 3]], np.float32))
    np.testing.assert_array_equal(coding.from_env(actions), np.array([[0.5, -0.5, 0], [-1, 1, 0]], np.float32))
    assert coding.dim == 3
    assert np.isnan(coding.to_env(np.array([[np.nan, 0, 0]], np.float32))[0, 0])  # for the env to refuse


def test_a_choice_is_a_one_hot_from_its_first_number_on():
    coding = action_coding(gym.spaces.Discrete(4, start=-1))
    one_hots = np.eye(4, dtype=np.float32)
    actions = coding.to_env(one_hots)
    assert actions.tolist() == [-1, 0, 1, 2]
    assert actions.dtype == np.int64
    assert all(action in gym.spaces.Discrete(4, start=-1) for action in actions)
    np.testing.assert_array_equal(coding.from_env(actions), one_hots)
    assert coding.from_env(actions).dtype == np.float32


@pytest.mark.parametrize("space", [BOX, gym.spaces.Discrete(5), gym.spaces.Discrete(3, start=7)])
def test_random_actions_are_of_the_space_and_as_likely_as_each_other(space):
    coding = action_coding(space)
    numbers, log_densities = coding.random(np.random.default_rng(0), 6000)
    assert numbers.shape == (6000, coding.dim)
    assert all(action in space for action in coding.to_env(numbers)[:100])
    if isinstance(space, gym.spaces.Discrete):
        np.testing.assert_allclose(numbers.mean(0), 1 / space.n, atol=0.03)
        np.testing.assert_allclose(np.exp(log_densities), 1 / space.n, rtol=1e-6)
    else:
        np.testing.assert_allclose(np.quantile(numbers, [0.25, 0.5, 0.75]), [-0.5, 0, 0.5], atol=0.04)
        np.testing.assert_allclose(np.exp(log_densities), 1 / 8, rtol=1e-6)  # of a cube with sides of 2


@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.MultiDiscrete([3, 2]),
        gym.spaces.MultiBinary(3),
        gym.spaces.Box(-np.inf, np.inf, (2,)),
        gym.spaces.Box(-1, 1, ()),
        gym.spaces.Box(-1, 1, (2, 2)),
        gym.spaces.Dict({"gear": gym.spaces.Discrete(3)}),
    ],
    ids=str,
)
def test_what_is_neither_is_refused(space):
    with pytest.raises(ConfigError, match=r"expected a bounded Box of one dimension, or a Discrete: one of n actions"):
        action_coding(space)
