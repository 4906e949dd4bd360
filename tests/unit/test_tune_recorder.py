"""What becomes of a trial's reports in the driver: its record, its CSV, its MLflow run; a fake stands in for MLflow."""

import csv
import io
import json
import os
from types import SimpleNamespace

import pytest

from experiments.tracking import RunHandle, Tracker
from experiments.trial import ADOPTED
from tune import callbacks
from tune.records import TrialRecords
from tune.sweep_line import SweepLine


class Memory(Tracker):
    """Keeps what it is told."""

    def __init__(self):
        self.started, self.rows, self.tags, self.finished = [], [], {}, []

    def start_run(self, *, name, tags, params, parent_id=None, run_id=None):
        run = RunHandle(name, run_id or f"id of {tags['trial']}", is_settled=True)
        self.started.append(SimpleNamespace(run=run, tags=tags, params=params, parent=parent_id, run_id=run_id))
        return run

    def run_id(self, run, timeout_s=0.0):
        return run.run_id

    def log(self, run, metrics, step):
        self.rows.append((run.run_id, step, metrics))

    def tag(self, run, tags):
        self.tags.setdefault(run.run_id, {}).update(tags)

    def finish(self, run, status):
        self.finished.append((run.run_id, status))


class Sweep:
    """A recorder with all that it writes to, and trials as Tune would hand them to it."""

    def __init__(self, folder, num_trials=2, known=None):
        self.folder, self.tracker, self.stream = folder, Memory(), io.StringIO()
        self.records = TrialRecords(folder)
        for number in range(num_trials):
            self.records.add({"seed": number})
            (folder / "trials" / f"{number:05}").mkdir(parents=True, exist_ok=True)
        self.looks, self.observed = [], []
        self.recorder = callbacks.Recorder(
            tracker=self.tracker,
            run=RunHandle("sweep", "id of the sweep", is_settled=True),
            known=known or {},
            children={},
            config={"run_folder": str(folder)},
            records=self.records,
            line=SweepLine(self.stream, self.records, num_trials, "max", is_tty=False),
            disk=SimpleNamespace(look=lambda: self.looks.append(1)),
            observe=lambda record: self.observed.append((record.name, record.state)),
            stop_reason=lambda frames: f"not among the best at {frames}",
        )

    def trial(self, number, **config):
        assigned = self.records[f"{number:05}"].assigned
        settings = {"choices": {"env": "dummy", "debug": None}, "seed": number, "commit": "abc", "host": "here"}
        return SimpleNamespace(
            trial_id=f"trial_{number:05}",
            config=settings | {"assigned": dict(assigned)} | config,
            last_result={},
            num_failures=1,
            max_failures=3,
            get_error=lambda: "Failure # 1\nThe node died",
        )

    def start(self, trial):
        self.recorder.on_trial_start(0, [], trial)

    def report(self, trial, frames=None, objective=None, end=None, notes=(), resumed_at=0):
        row = {} if frames is None else {"train/frames": frames, "train/frames_per_s": 10.0}
        result = {**row, "end": end, "notes": list(notes), "resumed_at_frames": resumed_at, "done": end is not None}
        if objective is not None:
            result["objective"] = objective
        self.recorder.on_trial_result(0, [], trial, result)
        trial.last_result = result

    def complete(self, trial):
        self.recorder.on_trial_complete(0, [], trial)

    def run(self, number, *reports, end=None):
        """Let a trial go from its start to its end."""
        trial = self.trial(number)
        self.start(trial)
        for frames, objective in reports[:-1]:
            self.report(trial, frames, objective)
        self.report(trial, *reports[-1], end=end)
        self.complete(trial)

    def on_disk(self):
        return [(record.state, record.reason) for record in TrialRecords.load(self.folder, is_sweep=True)]

    def rows(self, number=0):
        with (self.folder / "trials" / f"{number:05}" / "progress.csv").open() as file:
            return [int(row["train/frames"]) for row in csv.DictReader(file)]


@pytest.fixture
def sweep(tmp_path):
    return Sweep(tmp_path)


def test_a_trial_that_reached_its_limit(sweep):
    sweep.run(0, (100, 1.5), (200, 2.5), end="finished")
    assert sweep.on_disk() == [("finished", None), ("waiting", None)]
    record = TrialRecords.load(sweep.folder, is_sweep=True)["00000"]
    assert (record.frames, record.objective) == (200, 2.5)
    assert sweep.observed == [("00000", "finished")]
    assert sweep.tracker.finished == [("id of 00000", "FINISHED")]
    assert sweep.tracker.tags["id of 00000"]["state"] == "finished"
    assert sweep.rows() == [100, 200]
    assert [(run, step) for run, step, _ in sweep.tracker.rows] == [("id of 00000", 100), ("id of 00000", 200)]


