"""Which operators of torch the learner spends its time on, over a few updates."""

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile


@dataclass(frozen=True)
class HotOperator:
    """An operator of torch and the time that was spent in it, not in what it called.

    Attributes:
        name: As torch names it.
        calls: How often it was called.
        cpu_s: On the CPU.
        device_s: On the GPU; 0 without one.
    """

    name: str
    calls: int
    cpu_s: float
    device_s: float


class OperatorProfile:
    """A context that records the operators of the first optimiser steps that are made in it.

    Args:
        optimizer: Each of its steps is an update.
        max_updates: After so many nothing is recorded any more, which bounds time and memory.

    Attributes:
        updates: How many were recorded.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, max_updates: int) -> None:
        self._optimizer, self._max_updates = optimizer, max_updates
        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
        self._profile = profile(activities=activities)
        self._is_recording = False
        self.updates = 0

    def __enter__(self) -> Self:
        self._counter = self._optimizer.register_step_post_hook(self._count)
        self._profile.start()
        self._is_recording = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._counter.remove()
        self._stop()

    def _count(self, *_: Any) -> None:
        self.updates += self._is_recording
        if self.updates >= self._max_updates:
            self._stop()

    def _stop(self) -> None:
        if self._is_recording:
            self._is_recording = False
            self._profile.stop()

    def hottest(self, num_operators: int) -> list[HotOperator]:
        """Return the operators with most time of their own, on whichever device they took longest."""
        operators = [
            HotOperator(
                name=row.key,
                calls=row.count,
                cpu_s=row.self_cpu_time_total / 1e6,
                device_s=row.self_device_time_total / 1e6,
            )
            for row in self._profile.key_averages()
            if row.device_type == DeviceType.CPU  # kernels have rows of their own; their time is in the operators' too
        ]
        return sorted(operators, key=lambda row: max(row.cpu_s, row.device_s), reverse=True)[:num_operators]
