"""What memory a plan takes: by hand, and refused where there is not so much."""

from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import psutil
import pytest

from envs.errors import ConfigError
from envs.stacking import observation_bytes
from experiments.algorithm import build_config
from experiments.plan import Plan, with_memory

MIB = 2**20
PLAN = Plan(
    num_cpus=4,
    num_gpus=0,
    num_env_runners=2,
    envs_per_runner=8,
    learner_threads=3,
    has_own_cores=False,
    precision="float32",
    process_cpus=1.0,
)


@pytest.fixture
def has_free(monkeypatch):
    """Return a function that lets the machine have so many bytes."""

    def free(available):
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=available))

    return free


@pytest.mark.parametrize(
    ("fragment", "store"),
    [
        (1000, 256 * MIB),  # never less
        (100 * MIB, 600 * MIB),  # two runners, and room for three fragments of each
    ],
)
def test_memory_by_hand(has_free, fragment, store):
    has_free(600 * MIB)
    found = with_memory(PLAN, fragment_bytes=fragment, weight_bytes=0, replay_bytes=1_234_567_890)
    assert (found.object_store_bytes, found.replay_bytes) == (store, 1_234_567_890)
    assert str(found) == f"{PLAN}, replay of 1.23 GB on disk"
    assert str(with_memory(PLAN, fragment_bytes=fragment, weight_bytes=0, replay_bytes=0)) == str(PLAN)


def test_fragments_that_do_not_fit_into_memory_are_refused_in_words(has_free):
    has_free(11_999_999_999)
    words = (
        r"2 env runners with 8 envs send 2\.0 GB each at a time and need 12\.0 GB of memory for it, but 12\.0 GB are "
        r"free\. Choose a smaller algo\.training\.rollout_steps, ray\.envs_per_runner or ray\.num_env_runners\."
    )
    with pytest.raises(ConfigError, match=words):
        with_memory(PLAN, fragment_bytes=2_000_000_000, weight_bytes=0, replay_bytes=0)
    has_free(12_000_000_000)
    assert (
        with_memory(PLAN, fragment_bytes=2_000_000_000, weight_bytes=0, replay_bytes=0).object_store_bytes
        == 12_000_000_000
    )


def test_weights_travel_through_the_same_memory(has_free):
    has_free(10_000_000_000)
    found = with_memory(PLAN, fragment_bytes=100_000_000, weight_bytes=200_000_000, replay_bytes=0)
    assert found.object_store_bytes == 3 * 2 * 100_000_000 + 4 * 200_000_000


SPACE = gym.spaces.Dict(
    {
        "image": gym.spaces.Box(0, 255, (84, 80, 3), np.uint8),  # 20 160 bytes
        "vector": gym.spaces.Box(-1, 1, (5,), np.float64),  # kept as float32: 20 bytes
    }
)


def test_an_observation_is_as_large_as_where_it_is_kept():
    assert observation_bytes(SPACE) == 20_160 + 20


@pytest.mark.parametrize(
    ("algo", "replay"),
    [
        ("ppo", 0),
        ("sac", (50_000 + 5_000) * 20_180),  # a tenth more than the capacity
    ],
)
def test_an_algorithm_knows_its_sizes(compose, algo, replay):
    words = ["algo.training.replay_capacity=50000"] if algo == "sac" else []
    config = compose("env=dummy", f"algo={algo}", "algo.training.rollout_steps=16", *words)
    rllib = build_config(config, PLAN)
    assert rllib.fragment_bytes(SPACE) == 17 * 8 * 20_180  # decisions of each of eight envs, and what each sees next
    assert rllib.replay_bytes(SPACE) == replay
