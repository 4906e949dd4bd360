"""What goes wrong in an evaluation beside training: a note to the user, and the next one is driven all the same."""

import os
import signal

import pytest
import ray
import torch

from envs.factory import make_env
from experiments.evaluator import BackgroundEvaluation
from experiments.policy_description import PolicyDescription

EVERY_S = 300.0
DEADLINE_S = 900.0
METRICS = {"eval/return_mean", "eval/return_p10"}


@pytest.fixture(scope="module")
def description(compose, tiny):
    config = compose(*tiny["sac"], "env.num_decisions=8")
    env = make_env(config["env"], training=False)
    return PolicyDescription(
        env=config["env"],
        observation_space=env.observation_space,
        action_space=env.action_space,
        encoder=config["model"],
        head=config["algo"]["training"]["head"],
        training={},
    )


@pytest.fixture(scope="module")
def weights(description):
    return description.build_actor().state_dict()


@pytest.fixture(scope="module")
def shared_evaluation(ray_session, description):
    evaluation = BackgroundEvaluation(description=description, every_s=EVERY_S, seeds=[0, 1])
    yield evaluation
    evaluation.close()


class Training:
    """Asks for evaluations as a trial does, on a clock that is set forward."""

    def __init__(self, evaluation):
        self.evaluation = evaluation
        self.elapsed_s = evaluation._next_s

    def poll(self, weights):
        return self.evaluation.poll(self.elapsed_s, weights)

    def wait(self, weights):
        """Go on until what is being driven has ended, and return its metrics."""
        assert ray.wait([self.evaluation._pending], timeout=60)[0], "The evaluation never ended."
        return self.poll(weights)

    def take_notes(self):
        notes, self.evaluation.notes = self.evaluation.notes, []
        return notes


@pytest.fixture
def training(shared_evaluation):
    return Training(shared_evaluation)


def test_evaluation_that_raises_becomes_a_note(training, weights):
    assert training.poll({"nonsense": torch.zeros(1)}) == {}
    assert training.wait(weights) == {}
    (note,) = training.take_notes()
    assert note.startswith("An evaluation failed; training goes on. ")
    assert "nonsense" in note
    training.elapsed_s += EVERY_S
    assert training.poll(weights) == {}
    assert training.wait(weights).keys() == METRICS
    assert training.take_notes() == []


def stop_process(training):
    """Let the process do nothing any more, and return its id."""
    pid = ray.get(training.evaluation._evaluator.__ray_call__.remote(lambda _: os.getpid()))
    os.kill(pid, signal.SIGSTOP)
    return pid


def test_evaluation_whose_process_dies_becomes_a_note(training, weights):
    pid = stop_process(training)
    assert training.poll(weights) == {}
    os.kill(pid, signal.SIGKILL)
    assert training.wait(weights) == {}
    (note,) = training.take_notes()
    assert note.startswith("An evaluation failed; training goes on. The actor is dead because its worker process")
    training.elapsed_s += EVERY_S
    assert training.poll(weights) == {}
    assert training.wait(weights).keys() == METRICS


def test_evaluation_that_hangs_is_given_up_and_becomes_a_note(training, weights):
    stop_process(training)
    assert training.poll(weights) == {}
    training.elapsed_s += DEADLINE_S
    assert training.poll(weights) == {}
    assert training.take_notes() == []
    training.elapsed_s += 1.0
    assert training.poll(weights) == {}
    assert training.take_notes() == ["An evaluation took more than 900 s and was given up; training goes on."]
    assert training.wait(weights).keys() == METRICS  # the next one was due long since
    assert training.take_notes() == []
