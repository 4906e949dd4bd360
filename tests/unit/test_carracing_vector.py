"""Many CarRacings that step together: as Gymnasium's own vector env of single ones, on tracks of their own."""

import gc
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from envs.carracing import ENV_ID
from envs.carracing.env import CarRacingEnv
from envs.carracing.vector import CarRacingVectorEnv
from envs.errors import ConfigError
from envs.factory import make_vector_env

RULES = {"stuck_frames": 12}  # episodes end soon, at times that differ
SMALL = {"renderer": "fast", "image_size": 64, "grayscale": True, "action_repeat": 4, "actions": "pedal"}


@pytest.fixture
def config():
    return {"_target_": "envs.carracing.env.CarRacingEnv", "obs": "telemetry", "early_end": RULES}


def assert_same(one, other, path=""):
    """The same structure, types and values."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for name in one:
            assert_same(one[name], other[name], f"{path}.{name}")
    else:
        assert one.dtype == other.dtype, path
        np.testing.assert_array_equal(one, other, err_msg=path)


@pytest.mark.parametrize("obs", ["image", "telemetry", "both"])
def test_steps_as_gymnasiums_vector_env_of_single_envs(obs):
    arguments = SMALL | {"obs": obs, "early_end": RULES, "training": True}
    ours = CarRacingVectorEnv(3, **arguments)
    wanted = SyncVectorEnv([lambda: CarRacingEnv(**arguments)] * 3, autoreset_mode=AutoresetMode.NEXT_STEP)
    assert ours.observation_space == wanted.observation_space
    assert ours.action_space == wanted.action_space
    assert ours.metadata == wanted.metadata
    ours.action_space.seed(0)
    ends, causes = np.zeros(3, int), 0
    for seed in (7, [1, None, 3], None):  # None goes on with the env's own generator
        for one, other in zip(ours.reset(seed=seed), wanted.reset(seed=seed), strict=True):
            assert_same(one, other)
        for _ in range(25):
            actions = ours.action_space.sample()
            actions[:, 1] = [1.0, 0.2, -1.0]
            step, wanted_step = ours.step(actions), wanted.step(actions)
            for one, other in zip(step, wanted_step, strict=True):
                assert_same(one, other)
            assert step[0] in ours.observation_space
            ends += step[2] | step[3]
            causes += "early_end" in step[4]
    assert ends.min() >= 2
    assert ends.min() < ends.max()  # not all at once
    assert causes
    ours.close()
    wanted.close()


def test_an_episode_restarts_one_step_after_its_end_and_ignores_that_action():
    envs = CarRacingVectorEnv(2, obs="telemetry", early_end=RULES, training=True)
    envs.reset(seed=1)
    actions = np.array([[0, 1, 0], [0, 0, 1]], np.float32)  # one drives on, the other stands
    while True:
        _, rewards, terminated, _, infos = envs.step(actions)
        if terminated.any():
            break
    assert terminated.tolist() == [False, True]
    assert infos["early_end"].tolist() == [None, "stuck"]
    assert infos["_early_end"].tolist() == [False, True]
    actions[1] = np.nan
    _, rewards, terminated, truncated, infos = envs.step(actions)
    assert (rewards[1], terminated[1], truncated[1], infos["frames"][1]) == (0.0, False, False, 0)
    assert "early_end" not in infos


def test_a_returned_observation_stays_what_it_was():
    envs = CarRacingVectorEnv(2, **SMALL)
    first, _ = envs.reset(seed=0)
    kept = first.copy()
    for _ in range(5):
        envs.step(np.ones((2, 2), np.float32))
    np.testing.assert_array_equal(first, kept)


def test_gymnasium_makes_it_by_its_name():
    arguments = {"obs": "both", "image_size": 64}
    envs = gym.make_vec(ENV_ID, num_envs=4, vectorization_mode="vector_entry_point", **arguments)
    single = gym.make(ENV_ID, **arguments)
    observations, infos = envs.reset(seed=3)
    assert infos["track_seed"].tolist() == [3, 4, 5, 6]
    actions = np.tile(np.array([0.1, 1, 0], np.float32), (4, 1))
    for _ in range(5):
        observations, rewards, *_ = envs.step(actions)
    single.reset(seed=5)
    for _ in range(5):
        observation, reward, *_ = single.step(actions[2])
    assert_same({name: part[2] for name, part in observations.items()}, observation)
    assert rewards[2] == reward
    assert envs.spec.id == "chicane/CarRacing-v3"
    envs.close()
    envs.close()


def test_pictures_of_every_car():
    envs = CarRacingVectorEnv(2, obs="telemetry", render_mode="rgb_array")
    envs.reset(seed=[3, 4])
    single = CarRacingEnv(render_mode="rgb_array")
    single.reset(seed=4)
    pictures = envs.render()
    assert len(pictures) == 2
    np.testing.assert_array_equal(pictures[1], single.render())
    assert CarRacingVectorEnv(2, obs="telemetry").render() is None


@pytest.mark.parametrize("num_tracks", [9, None])
def test_no_two_envs_of_any_runner_drive_the_same_track(config, num_tracks):
    if num_tracks:
        config["train_seeds"] = {"first": 50, "last": 50 + num_tracks - 1}
    driven = []
    for runner in range(2):
        envs = make_vector_env(config, num_envs=2, training=True, seed=1, runner=runner, num_runners=2)
        tracks = [set(), set()]
        for _ in range(3):
            infos = [envs.reset()[1]]
            infos += [envs.step(np.zeros((2, 3), np.float32))[4] for _ in range(40)]
            for info in infos:
                for env in np.flatnonzero(info["frames"] == 0):  # a reset, our own or an automatic one
                    tracks[env].add(int(info["track_seed"][env]))
        driven += tracks
    assert min(len(tracks) for tracks in driven) >= 2
    assert sum(len(tracks) for tracks in driven) == len(set.union(*driven))
    if num_tracks:
        assert set.union(*driven) <= set(range(50, 59))


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ({"first": 50, "last": 52}, "3 tracks for 4 envs.*widen the range"),
        ({"first": 9_000, "last": 10_000}, "9000 … 10000, which overlaps the evaluation's 10000 … 10099"),
        ({"first": 20_099, "last": 30_000}, "overlaps the evaluation's 20000 … 20099"),
        ({"first": 0, "last": 2**31 - 1}, "overlaps"),
        ({"first": 60, "last": 50}, "first <= last"),
        ({"first": -5, "last": 50}, "0 <= first"),
        ({"begin": 5}, "no key 'begin'"),
        ({"first": "5"}, "first: int, got '5'"),
    ],
)
def test_wrong_ranges_of_tracks_are_refused(config, seeds, words):
    config["train_seeds"] = seeds
    with pytest.raises(ConfigError, match=words):
        make_vector_env(config, num_envs=2, training=True, runner=1, num_runners=2)


def test_wrong_numbers_are_refused():
    with pytest.raises(ConfigError, match="num_envs"):
        CarRacingVectorEnv(0)
    with pytest.raises(ConfigError, match="each of the 2 envs, got 1"):
        CarRacingVectorEnv(2, seeds=[iter([1])])
    envs = CarRacingVectorEnv(2, obs="telemetry")
    with pytest.raises(ValueError, match="seed for each of the 2 envs, got 3"):
        envs.reset(seed=[1, 2, 3])
    envs.reset(seed=0)
    with pytest.raises(ValueError, match="action for each of the 2 envs, got 1"):
        envs.step(np.zeros((1, 3), np.float32))
    with pytest.raises(ValueError, match="finite"):
        envs.step(np.full((2, 3), np.nan))


def test_a_refused_vector_env_says_no_more_than_why(monkeypatch):
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    with pytest.raises(ConfigError, match="renderer to be one of exact, fast, got 'quick'"):
        CarRacingVectorEnv(2, renderer="quick")
    gc.collect()
    assert unraisable == []
