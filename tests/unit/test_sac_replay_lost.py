"""SAC on another node, where there is no replay: it fills a new one before it learns again."""

from types import SimpleNamespace

import pytest

from experiments.racing_algorithm import RacingAlgorithm
from experiments.sac import SAC

START_AFTER, STEP = 100, 20  # decisions: before learning begins, and in each exchange


class BareSAC(SAC):
    """Counts decisions without driving, and notes at how many it learns."""

    def __init__(self):
        options = SimpleNamespace(start_after_decisions=START_AFTER, weight_sync_every=999, updates_per_decision=1.0)
        self.config = SimpleNamespace(options=options, num_envs_per_env_runner=1)
        self.replay = SimpleNamespace(add=lambda *_, **__: None, restore=self._restored, state=dict)
        self.decisions, self.notes, self.learnt_at, self.is_restored = 0, [], [], False
        self._exchanges, self._updates_due, self._is_asked = 0, 0.0, True
        self._learns_from, self._is_replay_lost = START_AFTER, False
        self._shifts = SimpleNamespace(bit_generator=SimpleNamespace(state=None))

    def _restored(self, state):
        self.is_restored = True

    def _ask(self):
        pass

    def collect_fragments(self):
        self.decisions += STEP
        return {1: SimpleNamespace(decisions=STEP)}

    def _learn(self):
        self.learnt_at.append(self.decisions)


@pytest.fixture
def resumed(monkeypatch):
    """Return a function that goes on from a state, with the replay or without."""
    monkeypatch.setattr(RacingAlgorithm, "training_state", lambda self: {"decisions": self.decisions})

    def restore(self, state):
        self.decisions = state["decisions"]

    monkeypatch.setattr(RacingAlgorithm, "restore_training_state", restore)

    def make(state, is_lost):
        algorithm = BareSAC()
        algorithm._is_replay_lost = is_lost
        algorithm.restore_training_state(state)
        return algorithm

    return make


def state_at(decisions):
    algorithm = BareSAC()
    algorithm.decisions = decisions
    return algorithm.training_state()


@pytest.mark.parametrize("decisions", [60, 100, 1000])  # before learning began, just then, long after
def test_it_learns_again_when_a_new_replay_has_what_the_first_had(resumed, decisions):
    algorithm = resumed(state_at(decisions), is_lost=True)
    for _ in range(6):
        algorithm.training_step()
    assert algorithm.learnt_at == [decisions + START_AFTER, decisions + START_AFTER + STEP]
    assert f"The replay of {decisions:,} decisions stayed on another node" in algorithm.notes[0]


def test_a_restart_meanwhile_does_not_make_it_learn_from_too_little(resumed):
    algorithm = resumed(state_at(1000), is_lost=True)
    algorithm.training_step()
    again = resumed(algorithm.training_state(), is_lost=False)  # 20 decisions in the new replay
    assert again.is_restored
    for _ in range(5):
        again.training_step()
    assert again.learnt_at == [1000 + START_AFTER, 1000 + START_AFTER + STEP]


def test_with_its_replay_it_goes_on_as_if_nothing_had_happened(resumed):
    state = state_at(60)
    del state["learns_from"]  # a checkpoint from before there was this
    algorithm = resumed(state, is_lost=False)
    for _ in range(3):
        algorithm.training_step()
    assert algorithm.learnt_at == [100, 120]
    assert algorithm.notes == []
