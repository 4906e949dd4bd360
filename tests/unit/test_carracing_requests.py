"""Requests that CarRacing refuses: arguments, actions, steps without an episode."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from envs.carracing import ENV_ID
from envs.carracing.env import CarRacingEnv
from envs.errors import ConfigError


@pytest.mark.filterwarnings("ignore:.*not in the possible render_modes.*")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"obs": "pixels"}, "obs to be one of image, telemetry, both, got 'pixels'"),
        ({"obs": None}, "obs: str, got None"),
        ({"renderer": "quick"}, "renderer to be one of exact, fast, got 'quick'"),
        ({"renderer": "quick", "obs": "telemetry"}, "renderer to be one of exact, fast"),  # though nothing is drawn
        ({"actions": "discrete"}, "actions to be one of pedal, full"),
        ({"actions": "pedal", "continuous": False}, "actions=pedal is continuous.*actions=full"),
        ({"continuous": 0}, "continuous: bool, got 0"),
        ({"image_size": "64"}, "image_size: int, got '64'"),
        ({"image_size": 0}, "image_size to be at least 8, got 0"),
        ({"image_size": 64.0}, "image_size: int"),
        ({"grayscale": 1}, "grayscale: bool, got 1"),
        ({"action_repeat": 0}, "action_repeat to be in 1"),
        ({"action_repeat": 1001}, "action_repeat to be in 1 … 1000"),
        ({"action_repeat": True}, "action_repeat: int"),
        ({"lap_complete_percent": 95}, "lap_complete_percent to be in 0"),
        ({"lap_complete_percent": float("nan")}, "lap_complete_percent to be in 0"),
        ({"early_end": {"stuk_frames": 1}}, "no key 'stuk_frames'.*stuck_frames"),
        ({"early_end": {"grass_frames": -1}}, r"early_end\.grass_frames to be at least 0"),
        ({"early_end": 80}, "early_end"),
        ({"shaping": {"missed": 1}}, "no key 'missed'.*missed_tile"),
        ({"shaping": {"time": -0.1}}, r"shaping\.time to be at least 0"),
        ({"shaping": {"grass": "1"}}, "grass"),
        ({"render_mode": "text"}, "human, rgb_array, state_pixels"),
    ],
)
def test_wrong_arguments_are_refused(arguments, words):
    with pytest.raises(ConfigError, match=words):
        CarRacingEnv(**arguments)
    with pytest.raises(ConfigError, match=words):
        gym.make(ENV_ID, **arguments)


@pytest.mark.parametrize(
    ("kind", "action", "words"),
    [
        ("full", [0, 0], r"shape \(3,\), got \(2,\)"),
        ("full", [[0, 0, 0]], r"shape \(3,\), got \(1, 3\)"),
        ("full", 0.5, r"shape \(3,\), got \(\)"),
        ("full", [0, np.nan, 0], "finite"),
        ("full", [0, 0, np.inf], "finite"),
        ("pedal", [0, 0, 0], r"shape \(2,\), got \(3,\)"),
        ("pedal", [-np.inf, 0], "finite"),
    ],
)
def test_wrong_actions_are_refused_and_change_nothing(kind, action, words):
    env = CarRacingEnv(obs="telemetry", actions=kind)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=words):
        env.step(np.array(action, np.float32))
    assert env._game.time_s == pytest.approx(0.02)  # only that of the reset


@pytest.mark.parametrize("action", [5, -1, 1.0, None, [1], "left", np.zeros(3, np.float32), np.nan])
def test_wrong_discrete_actions_are_refused(action):
    env = CarRacingEnv(obs="telemetry", continuous=False)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="whole action of 0 … 4"):
        env.step(action)


@pytest.mark.parametrize("action", [1, np.int64(1), np.array(1), np.uint8(1), True])
def test_whole_numbers_of_any_type_are_discrete_actions(action):
    env = CarRacingEnv(obs="telemetry", continuous=False)
    env.reset(seed=0)
    env.step(action)
    assert env._game.car.wheels[0].steer == pytest.approx(-0.6)  # to the right, which Box2D counts clockwise


def test_a_step_without_an_episode_asks_for_a_reset():
    env = CarRacingEnv(obs="telemetry")
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(np.zeros(3, np.float32))
    assert env.render() is None
    env.reset()
    env.step(np.zeros(3, np.float32))
    env.close()
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(np.zeros(3, np.float32))
