"""How a run uses its machine: cores, runners and threads decided in one place, and the only `ray.init`."""

import logging
import math
import os
from dataclasses import dataclass
from typing import Any
from unittest import mock

from envs.app import ROOT
from envs.errors import ConfigError


@dataclass(frozen=True)
class Plan:
    """Who gets what.

    Attributes:
        num_cpus: Cores that Ray may use.
        num_gpus: GPUs of the learner.
        num_env_runners: Processes that drive envs, one thread each.
        envs_per_runner: Envs of each.
        learner_threads: Threads of the learner.
        process_cpus: What Ray books for the trial's main process and for each runner. Less than one each where they
            are more than the cores: Ray would wait for ever otherwise.
    """

    num_cpus: int
    num_gpus: float
    num_env_runners: int
    envs_per_runner: int
    learner_threads: int
    process_cpus: float

    def __str__(self) -> str:
        """Say it in one line."""
        gpus = f", {self.num_gpus:g} GPU" if self.num_gpus else ""
        runners = _count(self.num_env_runners, "env runner")
        each = " each" if self.num_env_runners > 1 else ""
        return (
            f"{_count(self.num_cpus, 'core')}{gpus}: {runners} with {_count(self.envs_per_runner, 'env')}{each}, "
            f"learner on {_count(self.learner_threads, 'thread')}"
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def available_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_plan(settings: dict[str, Any], overlaps_sampling: bool) -> Plan:
    """Decide who gets what, from the section `ray` of the config.

    Args:
        settings: The section; None values are derived.
        overlaps_sampling: Whether the algorithm learns while its runners sample. Then most cores are the learner's;
            else they take turns and both use all cores.

    Raises:
        ConfigError: More is asked for than there is, or less than is needed.
    """
    cores = available_cores()
    num_cpus = cores if settings["num_cpus"] is None else settings["num_cpus"]
    if not 1 <= num_cpus <= cores:
        raise ConfigError(f"ray.num_cpus={num_cpus}: this machine has {cores} cores. Choose 1 to {cores}, or null.")
    runners = settings["num_env_runners"]
    if runners is None:
        runners = max(1, num_cpus // 4) if overlaps_sampling else num_cpus
    if runners < 1:
        raise ConfigError(f"ray.num_env_runners={runners}: at least one process must drive envs. Choose 1, or null.")
    if settings["envs_per_runner"] < 1:
        raise ConfigError(f"ray.envs_per_runner={settings['envs_per_runner']}: a runner needs at least one env.")
    threads = settings["learner_threads"]
    if threads is None:
        # A runner waits for the learner now and then, so that even on two cores a second thread pays.
        threads = min(num_cpus, max(2, num_cpus - runners)) if overlaps_sampling else num_cpus
    if not 1 <= threads <= cores:
        raise ConfigError(
            f"ray.learner_threads={threads}: this machine has {cores} cores. Choose 1 to {cores}, or null."
        )
    num_gpus = settings["num_gpus"]
    if num_gpus < 0:
        raise ConfigError(f"ray.num_gpus={num_gpus:g}: expected 0 or more.")
    if num_gpus:
        import torch

        if torch.cuda.device_count() < num_gpus:
            raise ConfigError(f"ray.num_gpus={num_gpus:g}: PyTorch sees {torch.cuda.device_count()} GPUs here.")
    return Plan(
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        num_env_runners=runners,
        envs_per_runner=settings["envs_per_runner"],
        learner_threads=threads,
        process_cpus=min(1.0, num_cpus / (runners + 1)),
    )


def start_ray(plan: Plan) -> None:
    """Start Ray on this machine, quietly, listening on loopback only."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Threads of the learner that wait must not spin: they share cores with runners. Workers inherit this.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # its warning is about GPUs that are not there
    os.chdir(ROOT)  # workers import what lies in the folder they were started from
    import ray
    from ray._private import services

    # Ray turns 127.0.0.1 into the machine's outer address and then listens on all of them. One machine needs neither.
    with mock.patch.object(services, "resolve_ip_for_localhost", lambda host: host):
        ray.init(
            address="local",  # a cluster that happens to run here is not ours to use
            num_cpus=plan.num_cpus,
            num_gpus=math.ceil(plan.num_gpus) or None,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.WARNING,
            _node_ip_address="127.0.0.1",
        )
