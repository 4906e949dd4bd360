"""One trial as Tune sees it: how it reports, stops, fails and takes over, with a stand-in for the training itself."""

from types import SimpleNamespace

import pytest
import ray

from experiments import trial as module
from experiments.trial import Trial


class FakeTraining:
    """Reports what a test wants, and notes what it is asked for."""

    reports = ()
    fails_with: BaseException | None = None
    builds_with: BaseException | None = None
    ends_after = 99

    def __init__(self, config, folder, **_):
        if self.builds_with is not None:
            raise self.builds_with
        self.folder, self.resumed_at_frames, self.calls, self.number = folder, 0, [], 0
        type(self).last = self

    @property
    def is_finished(self):
        return self.number >= self.ends_after

    def advance(self):
        if self.fails_with is not None:
            raise self.fails_with
        self.number += 1
        return {"train/frames": 100.0 * self.number} | self.reports[self.number - 1], ["a note"]

    def save_for_others(self):
        self.calls.append("save")

    def adopt(self, other):
        self.calls.append(f"adopt {other.name}")

    def close(self):
        self.calls.append("close")


@pytest.fixture
def training(monkeypatch):
    """The stand-in's class, to be told what it does."""
    fake = type("Fake", (FakeTraining,), {"reports": [{"train/return_mean": float(n)} for n in range(1, 99)]})
    monkeypatch.setattr(module, "Training", fake)
    monkeypatch.setattr(module, "log_to", lambda path: None)
    return fake


@pytest.fixture
def start(training, tmp_path):
    """Return a function that starts a trial by its number."""

    def started(number=0, metric="train/return_mean", **config):
        settings = {"run_folder": str(tmp_path), "started_at": None, "ray": {}, "tuner": {"metric": metric}, **config}
        return Trial(
            config=settings | {"__trial_info__": SimpleNamespace(trial_id=f"trial_{number:05}", trial_name="")}
        )

    return started


def test_it_reports_until_its_limit_is_reached(start, training):
    training.ends_after = 2
    trial = start()
    first, second = trial.step(), trial.step()
    assert (first["done"], first["end"], first["notes"], first["objective"]) == (False, None, ["a note"], 1.0)
    assert (second["done"], second["end"], second["train/frames"], second["objective"]) == (True, "finished", 200, 2.0)


def test_a_request_to_stop_ends_it_after_a_step(start, tmp_path):
    trial = start()
    (tmp_path / "stop_requested").touch()
    report = trial.step()
    assert (report["done"], report["end"], report["train/frames"]) == (True, "interrupted", 100)


def test_asked_to_stop_before_its_turn_it_builds_nothing(start, training, tmp_path):
    (tmp_path / "stop_requested").touch()
    trial = start()
    assert not hasattr(training, "last")
    report = trial.step()
    assert (report["done"], report["end"]) == (True, "interrupted")
    assert "train/frames" not in report
    trial.cleanup()


@pytest.mark.parametrize("moment", ["fails_with", "builds_with"])
def test_a_failure_of_its_own_is_reported_and_ends_it(start, training, moment):
    setattr(training, moment, FloatingPointError("learning has diverged"))
    trial = start()
    report = trial.step()
    assert (report["done"], report["end"]) == (True, "failed: FloatingPointError: learning has diverged")
    trial.cleanup()
    if moment == "fails_with":
        assert training.last.calls == ["close"]  # what broke is not saved over what was whole


@pytest.mark.parametrize("moment", ["fails_with", "builds_with"])
def test_where_ray_lost_a_process_tune_hears_of_it(start, training, moment):
    setattr(training, moment, ray.exceptions.RayActorError())
    with pytest.raises(ray.exceptions.RayActorError):
        start().step()


def test_ended_by_the_scheduler_it_saves_its_last_moments(start, training):
    trial = start()
    trial.step()
    trial.cleanup()
    assert training.last.calls == ["save", "close"]


def test_a_disk_that_is_full_at_the_end_does_not_keep_its_processes_alive(start, training, monkeypatch):
    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training, "save_for_others", full)
    trial = start()
    trial.step()
    trial.cleanup()
    assert training.last.calls == ["close"]


def test_a_metric_is_compared_from_its_first_value_on_and_keeps_its_newest(start, training):
    training.reports = [{}, {"eval/return_mean": 5.0}, {}, {"eval/return_mean": 7.0}]
    trial = start(metric="eval/return_mean")
    assert [trial.step().get("objective") for _ in range(4)] == [None, 5.0, 5.0, 7.0]


def test_several_metrics_are_a_list_once_all_are_known(start, training):
    training.reports = [{"train/frames_per_s": 9.0}, {"train/return_mean": 2.0}, {"train/return_mean": 3.0}]
    trial = start(metric=["train/return_mean", "train/frames_per_s"])
    assert [trial.step().get("objective") for _ in range(3)] == [None, [2.0, 9.0], [3.0, 9.0]]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_metric_that_is_not_finite_is_not_compared(start, training, value):
    """ASHA would let NaN pass every rung, and records are JSON."""
    training.reports = [{"train/return_mean": value}, {"train/return_mean": 2.0}, {"train/return_mean": value}]
    trial = start()
    objectives = [trial.step().get("objective") for _ in range(3)]
    assert objectives[0] is None
    assert objectives[1] == 2.0
    assert objectives[2] in (None, 2.0)


@pytest.fixture
def handed_over(start, training, tmp_path):
    """Another trial's checkpoint, as Tune would keep it."""

    def made(folder="tunes"):
        other = start(1)
        (tmp_path / folder).mkdir()
        other.save_checkpoint(str(tmp_path / folder))
        assert training.last.calls == ["save"]
        other.cleanup()
        return str(tmp_path / folder)

    return made


def test_it_takes_over_the_weights_of_the_trial_that_tune_names(start, training, handed_over):
    checkpoint = handed_over()
    trial = start(0)
    trial.load_checkpoint(checkpoint)
    assert training.last.calls == ["adopt 00001"]
    assert training.last.folder.name == "00000"  # its own folder, frames, replay


def test_after_a_pause_its_own_checkpoint_tells_it_nothing_new(start, training, handed_over):
    checkpoint = handed_over()
    again = start(1)
    again.load_checkpoint(checkpoint)
    assert training.last.calls == []


def test_weights_are_taken_over_once_also_when_its_processes_die_later(start, training, handed_over):
    """Tune restores the newest checkpoint it knows of a trial: after a takeover, that is the other's."""
    first, second = handed_over("first"), handed_over("second")
    trial = start(0)
    trial.load_checkpoint(first)
    trial.cleanup()
    again = start(0)
    again.load_checkpoint(first)
    assert training.last.calls == []
    again.load_checkpoint(second)
    assert training.last.calls == ["adopt 00001"]


@pytest.mark.parametrize("error", [FileNotFoundError("pruned meanwhile"), RuntimeError("sizes differ")])
def test_where_nothing_can_be_taken_over_it_goes_on_with_its_own(start, training, handed_over, monkeypatch, error):
    checkpoint = handed_over()

    def fail(self, other):
        raise error

    monkeypatch.setattr(training, "adopt", fail)
    trial = start(0)
    trial.load_checkpoint(checkpoint)
    report = trial.step()
    assert (report["end"], report["train/frames"]) == (None, 100)
    assert any(str(error) in note for note in report["notes"])
    assert trial.step()["notes"] == ["a note"]  # said once
