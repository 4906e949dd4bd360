"""CarRacing as a Gymnasium env: its name, spaces, resets, copies, ends, and what it leaves behind."""

import copy
import gc
import pickle
import subprocess
import sys

import Box2D
import gymnasium as gym
import numpy as np
import psutil
import pytest
from gymnasium.utils.env_checker import check_env

from envs.carracing import ENV_ID
from envs.carracing.env import CarRacingEnv

THROTTLE = np.array([0.1, 1, 0], np.float32)
VARIANTS = [
    {},
    {"continuous": False},
    {"renderer": "fast", "image_size": 64, "grayscale": True, "action_repeat": 4, "actions": "pedal"},
    {"obs": "telemetry", "domain_randomize": True},
    {"obs": "both", "renderer": "fast"},
]
MIB = 2**20


def episode(env, actions, *, seed, options=None):
    """Everything that an episode gives, as a flat list of bytes and numbers."""
    observation, info = env.reset(seed=seed, options=options)
    trace = [plain(observation), plain(info)]
    for action in actions:
        observation, *ends, info = env.step(action)
        trace += [plain(observation), ends, plain(info)]
        if any(ends[1:]):
            break
    return trace


def plain(value):
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return value.tobytes() if isinstance(value, np.ndarray) else value


def random_actions(env, count, seed=0):
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(count)]


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("arguments", [{}, {"continuous": False}, {"domain_randomize": True}])
def test_its_defaults_are_gymnasiums_car_racing(arguments):
    env, stock = gym.make(ENV_ID, **arguments), gym.make("CarRacing-v3", **arguments)
    assert env.observation_space == stock.observation_space
    assert env.action_space == stock.action_space
    assert env.metadata == stock.metadata
    assert env.spec.reward_threshold == stock.spec.reward_threshold
    actions = random_actions(env, 12)
    for seed in (7, None, 8):
        np.testing.assert_array_equal(env.reset(seed=seed)[0], stock.reset(seed=seed)[0])
        for action in actions:
            observation, *ends, _ = env.step(action)
            wanted, *wanted_ends, _ = stock.step(action)
            np.testing.assert_array_equal(observation, wanted)
            assert ends == wanted_ends
    env.close()
    stock.close()


@pytest.mark.filterwarnings(
    "ignore:.*symmetric and normalized.*", "ignore:.*not within the observation space.*:DeprecationWarning"
)
@pytest.mark.parametrize("arguments", VARIANTS)
def test_gymnasiums_checker_passes(arguments):
    check_env(gym.make(ENV_ID, render_mode="rgb_array", **arguments).unwrapped)


def test_resets_without_a_seed_differ_from_env_to_env():
    tracks = []
    for _ in range(2):
        env = CarRacingEnv(obs="telemetry")
        assert "track_seed" not in env.reset()[1]
        tracks.append(env._game.track.centre.tolist())
        env.reset()
        tracks.append(env._game.track.centre.tolist())
    assert all(tracks.count(track) == 1 for track in tracks)


@pytest.mark.parametrize("arguments", VARIANTS)
def test_an_episode_is_the_same_after_others_and_in_another_env(arguments):
    env = CarRacingEnv(**arguments)
    actions = random_actions(env, 40)
    wanted = episode(env, actions, seed=5)
    for seed in (6, 7, 5):
        last = episode(env, actions, seed=seed)
        assert (last == wanted) == (seed == 5)
    assert episode(CarRacingEnv(**arguments), actions, seed=5) == wanted


def test_first_colours_that_nobody_asked_for_are_repeatable():
    one, other = CarRacingEnv(domain_randomize=True), CarRacingEnv(domain_randomize=True)
    options = {"randomize": False}
    assert episode(one, [], seed=5, options=options) == episode(other, [], seed=5, options=options)


@pytest.mark.parametrize("arguments", VARIANTS)
def test_a_copy_is_rebuilt_from_its_arguments(arguments):
    env = CarRacingEnv(render_mode="rgb_array", **arguments)
    actions = random_actions(env, 20)
    copies = [pickle.loads(pickle.dumps(env))]
    wanted = episode(env, actions, seed=5)
    copies += [pickle.loads(pickle.dumps(env)), copy.deepcopy(env)]
    for other in copies:
        assert (other.observation_space, other.action_space) == (env.observation_space, env.action_space)
        assert other.render() is None  # it has no episode yet
        assert episode(other, actions, seed=5) == wanted
        np.testing.assert_array_equal(other.render(), env.render())


def test_a_copy_keeps_the_rules_of_training():
    rules = {"stuck_frames": 3, "penalty": 2.0}
    env = pickle.loads(pickle.dumps(CarRacingEnv(obs="telemetry", training=True, early_end=rules)))
    env.reset(seed=5)
    steps = [env.step(np.zeros(3, np.float32)) for _ in range(3)]
    assert [step[2] for step in steps] == [False, False, True]
    assert steps[-1][1] == pytest.approx(-2.1)


@pytest.mark.parametrize("mode", [None, "rgb_array", "human"])
def test_closes_twice_before_and_after_an_episode(mode, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")  # SDL's display without a screen
    env = CarRacingEnv(render_mode=mode)
    env.close()
    env.reset(seed=0)
    env.step(THROTTLE)
    env.close()
    env.close()
    env.reset(seed=0)  # a closed env may be used again
    env.step(THROTTLE)
    env.close()


def test_old_episodes_leave_no_bodies_behind():
    env = CarRacingEnv(obs="telemetry")
    env.reset(seed=0)

    def count():
        gc.collect()
        return sum(isinstance(thing, Box2D.b2Body | Box2D.b2World | Box2D.b2Joint) for thing in gc.get_objects())

    before = count()
    for seed in range(10):
        env.reset(seed=seed)
        env.step(THROTTLE)
    assert count() <= before


@pytest.mark.slow
def test_two_thousand_episodes_cost_less_than_one_mib():
    """Gymnasium's own loses 3 KiB a reset to Box2D's Python binding: 6 MiB."""
    env = CarRacingEnv(obs="telemetry")
    process, private = psutil.Process(), []
    for count in (1000, 2000):
        for seed in range(count):
            env.reset(seed=seed % 50)
            env.step(THROTTLE)
        gc.collect()
        memory = process.memory_info()
        private.append(memory.rss - memory.shared)
    assert private[1] - private[0] < MIB


def test_import_registers_the_name_and_is_light_and_training_needs_no_display():
    code = (
        "import sys, gymnasium, envs.carracing\n"
        "assert not {'Box2D', 'pygame', 'numba', 'cv2'} & set(sys.modules)\n"
        "env = gymnasium.make('chicane/CarRacing-v3', renderer='fast').unwrapped; env.reset(seed=0)\n"
        "import pygame\n"
        "assert not pygame.display.get_init()\n"
        "heavy = {'ray', 'torch', 'mlflow', 'hydra', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
