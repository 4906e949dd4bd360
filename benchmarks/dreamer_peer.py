"""RLlib's DreamerV3 in a process of its own, as its users have it: with the system's allocator as it comes.

Our learners let glibc keep what they free (`experiments.allocation`). That would help RLlib's too, but nobody's RLlib
has it; a second process shows how much.
"""

import gc
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Self

import gymnasium as gym
import numpy as np
import torch
from ray.rllib.algorithms.dreamerv3 import DreamerV3Config
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.learner.training_data import TrainingData
from ray.rllib.policy.sample_batch import SampleBatch

from experiments.allocation import keep_memory

_ROWS = (16, 64)
_held: list[Any] = []  # in the peer's own process: its learner and its update


class Peer:
    """A process that holds RLlib's learner.

    Args:
        threads: Of torch.
        size: Pixels a side of its colour images.
        num_actions: Components of a continuous action.
        keeps_memory: Whether it has our allocator settings.
    """

    def __init__(self, *, threads: int, size: int, num_actions: int, keeps_memory: bool) -> None:
        self._process = ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), _build, (threads, size, num_actions, keeps_memory)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.shutdown()

    @property
    def num_trained(self) -> int:
        """How many parameters are trained."""
        return self._process.submit(_count).result()

    def seconds(self) -> float:
        """Return its process's own time for one update."""
        return self._process.submit(_time).result()


def trained(module: Any) -> int:
    """Return how many parameters are trained: averages of critics left out."""
    return sum(p.numel() for name, p in module.named_parameters() if p.requires_grad and "ema" not in name)


def timed(update: Callable[[], object]) -> float:
    """Return this process's own time for one update."""
    gc.collect()
    began = time.process_time()
    update()
    return time.process_time() - began


def _build(threads: int, size: int, num_actions: int, keeps_memory: bool) -> None:
    torch.set_num_threads(threads)
    if keeps_memory:
        keep_memory()
    space = gym.spaces.Box(-1.0, 1.0, (size, size, 3), np.float32)
    actions = gym.spaces.Box(-1.0, 1.0, (num_actions,), np.float32)
    config = DreamerV3Config().environment(observation_space=space, action_space=actions)
    config = config.training(model_size="XS", batch_size_B=_ROWS[0], batch_length_T=_ROWS[1], horizon_H=15)
    learner = config.build_learner(spaces={DEFAULT_MODULE_ID: (space, actions)})
    learner.build()
    random = np.random.default_rng(0)
    columns = {
        "obs": random.uniform(-1, 1, (*_ROWS, size, size, 3)).astype(np.float32),
        "actions": random.uniform(-1, 1, (*_ROWS, num_actions)).astype(np.float32),
        "rewards": random.normal(size=_ROWS).astype(np.float32),
        "is_first": (random.random(_ROWS) < 0.01).astype(np.float32),
        "is_last": (random.random(_ROWS) < 0.01).astype(np.float32),
        "is_terminated": (random.random(_ROWS) < 0.005).astype(np.float32),
    }

    def update() -> None:
        batch = SampleBatch({name: column.copy() for name, column in columns.items()}).as_multi_agent()
        learner.update(training_data=TrainingData(batch=batch), timesteps={"num_env_steps_sampled_lifetime": 1})

    _held[:] = [learner, update]


def _count() -> int:
    return trained(_held[0].module[DEFAULT_MODULE_ID].unwrapped())


def _time() -> float:
    return timed(_held[1])
