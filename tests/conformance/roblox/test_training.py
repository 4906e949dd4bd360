"""Our PPO over sockets, with a game that is twenty times as fast as a real one."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.algorithm import build_config
from experiments.cluster import start_ray

CARS, CAR_STEPS = 20, 10_000
GAME = ("env.twin=true", "env.speed=20", "env.dialect=v2", "env.step_timeout_s=40", "env.no_tick_timeout_s=100")
QUICK = (  # ten thousand decisions are little: updates more often, and greater ones
    "algo.training.rollout_steps=32",
    "algo.training.minibatch_size=128",
    "algo.training.lr=1e-3",
    "algo.training.lr_decay_frames=null",
    "algo.training.desired_kl=null",
    "algo.training.noise_end=1.0",
)


@pytest.fixture
def ppo(tiny_plan, compose, tmp_path):
    """Return a function that makes the algorithm of an experiment, with one runner."""
    import ray

    plan = replace(tiny_plan(), envs_per_runner=CARS)
    start_ray(plan)
    made = []

    def make(*words):
        rllib = build_config(compose(*words), plan)
        made.append(rllib.algo_class(rllib))
        made[-1].start_replay(tmp_path)
        return made[-1]

    yield make
    for algorithm in made:
        algorithm.stop()
    ray.shutdown()


@pytest.mark.timing  # a game that fast needs a core of its own
@pytest.mark.timeout(600)
@pytest.mark.point("roblox", 28)
def test_in_10_000_car_steps_at_20_times_real_time_the_mean_return_rises(ppo):
    algorithm = ppo("experiment=roblox_ppo", *GAME, *QUICK, "seed=0")
    early = late = np.zeros(0)
    while algorithm.decisions < CAR_STEPS:
        algorithm.train()
        late = np.array([outcome["episode_return"] for outcome in algorithm.training_state()["outcomes"]])
        early = late if len(early) < 20 else early
    late = late[-40:]
    error = np.sqrt(early.var() / len(early) + late.var() / len(late))
    assert late.mean() > early.mean() + 2.0 * error
