"""The dummy env: what its optimum and a random policy earn, what it shows, how it fails."""

import itertools
import statistics
import timeit

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from envs.dummy import DummyEnv
from envs.errors import ConfigError

COAST = np.zeros(2, np.float32)


def returns(env, policy, episodes=50):
    totals = []
    for seed in range(episodes):
        observation, _ = env.reset(seed=seed)
        total, done = 0.0, False
        while not done:
            observation, reward, terminated, truncated, _ = env.step(policy(observation))
            assert 0.0 <= reward <= 1.0
            total += reward
            done = terminated or truncated
        totals.append(total)
    return totals


def test_scripted_policy_earns_nine_tenths_of_the_maximum_on_every_track():
    env = DummyEnv(num_decisions=64)
    assert min(returns(env, lambda _: env.optimal_action())) >= 0.9 * 64


def test_random_policy_earns_less_than_a_fifth():
    env = DummyEnv(num_decisions=64)
    random = np.random.default_rng(0)
    assert statistics.mean(returns(env, lambda _: random.uniform(-1, 1, 2))) <= 0.2 * 64


def test_the_best_of_five_actions_earn_more_than_eight_tenths_and_random_ones_less_than_a_fifth():
    env = DummyEnv(num_decisions=64, actions="discrete")
    assert env.action_space == gym.spaces.Discrete(5)
    assert min(returns(env, lambda _: env.optimal_action())) >= 0.85 * 64
    random = np.random.default_rng(0)
    assert statistics.mean(returns(env, lambda _: random.integers(5))) <= 0.2 * 64


def test_five_actions_are_what_they_are_called():
    """Nothing, right, left, accelerate, brake, as the box has them; of any integer type."""
    one, other = DummyEnv(actions="discrete", obs="vector"), DummyEnv(obs="vector")
    for action, controls in enumerate([(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]):
        for kind in (int, np.int64, np.array):
            one.reset(seed=0)
            other.reset(seed=0)
            (seen, *step), (wanted, *expected) = one.step(kind(action)), other.step(np.array(controls, np.float32))
            np.testing.assert_array_equal(seen, wanted)
            assert step == expected


def test_reward_is_speed_times_closeness_to_the_centre():
    env = DummyEnv(obs="vector")
    env.reset(seed=1)
    (offset, speed, _), reward, *_ = env.step(COAST)
    assert speed == 0.5  # the start speed is kept without a pedal
    assert reward == pytest.approx(0.5 * (1 - abs(offset)))


def test_braking_to_a_halt_earns_nothing_and_truncates():
    env = DummyEnv(num_decisions=10)
    env.reset(seed=0)
    steps = [env.step(np.array([0, -1], np.float32)) for _ in range(10)]
    assert [step[3] for step in steps] == [False] * 9 + [True]
    assert not any(step[2] for step in steps)
    assert steps[-1][1] == 0.0
    assert steps[-1][4]["speed_mps"] == 0.0


def test_leaving_the_lane_terminates_and_is_off_track():
    env = DummyEnv()
    env.reset(seed=0)
    for _ in range(20):
        observation, reward, terminated, _, info = env.step(np.array([1, 1], np.float32))
        if terminated:
            break
    assert terminated
    assert info["off_track"]
    assert reward == 0.0
    assert abs(observation["vector"][0]) > 1.0


def test_image_shows_lane_bend_and_speed():
    env = DummyEnv(image_size=32)
    for seed in range(20):
        observation, _ = env.reset(seed=seed)
        image, (offset, speed, bend) = observation["image"][..., 0], observation["vector"]
        lane = np.flatnonzero(image[20] == 255).mean() + 0.5 - 16
        lane_ahead = np.flatnonzero(image[5] == 255).mean() + 0.5 - 16
        assert lane == pytest.approx(-offset / 1.75 * 16, abs=1.0)  # a car right of the centre sees the lane left
        assert np.sign(lane_ahead - lane) == np.sign(bend)
        assert (image[-1] == 128).sum() == round(speed * 32)


def test_cues_are_shown_where_bends_begin_and_after_every_16_decisions_of_them():
    """The env without cues tells when bends change; the driving is the same."""
    plain, env = DummyEnv(num_decisions=200), DummyEnv(num_decisions=200, cue_steps=3)
    random = np.random.default_rng(0)
    cues = {begin + later for begin in range(0, 200, 16) for later in (0, 1, 2)}
    shown = []
    for seed in range(3):
        expected, observation, age = plain.reset(seed=seed)[0], env.reset(seed=seed)[0], 0
        done = False
        while not done:
            is_cue = age in cues
            shown.append(is_cue)
            for name, part in expected.items():
                np.testing.assert_array_equal(observation[name], part if is_cue else np.zeros_like(part))
            bend = expected["vector"][2]
            action = plain.optimal_action() + random.normal(0, 0.05, 2)
            np.testing.assert_array_equal(plain.optimal_action(), env.optimal_action())
            (expected, *ends, info), (observation, *others, other_info) = plain.step(action), env.step(action)
            assert (ends, info) == (others, other_info)
            age = age + 1 if expected["vector"][2] == bend else 0
            done = ends[1] or ends[2]
    assert 0.1 < np.mean(shown) < 0.5
    np.testing.assert_array_equal(DummyEnv(cue_steps=1, obs="image").reset(seed=0)[0], plain.reset(seed=0)[0]["image"])


def test_a_memory_of_the_last_bend_is_all_that_cues_ask_for():
    env = DummyEnv(obs="vector", cue_steps=3)
    remembered = []

    def policy(vector):
        if vector.any():
            remembered.append(vector[2] * 0.16)  # the sharpest bend
            return env.optimal_action()
        return np.array([remembered[-1] / 0.25, 1], np.float32)  # the steering rate

    assert statistics.mean(returns(env, policy)) >= 0.9 * 64


def test_without_a_memory_no_constant_steering_between_cues_earns_half_of_it():
    env = DummyEnv(obs="vector", cue_steps=3)
    best = 0.0
    for blind in itertools.product((-0.5, -0.25, 0, 0.25, 0.5), (-0.1, 0.0, 1.0)):

        def policy(vector, blind=blind):
            return env.optimal_action() if vector.any() else np.array(blind, np.float32)

        best = max(best, statistics.mean(returns(env, policy)))
    assert best <= 0.5 * 64


def test_chance_earns_less_than_a_fifth_with_cues_too():
    env = DummyEnv(cue_steps=3)
    random = np.random.default_rng(0)
    assert statistics.mean(returns(env, lambda _: random.uniform(-1, 1, 2))) <= 0.2 * 64


@pytest.mark.parametrize(("obs", "shape"), [("image", (16, 16, 1)), ("vector", (3,))])
def test_a_single_observation_is_a_bare_box(obs, shape):
    env = DummyEnv(obs=obs, image_size=16)
    observation, _ = env.reset(seed=0)
    assert observation.shape == env.observation_space.shape == shape
    assert observation in env.observation_space


def test_out_of_range_actions_act_like_the_edge_of_the_box():
    one, other = DummyEnv(obs="vector"), DummyEnv(obs="vector")
    one.reset(seed=3)
    other.reset(seed=3)
    np.testing.assert_array_equal(one.step(np.array([5.0, -9.0]))[0], other.step(np.array([1.0, -1.0]))[0])


@pytest.mark.parametrize(
    ("action", "words"), [(np.zeros(3), r"shape \(2,\), got \(3,\)"), (np.array([np.nan, 0]), "finite")]
)
def test_wrong_actions_are_refused(action, words):
    env = DummyEnv()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=words):
        env.step(action)


