"""The only `ray.init`."""

import logging
import math
import os
import sys
from typing import Any
from unittest import mock

from envs.app import ROOT
from experiments.machine import Machine, local_machine
from experiments.plan import Plan


def thread_environment(plan: Plan) -> dict[str, str]:
    """Return what must stand in the environment before the learner's process imports torch.

    Threads that wait for each other stay awake for some turns of a loop: to be woken costs more than a gap within an
    update. But whoever is awake keeps the core from a runner that shares it. Only GNU's OpenMP, which torch brings on
    Linux, can be told how long; elsewhere they sleep. Who has set a policy keeps it.
    """
    if not sys.platform.startswith("linux"):
        return {"OMP_WAIT_POLICY": "PASSIVE"}
    if "OMP_WAIT_POLICY" in os.environ:
        return {}
    return {"GOMP_SPINCOUNT": "20000" if plan.has_own_cores else "2000"}


def find_machine(settings: dict[str, Any]) -> Machine:
    """Return what Ray may use: this machine, or the cluster that `ray.address` names, with which this process connects.

    Raises:
        ConfigError: There is no such cluster, or it cannot be used; the message says why.
    """
    if settings.get("address") is None:
        return local_machine(settings)
    raise NotImplementedError("ray.address")


def start_ray(plan: Plan, num_cpus: int | None = None, num_gpus: float | None = None, num_concurrent: int = 1) -> None:
    """Start Ray on this machine, quietly, listening on loopback only.

    Args:
        plan: Of a trial, the largest where they differ.
        num_cpus: Cores of all trials; None: those of the plan.
        num_gpus: GPUs of all trials; None: those of the plan.
        num_concurrent: Trials at once.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    for name, value in thread_environment(plan).items():
        os.environ.setdefault(name, value)  # workers inherit it
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # its warning is about GPUs that are not there
    os.chdir(ROOT)  # workers import what lies in the folder they were started from
    import ray
    from ray._private import services

    # Ray turns 127.0.0.1 into the machine's outer address and then listens on all of them. One machine needs neither.
    with mock.patch.object(services, "resolve_ip_for_localhost", lambda host: host):
        ray.init(
            address="local",  # a cluster that happens to run here is not ours to use
            num_cpus=num_cpus or plan.num_cpus,
            num_gpus=math.ceil(num_gpus or plan.num_gpus) or None,
            object_store_memory=plan.object_store_bytes * num_concurrent,
            _memory=max(1, plan.memory_bytes) * num_concurrent,  # what trials book; that it is there was checked
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.WARNING,
            _node_ip_address="127.0.0.1",
        )
