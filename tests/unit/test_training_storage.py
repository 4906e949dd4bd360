"""What a training copies to the storage, and when it waits for that; algorithm and storage are stand-ins."""

from types import SimpleNamespace

import pytest

from experiments import training as module
from experiments.policy_description import PolicyDescription
from experiments.training import Training

FIRST, SECOND = "push frames_000000000100", "push frames_000000000200"


class Storage:
    """Notes what it is asked for."""

    def __init__(self):
        self.calls = []

    def push(self, checkpoint, keep):
        self.calls.append(f"push {checkpoint.name}")

    def wait(self, timeout_s):
        self.calls.append("wait")


@pytest.fixture
def training(tmp_path, monkeypatch):
    """Return a training of 100 frames."""
    made = object.__new__(Training)
    made._config = {"checkpoint": {"keep": 2}, "paths": {"storage": "s3://bucket/runs"}}
    made._folder, made._mirror, made._pushed = tmp_path, Storage(), None
    made._earlier_s = made._started_at = 0.0
    made._description = PolicyDescription({}, None, None, {}, {}, {})
    made.algorithm = SimpleNamespace(frames=100, training_state=dict)
    monkeypatch.setattr(module, "save_policy", lambda *_: None)
    monkeypatch.setattr(Training, "_actor_weights", lambda self: {})
    return made


def test_a_checkpoint_is_copied_once_however_often_it_is_saved(training):
    """The copy would be written over; a process that ends meanwhile would leave half of the newest there is."""
    training.save()
    training.save()
    training.algorithm.frames = 200
    training.save()
    assert training._mirror.calls == [FIRST, SECOND]


def test_weights_that_were_taken_over_are_copied_though_no_frame_was_driven(training):
    training.save()
    training.save(replace_same=True)
    assert training._mirror.calls == [FIRST, FIRST]


def test_what_others_go_on_from_is_waited_for(training):
    training.save()
    training.save_for_others()
    assert training._mirror.calls == [FIRST, "wait"]


def test_a_storage_that_takes_too_long_is_named(training, monkeypatch):
    def late(timeout_s):
        raise TimeoutError  # as a future does, without a word

    monkeypatch.setattr(training._mirror, "wait", late)
    with pytest.raises(TimeoutError, match=r"frames_000000000100 did not reach s3://bucket/runs within 300 s"):
        training.save_for_others()


def test_without_storage_nobody_waits(training):
    training._mirror = None
    training.save_for_others()
    assert (training._folder / "checkpoints" / "latest").exists()
