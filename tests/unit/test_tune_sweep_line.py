"""The live line of a sweep: where its trials are, and the best so far."""

import io

import pytest

from tune.records import FAILED, FINISHED, RUNNING, STOPPED, TrialRecords
from tune.sweep_line import SweepLine, best_record


@pytest.fixture
def records(tmp_path):
    records = TrialRecords(tmp_path)
    ends = [(FINISHED, 200.0, 9000), (STOPPED, 350.0, 3000), (FAILED, 10.0, 500), (RUNNING, 120.0, 2000)]
    for state, objective, frames in [*ends, (RUNNING, None, 0), ("waiting", None, 0)]:
        record = records.add({})
        record.state, record.objective, record.frames = state, objective, frames
    return records


def line(records, mode="max", **options):
    return SweepLine(io.StringIO(), records, 12, mode, is_tty=False, clock=lambda: 75.0, **options)


def test_it_counts_trials_by_what_became_of_them(records):
    said = line(records).line()
    assert "3/12 trials done (1 early, 1 failed)" in said
    assert "2 running" in said
    assert "best 350 (00001 at 3.0k)" in said
    assert "best 120 (00003 at 2.0k)" in line(records, mode="min").line()  # what failed is none to go on with


def test_a_sweep_that_begins_has_no_best(tmp_path):
    records = TrialRecords(tmp_path)
    records.add({}).state = RUNNING
    said = line(records).line()
    assert "0/12 trials done" in said
    assert "(" not in said
    assert "best" not in said


def test_speeds_of_the_running_trials_are_added_up(records):
    shown = line(records)
    for name, speed in (("00000", 1000.0), ("00003", 400.0), ("00004", 250.0), ("00003", 500.0)):
        shown.update_trial(name, {"train/frames_per_s": speed})
    assert "750 frames/s" in shown.line()  # without the one that has finished


def test_in_a_narrow_terminal_what_matters_most_stays(records):
    shown = line(records)
    whole = shown.line()
    narrow = shown.line(columns=60)
    assert len(narrow) <= 60 < len(whole)
    assert "trials done" in narrow
    assert "frames/s" not in narrow


def test_notes_stand_above_it(records):
    stream = io.StringIO()
    SweepLine(stream, records, 12, "max", is_tty=False).note("Trial 00003 starts.")
    assert stream.getvalue() == "Trial 00003 starts.\n"


def test_the_best_is_the_first_of_the_best(records):
    assert best_record(records, "max").name == "00001"
    assert best_record([records["00000"], records["00003"]], "max").name == "00000"
    assert best_record([], "max") is None
    records["00003"].objective = 350.0
    assert best_record(records, "max").name == "00001"


def test_of_several_metrics_the_first_counts(records):
    for record, objective in zip(records, ([1.0, 900.0], [3.0, 100.0], [2.0, 500.0]), strict=False):
        record.objective = objective
    records["00003"].objective = None
    assert best_record(records, "max").name == "00001"


@pytest.mark.parametrize(
    ("value", "said"), [(852.3, "852"), (1234.5, "1234"), (31.26, "31.3"), (0.954, "0.954"), (-0.01234, "-0.0123")]
)
def test_the_best_of_any_metric_can_be_read(records, value, said):
    for record in records:
        record.objective = value
    assert f"best {said} (" in line(records).line()
