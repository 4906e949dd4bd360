"""The cars as a PettingZoo env, by PettingZoo's own test, in the twin in lock-step."""

import warnings

import numpy as np
import pytest

pytest.importorskip("pettingzoo", reason="pip install -e .[pettingzoo]")

from pettingzoo.test import parallel_api_test, parallel_seed_test

from envs.errors import ConfigError
from envs.roblox.parallel_env import RobloxParallelEnv


@pytest.fixture
def parallel():
    """Return a function from arguments to an env."""
    made = []

    def make(num_cars=3, **arguments):
        made.append(RobloxParallelEnv(num_cars, **{"twin": "lockstep", "games": 1, "dialect": "v2"} | arguments))
        return made[-1]

    yield make
    for env in made:
        env.close()


@pytest.mark.parametrize("dialect", ["v0", "v1", "v2"])
def test_pettingzoos_own_test_passes_without_a_warning(parallel, dialect):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(parallel(4, dialect=dialect), num_cycles=400)


def test_equal_seeds_give_equal_episodes(parallel):
    parallel_seed_test(parallel, num_cycles=60)


def test_an_agent_is_gone_after_its_end_and_back_after_reset(parallel):
    env = parallel(2, actions="game")
    env.reset(seed=4)
    crash, creep = np.array([1.0, 1.0, -1.0], np.float32), np.array([0.1, 0.0, -1.0], np.float32)
    for _ in range(300):
        _, rewards, terminated, _, infos = env.step({"car_0": crash, "car_1": creep})
        if terminated["car_0"]:
            break
    assert rewards["car_0"] == -40.0
    assert infos["car_0"]["progress"] >= 0.0
    assert env.agents == ["car_1"]
    observations, rewards, *_ = env.step({"car_1": creep})
    assert set(observations) == set(rewards) == {"car_1"}
    observations, _ = env.reset()
    assert env.agents == ["car_0", "car_1"] == list(observations)


def test_actions_reach_their_cars(parallel):
    env = parallel(2, actions="game", obs_preset="cart5")
    env.reset(seed=1)
    for _ in range(3):
        observations, *_ = env.step({"car_0": np.array([0.5, 0.25, -1.0]), "car_1": np.array([-0.5, 0.0, 0.0])})
    assert observations["car_0"][-3:].tolist() == [0.5, 0.25, -1.0]
    assert observations["car_1"][-3:].tolist() == [-0.5, 0.0, 0.0]


def test_wrong_arguments_are_refused(parallel):
    with pytest.raises(ConfigError, match="v0, v1, v2"):
        parallel(dialect="v3")
