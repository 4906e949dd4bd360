"""Says why nothing trains, where a trial waits for what others of a cluster hold, or for a node that is gone."""

import time
from collections.abc import Callable
from typing import Any

import ray
import ray.tune
from ray.tune.experiment import Trial

from experiments.plan import Plan

_QUIET_S = 60.0


class WaitWatch(ray.tune.Callback):
    """Looks whether no trial trains for want of room, and tells so every minute.

    Args:
        plan: What a trial takes.
        say: Where to.
        clock: Seconds from any start, never going back.
    """

    def __init__(self, plan: Plan, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._plan, self._say, self._clock = plan, say, clock
        self._told_s = clock()

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything behind when Tune pickles its callbacks."""
        return {}

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Look, if nothing has trained for a while."""
        if any(trial.status == Trial.RUNNING for trial in trials):
            self._told_s = self._clock()
        if self._clock() - self._told_s < _QUIET_S:
            return
        self._told_s = self._clock()
        lacking = missing(self._plan, ray.available_resources(), ray.cluster_resources())
        if lacking:
            self._say(
                f"Nothing trains: a trial waits for {', '.join(lacking)}. Others may hold it, or a node is gone; it "
                "goes on as soon as there is room. Ctrl-C ends it, and all that was saved stays."
            )


def missing(plan: Plan, free: dict[str, float], whole: dict[str, float]) -> list[str]:
    """Return what a trial takes more of than is free, in words.

    Args:
        plan: What it takes.
        free: Of the cluster's resources, by Ray's names.
        whole: What the cluster has.
    """
    wanted: dict[str, float] = {}
    for bundle in plan.bundles():
        for name, amount in bundle.items():
            wanted[name] = wanted.get(name, 0.0) + amount
    lacking = {name: amount for name, amount in wanted.items() if amount > free.get(name, 0.0) + 1e-6}
    return [
        f"{_say(name, amount)} of which {_say(name, free.get(name, 0))} of {_say(name, whole.get(name, 0))} are free"
        for name, amount in lacking.items()
    ]


def _say(name: str, value: float) -> str:
    return f"{value / 1e9:.3g} GB memory" if name == "memory" else f"{value:.3g} {name}"
