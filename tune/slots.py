"""How many trials run at once, and what each of them gets of the machine."""

import math
from dataclasses import dataclass, replace
from typing import Any

from envs.errors import ConfigError
from experiments.machine import Machine
from experiments.plan import Plan

_CPUS_OF_MANY = 2  # of each trial where there are several: more sample faster, but not in proportion
_LEFT_BYTES = 10**9  # memory that stays for Ray, the driver and the system


@dataclass(frozen=True)
class Slots:
    """Room for trials.

    Attributes:
        num_cpus: Cores of all trials together.
        num_gpus: GPUs of all trials together.
        num_concurrent: Trials at once.
        share: Cores of each, a fraction where there are more trials than cores.
        asked_share: What was asked for, if anything was.
    """

    num_cpus: int
    num_gpus: float
    num_concurrent: int
    share: float
    asked_share: int | None = None

    def __str__(self) -> str:
        """Say it in a few words."""
        cores = f"{self.share:.2g} core{'' if self.share == 1 else 's'}"
        return f"{self.num_concurrent} at once, {cores} each"


def make_slots(
    settings: dict[str, Any], machine: Machine, num_trials: int, num_concurrent: int | None, side_by_side: bool
) -> Slots:
    """Share the machine out among trials, as far as cores and GPUs go; `fit_memory` comes after.

    Args:
        settings: The section `ray`; None values are derived.
        machine: What there is.
        num_trials: How many there will be.
        num_concurrent: How many shall run at once (`tuner.num_concurrent`); None: as many as have two cores each, or
            `ray.cpus_per_trial`.
        side_by_side: Whether all must train at the same time, as a population does, even where cores are few.

    Raises:
        ConfigError: More is asked for than there is.
    """
    total, asked = machine.num_cpus, settings["cpus_per_trial"]
    if asked is not None and not 1 <= asked <= total:
        raise ConfigError(
            f"ray.cpus_per_trial={asked}: Ray has {total} cores on {machine}. Choose 1 to {total}, or null."
        )
    if num_concurrent is not None and num_concurrent < 1:
        raise ConfigError(f"tuner.num_concurrent={num_concurrent}: expected at least 1 trial at once, or null.")
    if num_concurrent is None and side_by_side:
        num_concurrent = num_trials
    if num_concurrent is None:
        cpus = asked or (total if num_trials == 1 else min(total, _CPUS_OF_MANY))
        num_concurrent = total // cpus
    num_concurrent = min(num_concurrent, num_trials)
    if settings["num_gpus"] > 0:
        num_concurrent = max(1, min(num_concurrent, _trials_on_gpus(machine.num_gpus, settings["num_gpus"])))
    return Slots(total, machine.num_gpus, num_concurrent, _share(total, num_concurrent, asked), asked)


def _share(total: int, num_concurrent: int, asked: int | None) -> float:
    return min(total / num_concurrent, asked or math.inf)


def _trials_on_gpus(num_gpus: float, of_each: float) -> int:
    """Return how many trials fit; a fraction is of one GPU, never of two."""
    return math.floor(num_gpus / of_each) if of_each >= 1 else math.floor(num_gpus) * math.floor(1 / of_each)


def fit_memory(slots: Slots, plan: Plan, machine: Machine, is_asked: bool) -> Slots:
    """Return the slots with no more trials at once than memory holds, by the plan of the largest of them.

    Raises:
        ConfigError: So many were asked for (`is_asked`) and do not fit.
    """
    available = machine.memory_bytes - _LEFT_BYTES
    fitting = max(1, int(available // max(1, plan.memory_bytes)))
    if fitting >= slots.num_concurrent:
        return slots
    if is_asked:
        raise ConfigError(
            f"tuner.num_concurrent={slots.num_concurrent}: a trial takes about {plan.memory_bytes / 1e9:.1f} GB of "
            f"memory, its replay counted, and {available / 1e9:.1f} GB are free: at most {fitting} at once."
        )
    share = _share(slots.num_cpus, fitting, slots.asked_share)
    return replace(slots, num_concurrent=fitting, share=share)
