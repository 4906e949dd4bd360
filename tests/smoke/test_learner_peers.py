"""Several learners take the step that one would have taken with all of the data, and stay the same."""

import math
import socket
from dataclasses import replace

import numpy as np
import pytest
import ray
import torch
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from experiments.collective import Collective
from experiments.learner_peers import LearnerPeers, booked


class End:
    """One end of a group of two."""

    def __init__(self, address, rank):
        self.collective = Collective(address, rank, 2, torch.device("cpu"))

    def mean_gradient(self, gradient):
        parameters = [torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(1, 1))]
        for parameter, values in zip(parameters, gradient, strict=True):
            parameter.grad = torch.tensor(values)
        self.collective.average_gradients(parameters)
        return [parameter.grad.tolist() for parameter in parameters]

    def least(self, number):
        return self.collective.least(number)

    def moments(self, values):
        return self.collective.moments(np.array(values, np.float32))


@pytest.fixture
def ends(ray_session):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    other = ray.remote(num_cpus=0)(End).remote(address, 1)
    one = End(address, 0)  # in this process, as the trial's own learner is

    def both(name, own, others):
        """Let both ends take part, each with its own, and return what each of them was told."""
        asked = getattr(other, name).remote(others)
        return [getattr(one, name)(own), ray.get(asked)]

    yield both
    one.collective.close()
    ray.kill(other)


def test_what_learners_agree_on(ends):
    assert ends("mean_gradient", [[1.0, 2.0], [[10.0]]], [[3.0, 6.0], [[30.0]]]) == [[[2.0, 4.0], [[20.0]]]] * 2
    assert ends("least", 5, 3) == [3, 3]
    for mean, deviation in ends("moments", [1.0, 2.0], [3.0, 6.0]):
        assert mean == 3.0
        assert deviation == pytest.approx(math.sqrt(12.5 - 9.0))


@pytest.fixture
def ppo(build, tiny):
    """PPO whose two rollouts of 16 decisions, before any episode ends, are one minibatch."""
    words = ("algo.training.rollout_steps=4", "algo.training.epochs=1", "algo.training.minibatch_size=512")
    return build(*tiny["ppo"], *words)


def weights(learner):
    return {name: tensor.clone() for name, tensor in learner.training_state()["module"].items()}


@pytest.mark.slow
def test_two_learners_take_the_step_of_one(ppo, ray_session):
    algorithm, learner = ppo, ppo.learner
    learner.set_noise(0.5)
    fragments = []
    for _rollout in range(2):
        algorithm.request_fragments(algorithm.config.rollout_steps)
        fragments += algorithm.collect_fragments().values()
    assert [fragment.valid.sum() for fragment in fragments] == [16, 16]  # equal shares
    learner.set_lr(1e-2)
    before = learner.training_state()
    before = {"module": weights(learner), "optimizer": before["optimizer"], "num_updates": 0}

    alone = learner.learn(fragments)
    after_alone = weights(learner)
    learner.restore_training_state(before)

    peers = LearnerPeers(
        algorithm.config,
        {"default_policy": algorithm.spaces["default_policy"]},
        replace(ray_session, num_learners=2, learner_cpus=0.1),
        learner,
    )
    try:
        peers.synchronise()
        learner.set_lr(1e-2)
        together = peers.learn(fragments)
        after_together = weights(learner)
        (other,) = ray.get([peer.state.remote() for peer in peers._peers])
    finally:
        peers.close()
    assert alone["updates"] == together["updates"] == 1
    assert alone["kl"] == pytest.approx(0, abs=1e-3)  # the runner drove with the noise that is learned with
    assert together["grad_norm"] == pytest.approx(alone["grad_norm"], rel=1e-4)
    close, moved = [], []
    for name, tensor in after_alone.items():
        assert torch.equal(other["module"][name], after_together[name])
        close.append(torch.isclose(after_together[name], tensor, rtol=1e-3, atol=1e-5).flatten())
        moved.append((tensor != before["module"][name]).flatten())
    # Adam's first step has the size of lr whatever the gradient: where that is next to 0, its sign is rounding's.
    assert torch.cat(close).float().mean() > 0.99
    assert torch.cat(moved).float().mean() > 0.5


class Process:
    """A runner, or a learner."""

    def is_up(self):
        return True


class Main:
    """A trial's main process, whose runner Ray has put into the bundle of the other learner."""

    def __init__(self, plan):
        self._runner = ray.remote(num_cpus=plan.process_cpus)(Process).remote()
        ray.get(self._runner.is_up.remote())
        self._learner = booked(plan, 1)(Process).remote()

    def is_learner_up(self):
        return ray.get(self._learner.is_up.remote(), timeout=60)


@pytest.mark.slow
def test_a_learner_does_not_wait_for_cores_that_a_runner_took(ray_session):
    plan = replace(ray_session, num_learners=2, num_env_runners=0, learner_cpus=0.01, process_cpus=0.01)
    group = placement_group([{"CPU": bundle["CPU"]} for bundle in plan.bundles()[:2]])
    first = PlacementGroupSchedulingStrategy(group, 0, placement_group_capture_child_tasks=True)
    main = ray.remote(num_cpus=plan.learner_cpus, scheduling_strategy=first)(Main).remote(plan)
    try:
        assert ray.get(main.is_learner_up.remote(), timeout=120)
    finally:
        remove_placement_group(group)
