"""Who gets which cores, by hand, on a small machine and a large one."""

import pytest

from envs.errors import ConfigError
from experiments import cluster
from experiments.cluster import available_cores, make_plan

PPO, SAC = False, True  # whether learning overlaps sampling


@pytest.fixture
def plan(monkeypatch):
    """Plan on a machine of so many cores; what is not named is derived, as conf/ray/local.yaml leaves it."""

    def on(cores, overlaps, **settings):
        monkeypatch.setattr(cluster, "available_cores", lambda: cores)
        derived = {"num_cpus": None, "num_gpus": 0, "num_env_runners": None, "learner_threads": None}
        return make_plan(derived | {"envs_per_runner": 8} | settings, overlaps)

    return on


@pytest.mark.parametrize(
    ("cores", "overlaps", "settings", "cpus", "runners", "threads", "booked"),
    [
        # In turns: both use every core. Runners and the main process share what there is.
        (2, PPO, {}, 2, 2, 2, 2 / 3),
        (64, PPO, {}, 64, 64, 64, 64 / 65),
        (64, PPO, {"num_cpus": 8}, 8, 8, 8, 8 / 9),
        # At the same time: a quarter of the cores drives, the rest learns.
        (2, SAC, {}, 2, 1, 2, 1),
        (64, SAC, {}, 64, 16, 48, 1),
        (64, SAC, {"num_cpus": 8}, 8, 2, 6, 1),
        (64, SAC, {"num_env_runners": 40}, 64, 40, 24, 1),
        (64, SAC, {"num_env_runners": 40, "learner_threads": 4}, 64, 40, 4, 1),
        # One core for everybody.
        (1, PPO, {}, 1, 1, 1, 1 / 2),
        (1, SAC, {}, 1, 1, 1, 1 / 2),
        (64, SAC, {"num_cpus": 1}, 1, 1, 1, 1 / 2),
        # More runners than cores: each books less than one.
        (2, SAC, {"num_env_runners": 7}, 2, 7, 2, 2 / 8),
        (2, PPO, {"num_env_runners": 7}, 2, 7, 2, 2 / 8),
    ],
)
def test_the_plan_by_hand(plan, cores, overlaps, settings, cpus, runners, threads, booked):
    found = plan(cores, overlaps, **settings)
    assert (found.num_cpus, found.num_env_runners, found.learner_threads) == (cpus, runners, threads)
    assert found.process_cpus == pytest.approx(booked)
    assert (found.num_gpus, found.envs_per_runner) == (0, 8)


@pytest.mark.parametrize("overlaps", [PPO, SAC])
@pytest.mark.parametrize("cores", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("runners", [None, 1, 2, 6, 100])
def test_what_is_booked_is_there(plan, cores, overlaps, runners):
    """Else Ray waits for ever. The main process books as much as each runner."""
    found = plan(cores, overlaps, num_env_runners=runners)
    assert found.process_cpus * (found.num_env_runners + 1) <= cores * (1 + 1e-9)
    assert 0 < found.process_cpus <= 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_cpus": 0}, r"ray\.num_cpus=0: this machine has 2 cores\. Choose 1 to 2, or null"),
        ({"num_cpus": 3}, r"ray\.num_cpus=3: this machine has 2 cores"),
        ({"num_env_runners": 0}, r"ray\.num_env_runners=0: at least one process must drive envs"),
        ({"num_env_runners": -1}, r"ray\.num_env_runners=-1"),
        ({"envs_per_runner": 0}, r"ray\.envs_per_runner=0: a runner needs at least one env"),
        ({"learner_threads": 0}, r"ray\.learner_threads=0: this machine has 2 cores"),
        ({"learner_threads": 3}, r"ray\.learner_threads=3"),
        ({"num_gpus": 2}, r"ray\.num_gpus=2: PyTorch sees 1 GPUs here"),
        ({"num_gpus": 1.5}, r"ray\.num_gpus=1\.5"),
        pytest.param(
            {"num_gpus": -1},
            r"ray\.num_gpus=-1",
        ),
    ],
)
@pytest.mark.parametrize("overlaps", [PPO, SAC])
def test_impossible_requests_are_refused_in_words(plan, monkeypatch, settings, words, overlaps):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(ConfigError, match=words):
        plan(2, overlaps, **settings)


def test_a_gpu_that_is_there_is_planned_and_said(plan, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    found = plan(4, SAC, num_gpus=0.5)
    assert found.num_gpus == 0.5
    assert str(found) == "4 cores, 0.5 GPU: 1 env runner with 8 envs, learner on 3 threads"
    assert str(plan(4, SAC)).startswith("4 cores: 1 env runner ")


def test_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(cluster.os, "sched_getaffinity", lambda _: {3, 5, 7}, raising=False)
    assert available_cores() == 3
    monkeypatch.delattr(cluster.os, "sched_getaffinity")
    monkeypatch.setattr(cluster.os, "cpu_count", lambda: 12)
    assert available_cores() == 12
