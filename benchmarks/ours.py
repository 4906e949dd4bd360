"""Chicane's own side of a benchmark: an algorithm as `python run.py` trains it, without Tune around it."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from benchmarks.sides import OURS, Side
from experiments.algorithm import build_config, config_class
from experiments.cluster import start_ray, thread_environment
from experiments.plan import Plan, make_plan
from experiments.racing_algorithm import RacingAlgorithm


def plan_of(config: dict[str, Any]) -> Plan:
    """Return who gets what on this machine, from a run's config."""
    return make_plan(config["ray"], config_class(config["algo"]).overlaps_sampling)


def our_side(config: dict[str, Any], words: Sequence[str]) -> Side:
    """Return the side of a benchmark that trains with this config in a process that is called with `words`."""
    return Side(OURS, words, thread_environment(plan_of(config)))


@dataclass(frozen=True)
class Started:
    """An algorithm with its runners, and the plan that it follows."""

    algorithm: RacingAlgorithm
    plan: Plan


@contextlib.contextmanager
def started_algorithm(config: dict[str, Any]) -> Iterator[Started]:
    """Start Ray and the algorithm of a run's config in this process; end both, and leave no file, afterwards.

    A run's trial lives in a worker of Ray's and inherits how threads wait; here that stands in the environment before
    torch is imported (`our_side`).
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
