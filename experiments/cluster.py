"""The only `ray.init`: Ray on this machine for one run, or a cluster that runs already."""

import json
import logging
import math
import os
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

from envs.app import ROOT
from envs.errors import ConfigError
from experiments.cluster_nodes import check_nodes, living_nodes, required_distributions
from experiments.cluster_probe import check_answer, find_cluster
from experiments.machine import Machine, NodeRoom, local_machine
from experiments.placement import count_trials
from experiments.plan import Plan

logger = logging.getLogger(__name__)

_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # Ray Jobs leave it in their drivers' environment
_LOOK_EVERY_S = 5.0
_JOB_STOP_S = "RAY_JOB_STOP_WAIT_TIME_S"


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


def find_machine(settings: dict[str, Any], paths: dict[str, Any]) -> Machine:
    """Return what Ray may use: this machine, or the cluster that `ray.address` names, all of whose nodes are asked.

    Args:
        settings: The section `ray` of the config.
        paths: The section `paths`.

    Raises:
        ConfigError: There is no such cluster, or it cannot be used; the message says why, within seconds.
    """
    if settings.get("address") is None:
        return local_machine(settings)
    address = find_cluster(settings["address"])
    outputs = Path(paths["outputs"])
    check_outputs_last(outputs)
    check_answer(address, settings["start_timeout_s"])
    import ray

    _connect(address, {})
    try:
        check_nodes(
            required_distributions(), None if paths.get("storage") else outputs, timeout_s=settings["start_timeout_s"]
        )
        return cluster_machine(settings, living_nodes())
    finally:
        ray.shutdown()  # `start_ray` connects again, with what the plan says


def cluster_machine(settings: dict[str, Any], nodes: list[NodeRoom]) -> Machine:
    """Return what these nodes have together, as far as the section `ray` lets a run use it.

    Raises:
        ConfigError: They have no core, or `ray.num_cpus` is none.
    """
    total, asked = int(sum(node.resources.get("CPU", 0) for node in nodes)), settings["num_cpus"]
    if total < 1:
        raise ConfigError(
            f"The cluster has {len(nodes)} node{'s' * (len(nodes) != 1)} but no cores for trials: "
            f"{'; '.join(map(str, nodes))}. Start nodes that have some (ray start --address=…, docs/cluster.md)."
        )
    if asked is not None and asked < 1:
        raise ConfigError(f"ray.num_cpus={asked}: at most so many cores of the cluster. Choose 1 or more, or null.")
    num_cpus = total if asked is None else min(asked, total)
    # Nodes of learners must have their GPUs; where none has, `make_plan` says so.
    homes = [node for node in nodes if node.resources.get("GPU", 0) >= settings["num_gpus"]] or nodes
    cores = sorted((int(node.resources.get("CPU", 0)) for node in homes), reverse=True)
    return Machine(
        num_cpus=num_cpus,
        node_cpus=max(1, cores[min(settings.get("num_learners", 1), len(cores)) - 1]),
        num_gpus=sum(node.resources.get("GPU", 0) for node in nodes),
        memory_bytes=int(sum(node.resources.get("memory", 0) for node in nodes)),
        nodes=tuple(nodes),
    )


def check_outputs_last(outputs: Path) -> None:
    """Check that what a Ray Job writes outlives it: its own folder is a copy that Ray deletes.

    Raises:
        ConfigError: The folder lies in that copy.
    """
    is_shipped = "working_dir" in _job().get("runtime_env", {})  # else the code lies in the image of all nodes
    if is_shipped and outputs.is_relative_to(Path.cwd()):
        raise ConfigError(
            f"paths.outputs={outputs} lies in the job's copy of the code, which Ray deletes. Name a folder that all "
            "nodes see, by its full path: paths.outputs=/mnt/chicane/outputs (docs/cluster.md)."
        )


def is_job() -> bool:
    """Return whether Ray Jobs started this process."""
    return _JOB in os.environ


def job_id() -> str | None:
    """Return the id by which `ray job stop` and `ray job logs` know this process, if Ray Jobs started it."""
    return _job().get("metadata", {}).get("job_submission_id")  # type: ignore[no-any-return]


def _job() -> dict[str, Any]:
    return json.loads(os.environ.get(_JOB) or "{}")  # type: ignore[no-any-return]


def start_ray(
    plan: Plan,
    num_cpus: int | None = None,
    num_gpus: float | None = None,
    num_concurrent: int = 1,
    address: str | None = None,
) -> None:
    """Start Ray on this machine, quietly, listening on loopback only; or connect with a cluster.

    Args:
        plan: Of a trial, the largest where they differ.
        num_cpus: Cores of all trials; None: those of the plan.
        num_gpus: GPUs of all trials; None: those of the plan.
        num_concurrent: Trials at once.
        address: `ray.address`; None: this machine. What a cluster has is not ours to set.

    Raises:
        ConfigError: The cluster does not take us (any more).
    """
    if address is not None:
        if is_job() and _JOB_STOP_S not in os.environ:
            logger.warning("ray job stop will end this run after 3 s, unsaved: see %s in docs/cluster.md.", _JOB_STOP_S)
        _connect(find_cluster(address), thread_environment(plan))
        return
    _quieten()
    for name, value in thread_environment(plan).items():
        os.environ.setdefault(name, value)  # workers inherit it
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


class ClusterRoom:
    """Says how many trials the connected cluster has room for, as nodes come and go.

    Args:
        plan: Of a trial, the largest where they differ.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan, self._count, self._looked_s = plan, 0, -_LOOK_EVERY_S

    def __call__(self) -> int:
        """Return how many, as of a few seconds ago."""
        if time.monotonic() - self._looked_s >= _LOOK_EVERY_S:
            self._count, self._looked_s = count_trials(living_nodes(), self._plan), time.monotonic()
        return self._count


def _connect(address: str, environment: dict[str, str]) -> None:
    """Connect with the cluster at `HOST:PORT`; our code goes to its nodes, unless a Ray Job brought it.

    Namespaces stay anonymous: names of actors (`experiments.cluster_stop`) are then this driver's own.
    """
    _quieten()
    import ray

    runtime: dict[str, Any] = {"env_vars": environment}
    if not is_job():
        runtime |= {"working_dir": str(ROOT)}  # without what .gitignore names; in a job a second one is refused
    try:
        ray.init(address=address, runtime_env=runtime, log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise ConfigError(f"The Ray cluster at {address} (ray.address) does not take this run: {error}") from error


def _quieten() -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # its warning is about GPUs that are not there
