"""Further learners of a trial, on other GPUs or nodes: each learns from its share of a rollout, all step alike."""

import logging
import socket
from collections.abc import Sequence
from typing import Any

import ray
import torch
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from experiments.collective import Collective
from experiments.fragment import Fragment
from experiments.plan import Plan

logger = logging.getLogger(__name__)

_START_S = 120.0


class LearnerPeer:
    """A learner in an actor of its own.

    Args:
        config: The trial's RLlib config.
        spaces: As the trial's own learner has them.
        num_threads: Of torch.
    """

    def __init__(self, config: Any, spaces: Any, num_threads: int) -> None:
        torch.set_num_threads(num_threads)
        self._learner = config.build_learner(spaces=spaces)

    def join(self, address: str, rank: int, size: int) -> None:
        """Enter the group of learners; returns when all of them have."""
        self._learner.collective = Collective(address, rank, size, self._learner._device)

    def restore(self, state: dict[str, Any]) -> None:
        """Take over the weights and the optimiser of the trial's own learner."""
        self._learner.restore_training_state(state)

    def state(self) -> dict[str, Any]:
        """Return weights and optimiser, which are those of every other learner."""
        state: dict[str, Any] = self._learner.training_state()
        return state

    def learn(self, lr: float, noise: float, fragments: list[Fragment]) -> None:
        """Learn from a share of the rollout, in step with the others."""
        self._learner.set_lr(lr)
        self._learner.set_noise(noise)
        self._learner.learn(fragments)


class LearnerPeers:
    """The further learners of a trial, and the group that they form with its own.

    Args:
        config: The trial's RLlib config.
        spaces: Of observations and actions.
        plan: How many learners there are, and what each has.
        learner: The trial's own, which is one of them.

    Raises:
        ray.exceptions.RayError: They did not start in time.
    """

    def __init__(self, config: Any, spaces: Any, plan: Plan, learner: Any) -> None:
        self._learner, self._size = learner, plan.num_learners
        self._peers: list[Any] = [
            booked(plan, rank)(LearnerPeer).remote(config, spaces, plan.learner_threads)
            for rank in range(1, plan.num_learners)
        ]
        ray.get([peer.__ray_ready__.remote() for peer in self._peers], timeout=_START_S)
        address = f"{ray.util.get_node_ip_address()}:{_free_port()}"
        joining = [one.join.remote(address, rank, self._size) for rank, one in enumerate(self._peers, start=1)]
        learner.collective = Collective(address, 0, self._size, learner._device)
        ray.get(joining, timeout=_START_S)
        logger.info("%d learners have met at %s.", self._size, address)

    def synchronise(self) -> None:
        """Give all of them the state of the trial's own."""
        state = ray.put(self._learner.training_state())
        ray.get([peer.restore.remote(state) for peer in self._peers], timeout=_START_S)

    def learn(self, fragments: Sequence[Fragment]) -> dict[str, Any]:
        """Learn from fragments, shared out among all learners, and return the losses of the trial's own share.

        Raises:
            ray.exceptions.RayError: A learner was lost; Tune starts the trial anew.
        """
        shares = [list(fragments[rank :: self._size]) or [fragments[0]] for rank in range(self._size)]
        lr, noise = self._learner.lr, self._learner.noise
        asked = [peer.learn.remote(lr, noise, share) for peer, share in zip(self._peers, shares[1:], strict=True)]
        try:
            losses: dict[str, Any] = self._learner.learn(shares[0])
        except RuntimeError:  # the group broke: the peer that is gone says more than the connection to it
            ray.get(asked, timeout=_START_S)
            raise
        ray.get(asked, timeout=_START_S)
        return losses

    def close(self) -> None:
        """End the other learners."""
        for peer in self._peers:
            ray.kill(peer)
        self._learner.collective.close()
        self._learner.collective = None


def booked(plan: Plan, rank: int) -> Any:
    """Return what makes actors of a class, in this learner's own bundle of the trial's booking (`Plan.bundles`).

    The cores of that bundle are not asked for: a runner, which may be anywhere in the trial's booking, may have taken
    one, and the learner would wait for it for ever.
    """
    group = ray.util.get_current_placement_group()
    if group is None:
        return ray.remote(num_cpus=plan.learner_cpus, num_gpus=plan.num_gpus)
    bundle = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=rank)
    return ray.remote(num_cpus=0, num_gpus=plan.num_gpus, scheduling_strategy=bundle)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])
