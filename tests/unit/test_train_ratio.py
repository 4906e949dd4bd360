"""DreamerV3's training ratio: what comes of it over 1,000 updates, whatever runners send; nothing learns here."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ray.rllib.algorithms.algorithm import Algorithm

from experiments.dreamer import Dreamer

BATCH, LENGTH, PREFILL = 2, 8, 64


class Replay:
    """Takes and gives nothing."""

    def add(self, fragment, first_stream):
        pass

    def sample(self, batch_size):
        assert batch_size == BATCH
        return {"places": None}

    def update_states(self, places, states):
        pass


class Learners:
    """Count updates instead of learning."""

    def __init__(self):
        self.updates = 0
        self._learner = SimpleNamespace(noise=1.0, set_lr=lambda lr: None, check_gradients=lambda: None)

    def update(self, batch):
        self.updates += 1
        return [{"states": torch.zeros(1)}]


class Scheduled(Dreamer):
    """DreamerV3 between runners and a learner that are not there.

    Args:
        ratio: `train_ratio`.
        decisions: Returns how many decisions the next fragment has.
    """

    def __init__(self, ratio, decisions):
        options = SimpleNamespace(
            train_ratio=ratio,
            slots_per_update=BATCH * LENGTH,
            batch_size=BATCH,
            start_after_decisions=PREFILL,
            rollout_steps=8,
            weight_sync_every=1,
            warmup_updates=0,
            lr=1e-3,
            lr_end=0.0,
            lr_decay_frames=None,
        )
        self.config = SimpleNamespace(options=options, num_envs_per_env_runner=4)
        self.learner_group, self.replay, self.next_decisions = Learners(), Replay(), decisions
        self.were_random = []
        self.setup(self.config)

    def request_fragments(self, num_steps, *, random_actions=False, sequence_length=None):
        self.were_random.append(random_actions)

    def collect_fragments(self):
        received = self.next_decisions()
        self.decisions += received
        return {1: SimpleNamespace(decisions=received)}

    def publish_weights(self):
        pass


@pytest.fixture
def scheduled(monkeypatch):
    """Return a function from a ratio and a source of decisions to an algorithm without RLlib's runners and learners."""
    monkeypatch.setattr(Algorithm, "setup", lambda self, config: None)
    return Scheduled


# From one update in five exchanges to a hundred in each.
RATIOS = [0.1, 1.6, 7.3, 16, 25, 50]


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("kind", ["32 each", "some reset", "runners come and go"])
def test_over_1000_updates_the_ratio_is_within_one_percent(scheduled, caplog, ratio, kind):
    random = np.random.default_rng(0)
    decisions = {
        "32 each": lambda: 32,
        "some reset": lambda: int(random.integers(24, 33)),  # slots that only reset an env are no decisions
        "runners come and go": lambda: int(random.choice([0, 31, 64])),
    }[kind]
    algorithm = scheduled(ratio, decisions)
    counted = 0
    with caplog.at_level(logging.INFO, logger="experiments.dreamer"):
        while algorithm.updates < 1000:
            before = algorithm.decisions
            algorithm.training_step()
            counted += algorithm.decisions - before if algorithm.decisions >= PREFILL else 0
            left = counted * ratio - algorithm.updates * BATCH * LENGTH
            assert -1e-6 <= left < BATCH * LENGTH + 1e-6  # no whole update is due, but for rounding
    assert algorithm.learner_group.updates == algorithm.updates
    assert algorithm.updates * BATCH * LENGTH / counted == pytest.approx(ratio, rel=0.01)
    assert algorithm.losses["train_ratio"] == pytest.approx(ratio, rel=0.01)
    (said,) = [record for record in caplog.records if "algo.training.train_ratio" in record.getMessage()]
    assert said.args[2] == pytest.approx(ratio, rel=0.01)


def test_learning_waits_for_what_is_driven_at_random(scheduled):
    algorithm = scheduled(16, lambda: 20)
    for _ in range(3):
        algorithm.training_step()
        assert algorithm.updates == 0
    algorithm.training_step()  # the first 64 are among these 80
    assert algorithm.updates == 20
    assert algorithm.were_random == [True, True, True, True, False]
