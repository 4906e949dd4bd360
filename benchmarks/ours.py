"""Chicane's own side of a benchmark: an algorithm as `python run.py` trains it, without Tune around it."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from experiments.algorithm import build_config, config_class
from experiments.cluster import Plan, make_plan, start_ray
from experiments.racing_algorithm import RacingAlgorithm


def plan_of(config: dict[str, Any]) -> Plan:
    """Return who gets what on this machine, from a run's config."""
    return make_plan(config["ray"], config_class(config["algo"]).overlaps_sampling)


@dataclass(frozen=True)
class Started:
    """An algorithm with its runners, and the plan that it follows."""

    algorithm: RacingAlgorithm
    plan: Plan


@contextlib.contextmanager
def started_algorithm(config: dict[str, Any]) -> Iterator[Started]:
    """Start Ray and the algorithm of a run's config in this process; end both, and leave no file, afterwards.

    A run's trial lives in a worker of Ray's and inherits how threads wait; here that stands in the environment when
    torch is imported (`benchmarks.sides` starts a process with `OMP_WAIT_POLICY=PASSIVE`).
    """
    import ray
    import torch

    plan = plan_of(config)
    start_ray(plan)
    torch.set_num_threads(plan.learner_threads)
    rllib = build_config(config, plan)
    algorithm = cast(type[RacingAlgorithm], rllib.algo_class)(rllib)
    try:
        with tempfile.TemporaryDirectory() as folder:
            algorithm.start_replay(Path(folder))
            yield Started(algorithm, plan)
    finally:
        algorithm.stop()
        Path(algorithm.logdir).rmdir()  # without Tune, RLlib makes an empty folder in the home directory
        ray.shutdown()
