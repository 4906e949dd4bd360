"""Who gets which cores, and what is computed in, by hand, on small machines and large ones; memory has its own file."""

import builtins
import io
import os
import subprocess
import sys

import pytest
import torch

from envs.errors import ConfigError
from experiments import machine
from experiments.machine import available_cores
from experiments.plan import fast_precision, make_plan

PPO, SAC = False, True  # whether learning overlaps sampling


@pytest.fixture
def plan(monkeypatch):
    """Plan on a machine of so many cores; what is not named is derived, as conf/ray/local.yaml leaves it."""

    def on(cores, overlaps, **settings):
        monkeypatch.setattr(machine, "available_cores", lambda: cores)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False})
        names = ("num_cpus", "num_env_runners", "learner_threads", "precision")
        derived = {name: None for name in names} | {"num_gpus": 0}
        return make_plan(derived | {"envs_per_runner": 8} | settings, overlaps)

    return on


@pytest.mark.parametrize(
    ("cores", "overlaps", "settings", "cpus", "runners", "threads", "has_own_cores", "booked"),
    [
        # In turns: both use every core, at most 8 runners and 16 threads. Runners and the main process share them.
        (2, PPO, {}, 2, 2, 2, True, 2 / 3),
        (12, PPO, {}, 12, 8, 12, True, 1),
        (64, PPO, {}, 64, 8, 16, True, 1),
        (64, PPO, {"num_cpus": 8}, 8, 8, 8, True, 8 / 9),
        (8, PPO, {"num_cpus": 2, "learner_threads": 4}, 2, 2, 4, False, 2 / 3),
        # At the same time: a quarter of the cores drives, at most 4; the rest learns, at most 16.
        (2, SAC, {}, 2, 1, 2, False, 1),
        (3, SAC, {}, 3, 1, 2, True, 1),
        (16, SAC, {}, 16, 4, 12, True, 1),
        (64, SAC, {}, 64, 4, 16, True, 1),
        (64, SAC, {"num_cpus": 8}, 8, 2, 6, True, 1),
        (8, SAC, {"num_env_runners": 5, "learner_threads": 4}, 8, 5, 4, False, 1),
        # What is asked for is not capped.
        (64, PPO, {"num_env_runners": 40, "learner_threads": 32}, 64, 40, 32, True, 1),
        (64, SAC, {"num_env_runners": 40}, 64, 40, 16, True, 1),
        (64, SAC, {"num_env_runners": 40, "learner_threads": 32}, 64, 40, 32, False, 1),
        # One core for everybody.
        (1, PPO, {}, 1, 1, 1, True, 1 / 2),
        (1, SAC, {}, 1, 1, 1, False, 1 / 2),
        (64, SAC, {"num_cpus": 1}, 1, 1, 1, False, 1 / 2),
        # More runners than cores: each books less than one.
        (2, SAC, {"num_env_runners": 7}, 2, 7, 2, False, 2 / 8),
        (2, PPO, {"num_env_runners": 7}, 2, 7, 2, True, 2 / 8),
    ],
)
def test_the_plan_by_hand(plan, cores, overlaps, settings, cpus, runners, threads, has_own_cores, booked):
    found = plan(cores, overlaps, **settings)
    assert (found.num_cpus, found.num_env_runners, found.learner_threads) == (cpus, runners, threads)
    assert found.has_own_cores is has_own_cores
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
        ({"num_gpus": 2}, r"ray\.num_gpus=2: this machine has 1 GPUs"),
        ({"num_gpus": 1.5}, r"ray\.num_gpus=1\.5"),
        ({"num_gpus": -1}, r"ray\.num_gpus=-1: this machine has 1 GPUs\. Choose 0 or"),
        ({"num_gpus": 0.5, "num_learners": 2, "num_env_runners": 2}, "learners of one trial cannot share a GPU"),
        (
            {"precision": "float16"},
            r"ray\.precision=float16: expected float32 or bfloat16, or null: what is fast here\.",
        ),
    ],
)
@pytest.mark.parametrize("overlaps", [PPO, SAC])
def test_impossible_requests_are_refused_in_words(plan, monkeypatch, settings, words, overlaps):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(ConfigError, match=words):
        plan(2, overlaps, **settings)