def test_a_trial_that_the_scheduler_stopped_keeps_its_evidence_but_not_its_replay(sweep):
    folder = sweep.folder / "trials" / "00000"
    for name in ("replay", "checkpoints"):
        (folder / name).mkdir()
        (folder / name / "file").write_bytes(b"x")
    sweep.run(0, (100, 1.5))
    assert sweep.on_disk()[0] == ("stopped", "not among the best at 100")
    assert sweep.tracker.finished == [("id of 00000", "FINISHED")]
    assert sweep.tracker.tags["id of 00000"]["state"].startswith("stopped")
    assert not (folder / "replay").exists()
    assert (folder / "checkpoints" / "file").exists()
    assert sweep.rows() == [100]


@pytest.mark.parametrize("end", ["finished", "failed: ValueError: no", "interrupted"])
def test_only_a_stopped_trial_loses_its_replay(sweep, end):
    replay = sweep.folder / "trials" / "00000" / "replay"
    replay.mkdir()
    sweep.run(0, (100, 1.5), end=end)
    assert replay.exists()


def test_a_stop_is_on_the_disk_before_its_replay_is_gone(sweep, monkeypatch):
    """Else a kill between the two leaves a trial that a resume would go on with, and cannot."""
    seen = []
    monkeypatch.setattr(callbacks.shutil, "rmtree", lambda *_, **__: seen.append(sweep.on_disk()[0][0]))
    sweep.run(0, (100, 1.5))
    assert seen == ["stopped"]


def test_a_trial_that_failed_says_why_and_the_rest_goes_on(sweep):
    failing, other = sweep.trial(0), sweep.trial(1)
    sweep.start(failing)
    sweep.start(other)
    sweep.report(failing, end="failed: FloatingPointError: learning has diverged")  # it has nothing else to report
    sweep.complete(failing)
    sweep.report(other, 100, 1.0)
    assert sweep.on_disk()[0] == ("failed", "FloatingPointError: learning has diverged")
    assert sweep.tracker.finished == [("id of 00000", "FAILED")]
    assert "FloatingPointError: learning has diverged" in sweep.stream.getvalue()
    assert sweep.records["00001"].state == "running"


def test_an_interrupted_trial_is_still_running_for_a_resume(sweep):
    sweep.run(0, (100, 1.5), end="interrupted")
    assert sweep.records["00000"].state == "running"
    assert sweep.observed == []
    assert sweep.tracker.finished == []


def test_a_trial_that_lost_its_processes_too_often_failed(sweep):
    trial = sweep.trial(0)
    sweep.start(trial)
    sweep.recorder.on_trial_recover(0, [], trial)
    sweep.recorder.on_trial_error(0, [], trial)
    assert sweep.on_disk()[0] == ("failed", "The node died")
    assert "1 of at most 3 times" in sweep.stream.getvalue()
    assert sweep.tracker.finished == [("id of 00000", "FAILED")]


@pytest.mark.parametrize("error", [None, "", "\n"])
def test_an_error_that_says_nothing_ends_nothing_else(sweep, error):
    trial = sweep.trial(0)
    trial.get_error = lambda: error
    sweep.start(trial)
    sweep.recorder.on_trial_error(0, [], trial)
    assert sweep.on_disk()[0] == ("failed", "its processes died")


def test_a_trial_that_died_before_it_started_has_no_run_to_end(sweep):
    sweep.recorder.on_trial_error(0, [], sweep.trial(0))
    assert sweep.on_disk()[0][0] == "failed"
    assert sweep.tracker.finished == []


def test_after_a_resume_the_branch_that_was_lost_is_cut_off(tmp_path):
    before = Sweep(tmp_path)
    trial = before.trial(0)
    before.start(trial)
    for frames in (100, 200, 300):
        before.report(trial, frames, 1.0)
    after = Sweep(tmp_path)
    resumed = after.trial(0)
    after.start(resumed)
    after.report(resumed, 250, 1.0, resumed_at=200)
    assert after.rows() == [100, 200, 250]
    after.start(resumed)  # its processes died, and began again from 200
    after.report(resumed, 260, 1.0, resumed_at=200)
    after.report(resumed, 360, 1.0, resumed_at=200)
    assert after.rows() == [100, 200, 260, 360]
    assert len(after.tracker.started) == 1


def test_a_resume_goes_on_with_the_runs_that_there_are(tmp_path):
    sweep = Sweep(tmp_path, known={"00000": "abcdef"})
    sweep.run(0, (100, 1.0), end="finished")
    sweep.run(1, (100, 1.0), end="finished")
    assert [(one.run.run_id, one.run_id) for one in sweep.tracker.started] == [
        ("abcdef", "abcdef"),
        ("id of 00001", None),
    ]
    remembered = json.loads((tmp_path / "mlflow_run.json").read_text())
    assert remembered == {"run": "id of the sweep", "trials": {"00000": "abcdef", "00001": "id of 00001"}}


