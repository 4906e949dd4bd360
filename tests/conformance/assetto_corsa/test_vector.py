"""Several games that step together."""

import threading

import numpy as np
import pytest

from envs.assetto_corsa import safety
from envs.assetto_corsa.env import AssettoCorsaEnv
from envs.assetto_corsa.vector import AssettoCorsaVectorEnv
from envs.errors import ConfigError
from envs.factory import capacity, make_vector_env

GO = np.array([0.0, 1.0, -1.0], np.float32)
TARGET = {"_target_": "envs.assetto_corsa.env.AssettoCorsaEnv"}


@pytest.fixture
def connect(plugins, ring_folder, quick):
    """Return a function that makes a vector env of so many plugins by hand."""
    made = []

    def start(count, num_envs=None, **arguments):
        hosts = [one.host for one in plugins(count)]
        chosen = {"hosts": hosts, "track": ring_folder, "reset_wait_s": 0.0, "measure_rate": False}
        made.append(AssettoCorsaVectorEnv(num_envs or count, **chosen | arguments))
        return made[-1]

    yield start
    for envs in made:
        envs.close()


def test_each_env_drives_its_own_game(connect, plugins):
    envs = connect(3)
    observations, infos = envs.reset()
    assert observations.shape == (3, 125)
    assert infos["steps"].tolist() == [4, 4, 4]
    for index, plugin in enumerate(plugins(0)):
        plugin.state = lambda steps, state=plugin.state, index=index: state(steps, speed=20.0 + index)
    for _ in range(3):
        observations, rewards, terminated, truncated, infos = envs.step(np.stack([GO] * 3))
    assert infos["speed_mps"].tolist() == [20.0, 21.0, 22.0]
    assert not terminated.any()
    assert not truncated.any()
    assert (np.diff(rewards) > 0.0).all()


def test_all_games_are_told_before_any_is_waited_for(connect, plugins, eventually):
    """The first game answers only when the second has heard its action."""
    envs = connect(2, state_timeout_s=5.0)
    first, second = plugins(0)
    envs.reset()
    known = len(second.controls)
    first.on_control = lambda control: eventually(lambda: len(second.controls) > known)
    assert not envs.step(np.stack([GO, GO]))[3].any()


def test_a_game_whose_episode_ended_is_reset_by_the_next_step(connect, plugins):
    envs = connect(2)
    envs.reset()
    other = plugins(0)[1]
    good = other.state
    other.state = lambda steps: good(steps, numberOfTyresOut=4)
    assert envs.step(np.stack([GO, GO]))[2].tolist() == [False, True]
    other.state = good
    _, rewards, terminated, _, infos = envs.step(np.stack([GO, GO]))
    assert infos["steps"].tolist() == [6, 4]
    assert (rewards[1], terminated.any()) == (0.0, False)
    assert envs.step(np.stack([GO, GO]))[4]["steps"].tolist() == [7, 5]


def test_runners_take_hosts_in_turn(connect, plugins):
    envs = connect(2, num_envs=1, runner=1)
    envs.reset()
    assert plugins(0)[0].heard == []
    assert "reset" in plugins(0)[1].heard
    with pytest.raises(ConfigError, match="at least 3 games, got 2"):
        AssettoCorsaVectorEnv(1, runner=2, hosts=["a:1", "b:1"])
    config = TARGET | {"hosts": ["a:1", "b:1"], "evaluation": {}}
    assert capacity(config, training=True).total == 2
    assert capacity(config | {"twin": "lockstep"}, training=True).total is None


def test_twins_in_lock_step_are_stepped_as_single_ones(ring):
    config = TARGET | {"twin": "lockstep", "twin_game": {"track": ring}, "max_steps": 7}
    envs = make_vector_env(config, num_envs=2, training=False)
    assert isinstance(envs.unwrapped, AssettoCorsaVectorEnv)
    singles = [AssettoCorsaEnv(twin="lockstep", twin_game={"track": ring}, max_steps=7) for _ in range(2)]
    observations, _ = envs.reset(seed=5)
    alone = [env.reset(seed=5 + index)[0] for index, env in enumerate(singles)]
    for step in range(10):
        np.testing.assert_array_equal(observations, np.stack(alone))
        observations, _, _, truncated, _ = envs.step(np.stack([GO, GO]))
        alone = [env.reset()[0] if step == 7 else env.step(GO)[0] for env in singles]
        assert truncated.tolist() == [step == 6] * 2
    envs.close()
    envs.close()


def test_signals_are_taken_although_resets_have_their_threads(connect, monkeypatch):
    taken = []
    monkeypatch.setattr(safety, "take_signals", lambda: taken.append(threading.current_thread()))
    connect(2).reset()
    assert threading.main_thread() in taken
