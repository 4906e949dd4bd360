"""Every model learns the dummy task with every algorithm, from three seeds; chance does not, nor what has no memory."""

from dataclasses import replace

import numpy as np
import pytest

from envs.factory import make_env
from experiments.algorithm import build_config
from experiments.cluster import start_ray
from experiments.drive import drive
from experiments.plan import PRECISIONS, fast_precision
from experiments.policy import DrivingPolicy
from experiments.policy_description import PolicyDescription

TRACKS = range(10_000, 10_020)
PPO = ("algo=ppo",)
# The task is where the lane is in the picture: a random shift of it, meant for larger ones, moves the car by a quarter.
SAC = ("algo=sac", "algo.training.start_after_decisions=1000", "algo.training.shift_pixels=0")
DREAMER = (
    "algo=dreamerv3",
    "model.preset=nano",
    "algo.training.lr=1e-3",  # the paper's is for a hundred times as many parameters
    "algo.training.warmup_updates=100",
    "algo.training.train_ratio=64",
    "algo.training.batch_size=8",
    "algo.training.sequence_length=16",
    "algo.training.start_after_decisions=500",
)
SMALL = ("model.channels=[8,16]", "model.kernels=[8,4]", "model.strides=[4,2]", "model.image_features=32")
MODELS = {
    "cnn": ("env=dummy", "model=cnn", *SMALL),
    "vit": ("env=dummy", "model=vit", "model.width=32", "model.depth=1", "model.heads=2"),
    "world_model": ("env=dummy", "env.obs=vector"),
    "mlp": ("env=dummy", "env.obs=vector", "model=mlp", "model.hidden=[64]", "model.features=64"),
    "cnn_lstm": ("env=dummy_memory", "model=cnn_lstm", *SMALL, "model.hidden=64", "model.layers=1"),
}


@pytest.fixture(scope="module")
def plan(tiny_plan):
    import ray

    plan = tiny_plan(envs_per_runner=8, precision=fast_precision(on_gpu=False))
    start_ray(plan)
    yield plan
    ray.shutdown()


@pytest.fixture
def score(plan, compose, tmp_path):
    """Return a function that trains for so many decisions and returns the mean return on unseen tracks."""

    def trained(words, decisions, precision=plan.precision):
        config = compose(*words)
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
            episodes = drive(DrivingPolicy(algorithm.learner.policy, description), config["env"], TRACKS)
        finally:
            algorithm.stop()
        return np.mean([episode.episode_return for episode in episodes])

    return trained


@pytest.fixture
def scripted(compose):
    """Return a function from an env to what a way to act earns there on average."""

    def mean(env_words, act):
        env = make_env(compose(*env_words)["env"])
        env.action_space.seed(0)
        returns = []
        for seed in TRACKS:
            env.reset(seed=seed)
            total, done = 0.0, False
            while not done:
                _, reward, terminated, truncated, _ = env.step(act(env))
                total, done = total + reward, terminated or truncated
            returns.append(total)
        return np.mean(returns)

    return mean


def optimum(env):
    return env.unwrapped.optimal_action()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("model", "algo", "decisions"),
    [
        ("cnn", PPO, 50_000),
        ("cnn", SAC, 10_000),
        ("vit", PPO, 50_000),
        ("vit", SAC, 10_000),
        ("mlp", PPO, 50_000),
        ("mlp", SAC, 10_000),
        # Some six minutes of a core: 7,000 decisions with half an update each.
        pytest.param("world_model", DREAMER, 7_000, marks=pytest.mark.timeout(1200)),
        ("cnn_lstm", PPO, 100_000),
        ("cnn_lstm", (*SAC, "algo.training.average_rate=0.01", "algo.training.batch_size=256"), 40_000),
    ],
)
def test_every_model_learns_with_every_algorithm(score, scripted, model, algo, decisions, seed):
    words = MODELS[model]
    assert score((*words, *algo, f"seed={seed}"), decisions) >= 0.8 * scripted(words[:1], optimum)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(2))
def test_a_world_model_learns_to_choose(score, scripted, seed):
    """One of five actions at a time: whoever accelerates does not steer."""
    words = ("env=dummy", "env.actions=discrete")
    assert score((*words, "env.obs=vector", *DREAMER, f"seed={seed}"), 7_000) >= 0.8 * scripted(words, optimum)


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("algo", "decisions"),
    [
        (PPO, 50_000),
        ((*PPO, "algo.training.head._target_=models.heads.SquashedGaussianHead"), 100_000),
        (("algo=sac", "algo.training.start_after_decisions=500"), 10_000),
    ],
)
def test_every_head_learns_in_every_precision(score, scripted, algo, decisions, precision):
    words = ("env=dummy", "seed=1", *algo)
    assert score(words, decisions, precision) >= 0.8 * scripted(("env=dummy",), optimum)


@pytest.mark.slow
@pytest.mark.parametrize(("algo", "decisions"), [(PPO, 100_000), (SAC, 24_000)])
@pytest.mark.parametrize(("history", "most"), [(0, 0.5), (1, 0.65)])
def test_who_cannot_remember_fails_where_memory_is_needed(score, scripted, algo, decisions, history, most):
    """The same CNN and history as with the LSTM after it; the last action, which it can repeat, is a bit of memory."""
    words = ("env=dummy_memory", f"env.action_history={history}", "model=cnn", *SMALL, *algo, "seed=0")
    assert score(words, decisions) <= most * scripted(("env=dummy_memory",), optimum)


@pytest.mark.slow
@pytest.mark.parametrize("env", ["dummy", "dummy_memory"])
def test_chance_does_not(scripted, env):
    assert scripted((f"env={env}",), lambda env: env.action_space.sample()) <= 0.2 * scripted((f"env={env}",), optimum)