@pytest.mark.parametrize("action", [5, -1, 1.0, None, [1], np.zeros(2, np.float32), np.nan])
def test_wrong_choices_are_refused(action):
    env = DummyEnv(actions="discrete")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="whole action of 0 … 4"):
        env.step(action)


def test_fails_in_the_step_that_is_asked_for():
    env = DummyEnv(fail_at_step=3)
    env.reset(seed=0)
    env.step(COAST)
    env.step(COAST)
    with pytest.raises(RuntimeError, match=r"step 3, as env\.fail_at_step asks"):
        env.step(COAST)


def test_a_step_without_an_episode_asks_for_reset():
    env = DummyEnv(num_decisions=1)
    with pytest.raises(ResetNeeded):
        env.step(COAST)
    env.reset(seed=0)
    env.step(COAST)
    with pytest.raises(ResetNeeded):
        env.step(COAST)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"obs": "sound"}, "one of image, vector, both, got 'sound'"),
        ({"actions": "pedal"}, "one of continuous, discrete, got 'pedal'"),
        ({"image_size": "32"}, "image_size: int, got '32'"),
        ({"image_size": 4}, "image_size to be at least 8"),
        ({"num_decisions": 0}, "num_decisions to be at least 1"),
        ({"cue_steps": 16}, "cue_steps to be in 0 … 15, got 16"),
        ({"cue_steps": True}, "cue_steps: int, got True"),
        ({"render_mode": "human"}, "one of rgb_array"),
    ],
)
def test_wrong_arguments_are_refused(arguments, words):
    with pytest.raises(ConfigError, match=words):
        DummyEnv(**arguments)


def test_renders_its_image():
    env = DummyEnv(render_mode="rgb_array", image_size=16)
    observation, _ = env.reset(seed=0)
    np.testing.assert_array_equal(env.render(), np.dstack([observation["image"]] * 3))
    assert DummyEnv().render() is None
    hidden = DummyEnv(render_mode="rgb_array", image_size=16, cue_steps=1)
    hidden.reset(seed=1)  # no other bend begins in its first step
    assert not hidden.step(COAST)[0]["image"].any()
    assert hidden.render().any()  # whoever watches sees the scene


@pytest.mark.timing
def test_a_step_takes_less_than_20_us():
    env = DummyEnv(num_decisions=10**9)
    env.reset(seed=0)
    brake = np.array([0, -1], np.float32)
    assert min(timeit.repeat(lambda: env.step(brake), number=1000, repeat=10)) / 1000 < 20e-6
