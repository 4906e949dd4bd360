"""Whether a trial's processes fit on the nodes of a cluster: said at once, where Ray would wait for ever."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envs.errors import ConfigError

if TYPE_CHECKING:
    from experiments.machine import Machine
    from experiments.plan import Plan

_UNITS = 10_000  # Ray counts in ten-thousandths, rounded down: three times 2/3 of a core fit into two
_MOST_LINES = 8


@dataclass(frozen=True)
class NodeRoom:
    """What a node has for trials.

    Attributes:
        address: Its IP.
        resources: What Ray knows of it: `CPU`, `GPU`, `memory` in bytes, custom ones; what it has none of is not there.
    """

    address: str
    resources: dict[str, float]

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.address}: {say_resources(self.resources) or 'nothing for trials'}"


def check_fits(machine: "Machine", plan: "Plan") -> None:
    """Check that a cluster whose nodes do nothing else has room for one trial; on one machine `make_plan` sees to it.

    Raises:
        ConfigError: It has not. The message says what has no room, and what each node lacks for it.
    """
    if not machine.is_cluster:
        return
    main, *runners = plan.bundles()
    rooms = [_units(node.resources) for node in machine.nodes]
    homes = [room for room in rooms if _fitting(room, main)]
    if not homes:
        raise ConfigError(_refusal(machine.nodes, main, "the learner's process", "ray.learner_threads or ray.num_gpus"))
    if not runners:
        return

    total = sum(_fitting(room, runners[0]) for room in rooms)
    most = max(total - _cost(home, main, runners[0]) for home in homes)  # runners are alike, so that this is exact
    if most < len(runners):
        what = f"{len(runners) - most} of {len(runners)} env runners beside the learner's process"
        raise ConfigError(_refusal(machine.nodes, runners[0], what, "ray.num_env_runners or ray.runner_resources"))


def count_trials(nodes: Sequence[NodeRoom], plan: "Plan") -> int:
    """Return how many trials of this plan fit at once on nodes that do nothing else, each where it leaves most room."""
    main, *runners = bundles = plan.bundles()
    free = [_units(node.resources) for node in nodes]
    count = 0
    while True:
        homes = [room for room in free if _fitting(room, main)]
        if not homes:
            return count
        home = min(homes, key=lambda room: _cost(room, main, runners[0])) if runners else homes[0]
        for bundle in bundles:
            room = next((room for room in (home, *free) if _fitting(room, bundle)), None)
            if room is None:
                return count
            room |= _without(room, bundle)
        count += 1


def say_resources(resources: dict[str, float]) -> str:
    """Return resources as a person writes them: `CPU 8, memory 31.2 GB, trackmania 1`."""
    shown = {name: f"{value / 1e9:.1f} GB" if name == "memory" else f"{value:g}" for name, value in resources.items()}
    return ", ".join(f"{name} {shown[name]}" for name, value in resources.items() if value)


def _units(resources: dict[str, float]) -> dict[str, int]:
    """Return resources as Ray counts them."""
    return {name: math.floor(value * _UNITS + 1e-6) for name, value in resources.items()}


def _fitting(room: dict[str, int], bundle: dict[str, float]) -> int:
    """Return how many such bundles fit."""
    return min(room.get(name, 0) // units for name, units in _units(bundle).items() if units)


def _cost(home: dict[str, int], main: dict[str, float], runner: dict[str, float]) -> int:
    """Return how many runners fewer have room once the main process is at `home`."""
    return _fitting(home, runner) - _fitting(_without(home, main), runner)


def _without(room: dict[str, int], bundle: dict[str, float]) -> dict[str, int]:
    return room | {name: room.get(name, 0) - units for name, units in _units(bundle).items()}


def _refusal(nodes: Sequence[NodeRoom], bundle: dict[str, float], what: str, keys: str) -> str:
    lines = [f"{node}{_lack(node.resources, bundle)}" for node in nodes]
    more = [f"… and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    shown = "\n  ".join([*lines[:_MOST_LINES], *more])
    return (
        f"The cluster has no room for {what} of a trial, which takes {say_resources(bundle)} each. Its nodes:\n"
        f"  {shown}\nLower {keys}, or start nodes that have it (ray start --resources=…, docs/cluster.md)."
    )


def _lack(resources: dict[str, float], bundle: dict[str, float]) -> str:
    """Say what a node has less of than one bundle takes."""
    room = _units(resources)
    short = [name for name, units in _units(bundle).items() if units > room.get(name, 0)]
    absent = [f"no {name}" if not room.get(name) else f"too little {name}" for name in short]
    return f" ({', '.join(absent)})" if absent else ""