def test_a_run_has_the_words_of_its_trial_as_tags_and_what_was_assigned_as_parameters(sweep):
    sweep.start(sweep.trial(1, run_folder="/somewhere", words=["a=b"], algo={"lr": 1}))
    (started,) = sweep.tracker.started
    expected = {"env": "dummy", "seed": "1", "commit": "abc", "host": "here", "trial": "00001"}
    assert expected.items() <= started.tags.items()
    assert "debug" not in started.tags
    assert started.parent.run_id == "id of the sweep"
    assert started.params["assigned.seed"] == 1
    assert started.params["algo"] == {"lr": 1}
    assert not {"run_folder", "words", "tuner", "assigned"} & started.params.keys()


def test_a_member_that_took_over_has_its_new_values_in_record_and_run(sweep):
    trial = sweep.trial(0)
    sweep.start(trial)
    sweep.report(trial, 100, 1.0)
    trial.config = trial.config | {"assigned": {"algo.training.lr": 2e-4}, ADOPTED: "00001 at 100 frames"}
    sweep.start(trial)
    assert TrialRecords.load(sweep.folder, is_sweep=True)["00000"].assigned == {"algo.training.lr": 2e-4}
    assert ("id of 00000", 100, {"tuned/algo.training.lr": 2e-4}) in sweep.tracker.rows
    assert "goes on with the weights of 00001" in sweep.stream.getvalue()
    assert len(sweep.tracker.started) == 1


def test_a_member_that_took_over_without_another_setting_is_said_too(sweep):
    trial = sweep.trial(0)
    sweep.start(trial)
    sweep.report(trial, 100, 1.0)
    trial.config = trial.config | {ADOPTED: "00001 at 100 frames"}
    sweep.start(trial)
    assert "goes on with the weights of 00001" in sweep.stream.getvalue()


def test_asked_to_stop_while_it_began_a_trial_may_still_report(sweep):
    """It looked for the request before it built its networks, which takes seconds."""
    (sweep.folder / "stop_requested").touch()
    sweep.run(0, (100, 1.5), end="interrupted")
    assert sweep.rows() == [100]
    assert sweep.records["00000"].state == "running"
    assert sweep.records["00000"].frames == 100


def test_a_trial_that_only_came_to_say_that_it_was_asked_to_stop(sweep):
    (sweep.folder / "stop_requested").touch()
    trial = sweep.trial(0)
    sweep.start(trial)
    sweep.report(trial, end="interrupted")
    sweep.complete(trial)
    assert sweep.records["00000"].state == "waiting"
    assert sweep.tracker.started == []


def test_a_full_disk_does_not_end_the_sweep(sweep, monkeypatch):
    trial = sweep.trial(0)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        sweep.start(trial)
        sweep.report(trial, 100, 1.0)
        sweep.report(trial, 200, 2.0, end="finished")
    assert "No space left on device" in sweep.stream.getvalue()
    sweep.complete(trial)  # there is room again
    assert sweep.on_disk()[0] == ("finished", None)


def test_notes_name_their_trial_and_the_disk_is_looked_at(sweep):
    trial = sweep.trial(1)
    sweep.start(trial)
    sweep.report(trial, 100, 1.0, notes=["Env runner 1 was replaced."])
    assert "Trial 00001: Env runner 1 was replaced." in sweep.stream.getvalue()
    assert sweep.looks


def test_a_report_without_the_metric_keeps_its_newest_value(sweep):
    trial = sweep.trial(0)
    sweep.start(trial)
    sweep.report(trial, 100, 7.0)
    sweep.report(trial, 200)
    assert (sweep.records["00000"].frames, sweep.records["00000"].objective) == (200, 7.0)


def test_a_copy_that_tune_pickles_records_nothing(sweep):
    assert sweep.recorder.__getstate__() == {}


def test_a_member_that_took_over_before_a_resume_goes_on_and_takes_over_again(tmp_path):
    """Its saved config says from whom; that was told then."""
    sweep = Sweep(tmp_path, known={"00000": "abcdef"})
    trial = sweep.trial(0, **{ADOPTED: "00001 at 100 frames"})
    sweep.start(trial)
    sweep.report(trial, 200, 1.0, resumed_at=100)
    assert "weights of" not in sweep.stream.getvalue()
    assert sweep.records["00000"].state == "running"
    trial.config = trial.config | {ADOPTED: "00001 at 200 frames"}
    sweep.start(trial)
    assert "goes on with the weights of 00001 at 200 frames" in sweep.stream.getvalue()


def test_the_value_of_a_small_metric_is_said_too(sweep):
    sweep.run(0, (100, 0.01234), end="finished")
    assert "(100 frames, 0.0123)" in sweep.stream.getvalue()
