"""Who gets what of a machine, decided once: processes, threads, precision and memory."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import psutil

from envs.errors import ConfigError
from experiments.machine import Machine, local_machine

PRECISIONS = ("float32", "bfloat16")
_RAYS_RESOURCES = ("CPU", "GPU", "memory", "object_store_memory")  # not to be asked for as custom ones
PLACEMENTS = ("pack", "spread")  # a trial's processes: on as few nodes as hold them, or over as many as there are
# More runners than these make larger rollouts (PPO) or idle (SAC, whose learner is what they wait for).
_MOST_RUNNERS_IN_TURNS = 8
_MOST_RUNNERS_AT_ONCE = 4
_MOST_LEARNER_THREADS = 16  # a minibatch of some hundred images has not more to share out
# Ray's shared memory holds what is in flight: fragments of this exchange and the last, weights of as many.
_FRAGMENTS_IN_FLIGHT = 3
_WEIGHTS_IN_FLIGHT = 4
_LEAST_OBJECT_STORE = 256 * 2**20  # bytes
# What processes take before they hold any data, measured: a runner; the main process with that of the evaluation.
_RUNNER_BYTES, _MAIN_BYTES = 450 * 10**6, 1_300 * 10**6


@dataclass(frozen=True)
class Plan:
    """Who gets what.

    Attributes:
        num_cpus: Cores that the trial may use.
        num_gpus: GPUs of the learner.
        num_env_runners: Processes that drive envs, one thread each.
        envs_per_runner: Envs of each.
        learner_threads: Threads of the learner.
        has_own_cores: Whether no runner needs the cores of these threads while they learn.
        process_cpus: What Ray books for each runner, and on one machine for the trial's main process. Less than one
            each where they are more than the cores: Ray would wait for ever otherwise.
        learner_cpus: What Ray books for the main process.
        precision: What encoders compute in where they see images, `float32` or `bfloat16` (`models.encoder.Encoder`).
        object_store_bytes: Shared memory for what travels between processes.
        replay_bytes: Disk, and page cache while it fits, of the replay.
        main_bytes: What the main process and the evaluation take, about, with the replay's page cache.
        runner_bytes: What each runner takes.
        runner_resources: What Ray books for each runner beside cores: custom resources of the nodes that it may run on.
        placement: One of `PLACEMENTS`.
        num_learners: Processes that learn, the main one among them, each with these GPUs and threads.
    """

    num_cpus: int
    num_gpus: float
    num_env_runners: int
    envs_per_runner: int
    learner_threads: int
    has_own_cores: bool
    process_cpus: float
    precision: str
    learner_cpus: float = 1.0
    object_store_bytes: int = _LEAST_OBJECT_STORE
    replay_bytes: int = 0
    main_bytes: int = 0
    runner_bytes: int = 0
    runner_resources: dict[str, float] = field(default_factory=dict)
    placement: str = PLACEMENTS[0]
    num_learners: int = 1

    @property
    def memory_bytes(self) -> int:
        """What all processes of the trial take, about."""
        return self.num_learners * self.main_bytes + self.num_env_runners * self.runner_bytes

    def bundles(self) -> list[dict[str, float]]:
        """Return what Ray books: for the main process first, then for each further learner, then for each runner."""
        main = {"CPU": self.learner_cpus, "memory": float(self.main_bytes)}
        if self.num_gpus:
            main["GPU"] = self.num_gpus
        runner = {"CPU": self.process_cpus, "memory": float(self.runner_bytes), **self.runner_resources}
        learners = [dict(main) for _ in range(self.num_learners)]
        return [*learners, *[dict(runner) for _ in range(self.num_env_runners)]]

    def __str__(self) -> str:
        """Say it in one line."""
        gpus = f", {self.num_gpus:g} GPU" if self.num_gpus else ""
        runners = _count(self.num_env_runners, "env runner")
        each = " each" if self.num_env_runners > 1 else ""
        where = "on the GPU" if self.num_gpus else f"on {_count(self.learner_threads, 'thread')}"
        learner = "learner" if self.num_learners == 1 else f"{self.num_learners} learners, each"
        replay = f", replay of {self.replay_bytes / 1e9:.2f} GB on disk" if self.replay_bytes else ""
        return (
            f"{_count(self.num_cpus, 'core')}{gpus}: {runners} with {_count(self.envs_per_runner, 'env')}{each}, "
            f"{learner} {where} in {self.precision}{replay}"
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def make_plan(
    settings: dict[str, Any], overlaps_sampling: bool, machine: Machine | None = None, share: float | None = None
) -> Plan:
    """Decide who gets what of one trial's share, from the section `ray` of the config; memory comes with `with_memory`.

    Args:
        settings: The section; None values are derived.
        overlaps_sampling: Whether the algorithm learns while its runners sample. Then most cores are the learner's;
            else they take turns and both use all cores.
        machine: Where; None: here.
        share: Cores of this trial, less than one where more trials than cores run at once; None: all of Ray's.

    Raises:
        ConfigError: More is asked for than there is, or less than is needed.
    """
    machine = local_machine(settings) if machine is None else machine
    share = float(machine.num_cpus) if share is None else share
    num_cpus = max(1, int(share))
    if settings["envs_per_runner"] < 1:
        raise ConfigError(f"ray.envs_per_runner={settings['envs_per_runner']}: a runner needs at least one env.")
    learners = settings.get("num_learners", 1)
    runners = _num_runners(settings["num_env_runners"], num_cpus, overlaps_sampling, learners, machine)
    threads = _num_threads(settings["learner_threads"], num_cpus, runners, overlaps_sampling, machine)
    if not 0 <= settings["num_gpus"] <= machine.num_gpus:
        raise ConfigError(
            f"ray.num_gpus={settings['num_gpus']:g}: {machine} has {machine.num_gpus:g} GPUs. Choose 0 or 1, if there "
            "is one; a fraction shares it between trials."
        )
    if settings["num_gpus"] > 1:
        raise ConfigError(
            f"ray.num_gpus={settings['num_gpus']:g}: a learner computes on one GPU. Choose 1, or a fraction of it; "
            "ray.num_learners is how a trial uses several."
        )
    _check_learners(learners, settings["num_gpus"], runners, machine)
    process_cpus = min(1.0, share / (runners + learners))
    return Plan(
        num_cpus=num_cpus,
        num_gpus=settings["num_gpus"],
        num_env_runners=runners,
        envs_per_runner=settings["envs_per_runner"],
        learner_threads=threads,
        has_own_cores=threads + (runners if overlaps_sampling else 0) <= share,
        process_cpus=process_cpus,
        learner_cpus=_learner_cpus(process_cpus, (share - runners * process_cpus) / learners, threads, machine),
        num_learners=learners,
        precision=_precision(settings["precision"], on_gpu=bool(settings["num_gpus"]), is_cluster=machine.is_cluster),
        runner_resources=_resources(settings.get("runner_resources"), machine),
        placement=_placement(settings.get("placement", PLACEMENTS[0])),
    )


def _placement(asked: str) -> str:
    if asked not in PLACEMENTS:
        raise ConfigError(f"ray.placement={asked}: expected {' or '.join(PLACEMENTS)}.")
    return asked


def _num_runners(asked: int | None, num_cpus: int, overlaps_sampling: bool, learners: int, machine: Machine) -> int:
    if asked is None:
        if overlaps_sampling:
            return min(max(1, num_cpus // 4), _MOST_RUNNERS_AT_ONCE)
        if num_cpus > machine.node_cpus:  # learners have nodes of their own; whole cores fit into the others
            left = num_cpus - learners * machine.node_cpus
            return max(learners, min(left, _MOST_RUNNERS_IN_TURNS) // learners * learners)
        return min(num_cpus, _MOST_RUNNERS_IN_TURNS)
    if asked < 1:
        raise ConfigError(f"ray.num_env_runners={asked}: at least one process must drive envs. Choose 1, or null.")
    return asked


def _num_threads(asked: int | None, num_cpus: int, runners: int, overlaps_sampling: bool, machine: Machine) -> int:
    cores = machine.node_cpus
    if asked is None:
        # A runner waits for the learner now and then, so that even on two cores a second thread pays.
        left = max(2, num_cpus - runners) if overlaps_sampling else num_cpus
        return min(num_cpus, left, cores, _MOST_LEARNER_THREADS)
    if not 1 <= asked <= cores:
        where = f"the largest node of {machine}" if machine.is_cluster else str(machine)
        raise ConfigError(f"ray.learner_threads={asked}: {where} has {cores} cores. Choose 1 to {cores}, or null.")
    return asked


def _check_learners(asked: int, num_gpus: float, runners: int, machine: Machine) -> None:
    if asked < 1:
        raise ConfigError(f"ray.num_learners={asked}: expected 1, the trial's main process, or more.")
    if runners % asked:
        raise ConfigError(
            f"ray.num_learners={asked}: each learns from the same number of env runners, and {runners} cannot be "
            f"shared out. Choose ray.num_env_runners={asked * max(1, runners // asked)}, or another number of learners."
        )
    if asked > 1 and 0 < num_gpus < 1:  # NCCL refuses two of a group on one GPU
        raise ConfigError(
            f"ray.num_learners={asked} with ray.num_gpus={num_gpus:g} each: learners of one trial cannot share a GPU. "
            "Choose ray.num_gpus=1, or one learner."
        )
    if asked * num_gpus > machine.num_gpus:
        raise ConfigError(
            f"ray.num_learners={asked} with ray.num_gpus={num_gpus:g} each: {machine} has {machine.num_gpus:g} GPUs."
        )


def _resources(asked: Any, machine: Machine) -> dict[str, float]:
    resources = asked or {}
    if not isinstance(resources, dict) or not all(
        isinstance(number, int | float) and 0 < number < math.inf for number in resources.values()
    ):
        raise ConfigError(
            f"ray.runner_resources={asked}: expected what a runner takes of each, such as {{trackmania: 1}}."
        )
    own = [name for name in resources if name in _RAYS_RESOURCES]
    if own:
        raise ConfigError(
            f"ray.runner_resources={asked}: the plan books {', '.join(own)} itself. Expected custom resources, such as "
            "{trackmania: 1}, that nodes are started with (ray start --resources=…)."
        )
    if resources and not machine.is_cluster:
        raise ConfigError(
            f"ray.runner_resources={asked}: {machine} has no custom resources, nodes of a cluster have (ray=cluster, "
            "docs/cluster.md). Leave it null."
        )
    return {str(name): float(number) for name, number in resources.items()}


def _learner_cpus(process_cpus: float, left: float, threads: int, machine: Machine) -> float:
    """Return what a learner books: on a cluster all its threads, where there is room for them (`left`).

    Here nobody else is to be kept away, and where learner and runners take turns they use the same cores.
    """
    return max(process_cpus, min(float(threads), left)) if machine.is_cluster else process_cpus


def _precision(asked: str | None, on_gpu: bool, is_cluster: bool) -> str:
    if asked is None and is_cluster:  # its nodes differ, and all processes of a trial compute in the same
        return PRECISIONS[0]
    if asked is None:
        return fast_precision(on_gpu)
    if asked not in PRECISIONS:
        raise ConfigError(f"ray.precision={asked}: expected {' or '.join(PRECISIONS)}, or null: what is fast here.")
    return asked


def fast_precision(on_gpu: bool) -> str:
    """Return bfloat16 where the hardware has instructions for its products; without them they are slower.

    Runners compute on the CPU wherever the learner is, so that the CPU must have them as well as the GPU.
    """
    import torch

    capabilities = torch.cpu.get_capabilities()
    has_cpu = any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
    has_gpu = not on_gpu or torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if has_cpu and has_gpu else "float32"


def with_memory(
    plan: Plan, *, fragment_bytes: int, weight_bytes: int, replay_bytes: int, available: int | None = None
) -> Plan:
    """Return the plan with what memory it takes.

    Args:
        plan: Processes and threads.
        fragment_bytes: What one runner sends at a time.
        weight_bytes: What the learner sends at a time.
        replay_bytes: Files of the replay.
        available: Free memory; None: of this machine.

    Raises:
        ConfigError: What travels between the processes does not fit into memory.
    """
    in_flight = _FRAGMENTS_IN_FLIGHT * plan.num_env_runners * fragment_bytes + _WEIGHTS_IN_FLIGHT * weight_bytes
    needed = max(_LEAST_OBJECT_STORE, in_flight)
    available = psutil.virtual_memory().available if available is None else available
    if needed > available:
        raise ConfigError(
            f"{_count(plan.num_env_runners, 'env runner')} with {_count(plan.envs_per_runner, 'env')} send "
            f"{fragment_bytes / 1e9:.1f} GB each at a time and need {needed / 1e9:.1f} GB of memory for it, but "
            f"{available / 1e9:.1f} GB are free. Choose a smaller algo.training.rollout_steps, ray.envs_per_runner or "
            "ray.num_env_runners."
        )
    main = _MAIN_BYTES + 2 * in_flight + replay_bytes
    return replace(
        plan, object_store_bytes=needed, replay_bytes=replay_bytes, main_bytes=main, runner_bytes=_RUNNER_BYTES
    )
