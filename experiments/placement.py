"""Whether a trial's processes fit on the nodes of a cluster: said at once, where Ray would wait for ever."""

import math
from collections.abc import Sequence

from envs.errors import ConfigError
from experiments.machine import Machine, NodeRoom, say_resources
from experiments.plan import Plan

_UNITS = 10_000  # Ray counts in ten-thousandths, rounded down: three times 2/3 of a core fit into two
_MOST_LINES = 8


def check_fits(machine: Machine, plan: Plan) -> None:
    """Check that a cluster whose nodes do nothing else has room for one trial; on one machine `make_plan` sees to it.

    Raises:
        ConfigError: It has not. The message says what has no room, and what each node lacks for it.
    """
    if not machine.is_cluster:
        return
    learner, runner = _kinds(plan)
    most = _most_runners([_units(node.resources) for node in machine.nodes], learner, runner, plan.num_learners)
    if most is None:
        what = "the learner" if plan.num_learners == 1 else f"{plan.num_learners} learners"
        raise ConfigError(
            _refusal(machine.nodes, learner, what, "ray.num_learners, ray.learner_threads or ray.num_gpus")
        )
    if most < plan.num_env_runners:
        what = f"{plan.num_env_runners - most} of {plan.num_env_runners} env runners beside its learner"
        raise ConfigError(_refusal(machine.nodes, runner, what, "ray.num_env_runners or ray.runner_resources"))


def count_trials(nodes: Sequence[NodeRoom], plan: Plan) -> int:
    """Return how many trials of this plan fit at once on nodes that do nothing else, each where it leaves most room."""
    learner, runner = _kinds(plan)
    free = [_divided(_units(node.resources), learner) for node in nodes]
    count = 0
    while True:
        for bundle in plan.bundles():
            rooms = [room for room in free if _fitting(room, bundle)]
            if not rooms:
                return count
            room = min(rooms, key=lambda room: _cost(room, learner, runner)) if bundle == learner else rooms[0]
            room |= _without(room, bundle)
        count += 1


def _units(resources: dict[str, float]) -> dict[str, int]:
    """Return resources as Ray counts them."""
    return {name: math.floor(value * _UNITS + 1e-6) for name, value in resources.items()}


def _divided(room: dict[str, int], learner: dict[str, float]) -> dict[str, int]:
    """Return the room with as much of its GPUs as learners can take: a fraction is of one GPU, never of two."""
    each = _units(learner).get("GPU", 0)
    if not 0 < each < _UNITS:
        return room
    return room | {"GPU": room.get("GPU", 0) // _UNITS * (_UNITS // each) * each}


def _kinds(plan: Plan) -> tuple[dict[str, float], dict[str, float]]:
    """Return what a learner takes, and what a runner does: a trial has no other processes."""
    bundles = plan.bundles()
    return bundles[0], bundles[-1]


def _most_runners(
    rooms: Sequence[dict[str, int]], learner: dict[str, float], runner: dict[str, float], num_learners: int
) -> int | None:
    """Return how many runners have room beside so many learners, put as well as can be; None: the learners have none.

    Exact, node by node: `best[k]` is for the nodes so far with k learners on them.
    """
    best: list[int | None] = [0, *[None] * num_learners]
    for room in rooms:
        after, left = list(best), room
        for here in range(min(num_learners, _fitting(room, learner)) + 1):
            beside = _fitting(left, runner)
            for k in range(num_learners - here + 1):
                before = best[k]
                if before is not None:
                    now = after[k + here] if here else None
                    after[k + here] = before + beside if now is None else max(now, before + beside)
            left = _without(left, learner)
        best = after
    return best[num_learners]


def _fitting(room: dict[str, int], bundle: dict[str, float]) -> int:
    """Return how many such bundles fit."""
    return min(room.get(name, 0) // units for name, units in _units(bundle).items() if units)


def _cost(home: dict[str, int], learner: dict[str, float], runner: dict[str, float]) -> int:
    """Return how many runners fewer have room once a learner is at `home`."""
    return _fitting(home, runner) - _fitting(_without(home, learner), runner)


def _without(room: dict[str, int], bundle: dict[str, float]) -> dict[str, int]:
    return room | {name: room.get(name, 0) - units for name, units in _units(bundle).items()}


def _refusal(nodes: Sequence[NodeRoom], bundle: dict[str, float], what: str, keys: str) -> str:
    lines = [f"{node}{_lack(node.resources, bundle)}" for node in nodes]
    more = [f"… and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    shown = "\n  ".join([*lines[:_MOST_LINES], *more])
    return (
        f"The cluster has no room for {what} of a trial; each takes {say_resources(bundle)}. Its nodes:\n"
        f"  {shown}\nLower {keys}, or start nodes that have it (ray start --resources=…, docs/cluster.md)."
    )


def _lack(resources: dict[str, float], bundle: dict[str, float]) -> str:
    """Say what a node has less of than one bundle takes."""
    room = _units(resources)
    short = [name for name, units in _units(bundle).items() if units > room.get(name, 0)]
    absent = [f"no {name}" if not room.get(name) else f"too little {name}" for name in short]
    return f" ({', '.join(absent)})" if absent else ""
