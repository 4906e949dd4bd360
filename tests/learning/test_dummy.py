"""Each algorithm learns the dummy task from pixels and vector; chance does not."""

from dataclasses import replace

import numpy as np
import pytest

from envs.factory import make_env
from experiments.algorithm import build_config
from experiments.cluster import start_ray
from experiments.drive import drive
from experiments.plan import PRECISIONS, Plan, fast_precision
from experiments.policy import DrivingPolicy, PolicyDescription

BEST = 64.0  # one point a decision, 64 decisions
SEEDS = range(10_000, 10_020)


@pytest.fixture(scope="module")
def plan():
    import ray

    plan = Plan(
        num_cpus=2,
        num_gpus=0,
        num_env_runners=1,
        envs_per_runner=8,
        learner_threads=1,
        has_own_cores=False,
        process_cpus=0.5,
        precision=fast_precision(on_gpu=False),
    )
    start_ray(plan)
    yield plan
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("words", "decisions"),
    [
        (("algo=ppo",), 50_000),
        (("algo=ppo", "algo.training.head._target_=models.heads.SquashedGaussianHead"), 100_000),
        (("algo=sac", "algo.training.start_after_decisions=500"), 10_000),
    ],
)
def test_it_learns(plan, compose, tmp_path, words, decisions, precision):
    config = compose("env=dummy", "seed=1", *words)
    rllib = build_config(config, replace(plan, precision=precision))
    algorithm = rllib.algo_class(rllib)
    algorithm.start_replay(tmp_path)
    try:
        while algorithm.decisions < decisions:
            algorithm.train()
        observation_space, action_space = algorithm.spaces["__env_single__"]
        description = PolicyDescription(
            env=config["env"],
            observation_space=observation_space,
            action_space=action_space,
            encoder=config["model"],
            head=config["algo"]["training"]["head"],
            training={},
        )
        episodes = drive(DrivingPolicy(algorithm.learner.policy, description), config["env"], SEEDS)
    finally:
        algorithm.stop()
    assert np.mean([episode.episode_return for episode in episodes]) >= 0.8 * BEST


@pytest.mark.slow
def test_chance_does_not(compose):
    env = make_env(compose("env=dummy")["env"])
    env.action_space.seed(0)
    returns = []
    for seed in SEEDS:
        env.reset(seed=seed)
        total, done = 0.0, False
        while not done:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            total, done = total + reward, terminated or truncated
        returns.append(total)
    assert np.mean(returns) <= 0.2 * BEST
