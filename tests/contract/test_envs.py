"""The contract of every env in `conf/env`: Gymnasium's, and the suite's own."""

from pathlib import Path

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from omegaconf import OmegaConf

from envs.contract import ALWAYS_IN_INFO
from envs.dummy import DummyEnv
from envs.factory import make_env, make_vector_env
from envs.stacking import observation_parts, stacked_space

CONFIGS = sorted((Path(__file__).parents[2] / "conf" / "env").glob("*.yaml"))
NUM_DECISIONS = 12


ELSEWHERE = {  # what is not as the others, and where it is tested
    "remote_original",  # a server that knows no seeds: tests/conformance/carracing_socket
    "rtgym",  # a class of the user's, in real time: tests/conformance/trackmania
}


@pytest.fixture(params=[path for path in CONFIGS if path.stem not in ELSEWHERE], ids=lambda path: path.stem)
def config(request):
    config = OmegaConf.to_container(OmegaConf.load(request.param), resolve=True, throw_on_missing=True)
    if "twin" in config:
        config["twin"] = "lockstep"
    elif "hosts" in config:
        config["hosts"] = [request.getfixturevalue("served_dummies")]
    return config


@pytest.fixture(scope="module")
def served_dummies(serve_here):
    """Where enough dummy envs are served for what a test drives at the same time."""
    return serve_here(lambda training: DummyEnv(training=training, render_mode="rgb_array"), 8).host


def rollout(env, seed):
    """Drive with fixed random actions, over ends of episodes; return everything that came back."""
    env.action_space.seed(seed)
    trace = [env.reset(seed=seed)]
    for _ in range(NUM_DECISIONS):
        step = env.step(env.action_space.sample())
        trace.append(step)
        if step[2] or step[3]:
            trace.append(env.reset())
    return trace


def assert_same(one, other):
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_same(one[name], other[name])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        np.testing.assert_array_equal(one, other)


def test_there_are_envs():
    assert {"carracing", "dummy"} <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.filterwarnings("ignore:.*symmetric and normalized.*")
def test_gymnasiums_checker_passes(config, training):
    env = make_env(config, training=training)
    check_env(env, skip_render_check=True)
    env.close()


def test_the_same_seed_makes_the_same_rollout(config):
    one, other = make_env(config, training=True), make_env(config, training=True)
    first = rollout(one, 3)
    assert_same(first, rollout(other, 3))
    assert_same(first, rollout(one, 3))  # nothing of the episodes before remains
    one.close()
    other.close()


def test_info_has_the_contracts_names_and_types(config):
    env = make_env(config)
    types = {"speed_mps": float, "progress": float, "lap": int, "off_track": bool, "frames": int}
    assert set(types) == set(ALWAYS_IN_INFO)
    links = {"link_age_s": float, "link_skipped": int, "link_reconnects": int}  # all of them, or none
    for item in rollout(env, 1):
        info = item[-1]
        assert {name: type(info[name]) for name in types} == types
        assert {name: type(info[name]) for name in links if name in info} in ({}, links)
        assert 0.0 <= info["progress"] <= 1.0
        assert (info["frames"] > 0) == (len(item) == 5)  # a reset is no decision
    env.close()


def test_spaces_are_what_policies_and_buffers_take(config):
    env = make_env(config)
    assert np.isfinite(env.action_space.low).all()
    assert np.isfinite(env.action_space.high).all()
    observation_parts(stacked_space(env.observation_space, config["frame_stack"]))
    env.close()


def test_policies_of_training_fit_evaluation(config):
    training, evaluation = make_env(config, training=True), make_env(config)
    assert training.observation_space == evaluation.observation_space
    assert training.action_space == evaluation.action_space
    training.close()
    evaluation.close()


def test_closes_twice(config):
    env = make_env(config)
    env.reset(seed=0)
    env.close()
    env.close()
    make_env(config).close()  # without an episode


def test_renders_a_picture(config):
    env = make_env(config, render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert picture.dtype == np.uint8
    assert picture.shape[2:] == (3,)
    env.close()


def test_steps_as_a_vector(config):
    envs = make_vector_env(config, num_envs=2, training=True, seed=0)
    envs.reset()
    observation, rewards, _, _, infos = envs.step(envs.action_space.sample())
    assert observation in envs.observation_space
    assert rewards.shape == (2,)
    assert set(ALWAYS_IN_INFO) <= set(infos)
    envs.close()


def test_a_vector_steps_as_single_envs(config):
    assert_a_vector_steps_as_single_envs(config)


def assert_a_vector_steps_as_single_envs(config):
    envs = make_vector_env(config, num_envs=2, training=False)
    singles = [make_env(config) for _ in range(2)]
    envs.action_space.seed(0)
    observations, _ = envs.reset(seed=[3, 4])
    for index, env in enumerate(singles):
        assert_same(item_of(observations, index), env.reset(seed=3 + index)[0])
    for _ in range(4):
        actions = envs.action_space.sample()
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        for index, env in enumerate(singles):
            observation, *ends, info = env.step(actions[index])
            assert_same(item_of(observations, index), observation)
            assert ends == [rewards[index], terminated[index], truncated[index]]
            assert_same({name: infos[name][index] for name in info}, info)
    envs.close()
    for env in singles:
        env.close()


@pytest.mark.filterwarnings("ignore:.*(symmetric and normalized|different from the unwrapped).*")
def test_a_history_of_actions_keeps_the_contract(config):
    config["action_history"] = 2
    env = make_env(config, training=True)
    check_env(env, skip_render_check=True)
    env.close()
    assert_a_vector_steps_as_single_envs(config)


def item_of(observations, index):
    if isinstance(observations, dict):
        return {name: part[index] for name, part in observations.items()}
    return observations[index]