@pytest.mark.parametrize("number", [2, 1.5])  # Ray has no halves of several GPUs at all
def test_a_learner_takes_no_more_than_one_gpu_of_several(plan, monkeypatch, number):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(ConfigError, match=r"ray\.num_gpus=.*a learner computes on one GPU.*ray\.num_learners"):
        plan(4, PPO, num_gpus=number)
    assert plan(4, PPO, num_gpus=1, num_learners=2, precision="float32").num_learners == 2


def test_a_gpu_that_is_there_is_planned_and_said(plan, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    found = plan(4, SAC, num_gpus=0.5, precision="bfloat16")
    assert found.num_gpus == 0.5
    assert str(found) == "4 cores, 0.5 GPU: 1 env runner with 8 envs, learner on the GPU in bfloat16"
    assert str(plan(4, SAC)) == "4 cores: 1 env runner with 8 envs, learner on 3 threads in float32"
    assert str(plan(1, PPO, num_env_runners=2, envs_per_runner=1)) == (
        "1 core: 2 env runners with 1 env each, learner on 1 thread in float32"
    )


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({}, "float32"),  # as on a processor of Arm
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, "float32"),
        ({"avx512_bf16": True, "amx_bf16": False}, "bfloat16"),
        ({"avx512_bf16": False, "amx_bf16": True}, "bfloat16"),
    ],
)
def test_the_processor_decides_on_the_precision_and_a_word_overrules_it(plan, monkeypatch, capabilities, precision):
    def on_it(**settings):
        with monkeypatch.context() as patch:
            patch.setattr(machine, "available_cores", lambda: 2)
            patch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
            patch.setattr(torch.cuda, "is_bf16_supported", lambda **_: precision == "float32")  # of no interest here
            derived = {"num_cpus": None, "num_gpus": 0, "num_env_runners": None, "learner_threads": None}
            return make_plan(derived | {"envs_per_runner": 8, "precision": None} | settings, SAC).precision

    assert on_it() == precision
    assert on_it(precision="float32") == "float32"
    assert on_it(precision="bfloat16") == "bfloat16"


@pytest.mark.parametrize(
    ("has_cpu", "has_gpu", "precision"),
    [(True, True, "bfloat16"), (True, False, "float32"), (False, True, "float32")],
)
def test_with_a_gpu_both_must_multiply_bfloat16(monkeypatch, has_cpu, has_gpu, precision):
    """Runners compute on the CPU. An older GPU emulates bfloat16, which PyTorch counts unless told not to."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has_cpu})
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or has_gpu
    )
    assert fast_precision(on_gpu=True) == precision
    assert fast_precision(on_gpu=False) == ("bfloat16" if has_cpu else "float32")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_cores_are_those_that_this_process_may_use(root):
    code = (
        "import os; from experiments.machine import available_cores\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(available_cores())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="quotas of containers are Linux's")
@pytest.mark.parametrize(("quota", "cores"), [("300000 100000", 3), ("250000 100000", 3), ("max 100000", 12)])
def test_cores_are_those_that_a_containers_quota_leaves(monkeypatch, quota, cores):
    """What the kernel documents of `cpu.max`: microseconds of all cores together in each period, then the period."""
    file, exists = "/sys/fs/cgroup/cpu.max", os.path.exists
    opened = builtins.open

    def fake_open(name, *arguments, **named):
        return io.StringIO(quota) if name == file else opened(name, *arguments, **named)

    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)))
    monkeypatch.setattr(os.path, "exists", lambda name: name == file or exists(name))
    monkeypatch.setattr(builtins, "open", fake_open)
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    assert available_cores() == cores
