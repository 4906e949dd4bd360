"""The process that drives the current policy on unseen tracks while training goes on."""

import logging
from typing import Any

import numpy as np
import ray
import torch

from experiments import metrics
from experiments.drive import drive
from experiments.policy import DrivingPolicy
from experiments.policy_description import PolicyDescription

logger = logging.getLogger(__name__)

_DEADLINE_S = 900.0


class Evaluator:
    """Drives a policy on the stock task; one of these lives as a Ray actor beside each trial."""

    def __init__(self, description: PolicyDescription) -> None:
        """Build the policy, on one thread: it shares the machine with training."""
        torch.set_num_threads(1)
        self._actor = description.build_actor()
        self._policy = DrivingPolicy(self._actor, description)
        self._env_config = description.env

    def evaluate(self, weights: dict[str, torch.Tensor], seeds: list[int]) -> dict[str, float]:
        """Drive one episode a seed and return the metrics."""
        self._actor.load_state_dict(weights)
        episodes = drive(self._policy, self._env_config, seeds)
        returns = [episode.episode_return for episode in episodes]
        return {
            metrics.EVAL_RETURN_MEAN: float(np.mean(returns)),
            metrics.EVAL_RETURN_P10: float(np.percentile(returns, 10)),
        }


class BackgroundEvaluation:
    """Evaluates now and then without making training wait.

    Args:
        description: What the policy is.
        every_s: Pause between the starts of two evaluations.
        seeds: Tracks of each.
    """

    def __init__(self, *, description: PolicyDescription, every_s: float, seeds: list[int]) -> None:
        self._description, self._every_s, self._seeds = description, every_s, seeds
        self._evaluator: Any = None  # a process of half a gigabyte, from the first evaluation that is due
        self._pending: ray.ObjectRef | None = None
        self._next_s, self._give_up_s = every_s, 0.0
        self.notes: list[str] = []  # what the user should hear of, until the trial reports it

    def poll(self, elapsed_s: float, weights: dict[str, torch.Tensor]) -> dict[str, float]:
        """Return the metrics of an evaluation that has finished, if one has, and start one that is due.

        One that fails (its env crashed, say) or hangs does not end training: `notes` says so, and the next one is
        driven by a new process.
        """
        result: dict[str, float] = {}
        if self._pending is not None and ray.wait([self._pending], timeout=0)[0]:
            try:
                result = ray.get(self._pending)
            except ray.exceptions.RayError as error:
                logger.exception("An evaluation failed.")
                self.notes.append(f"An evaluation failed; training goes on. {str(error).strip().splitlines()[-1]}")
                self.close()
            self._pending = None
        if self._pending is not None and elapsed_s > self._give_up_s:
            self.notes.append(f"An evaluation took more than {_DEADLINE_S:.0f} s and was given up; training goes on.")
            self.close()
            self._pending = None
        if self._pending is None and elapsed_s >= self._next_s:
            self._give_up_s = elapsed_s + _DEADLINE_S
            self._next_s = elapsed_s + self._every_s
            if self._evaluator is None:
                self._evaluator = ray.remote(num_cpus=0)(Evaluator).remote(self._description)
            self._pending = self._evaluator.evaluate.remote(weights, self._seeds)
        return result

    def close(self) -> None:
        """End the process. The next one is a new one: an actor that Ray itself restarts refuses what it is asked."""
        if self._evaluator is not None:
            ray.kill(self._evaluator)
            self._evaluator = None
