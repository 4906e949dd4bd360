"""What is known of a sweep's trials: it survives on the disk, and damage is named."""

import os

import pytest

from envs.errors import ConfigError
from tune.records import FAILED, FINISHED, RUNNING, STOPPED, TRIALS_FILE, WAITING, TrialRecord, TrialRecords


@pytest.fixture
def records(tmp_path):
    records = TrialRecords(tmp_path)
    records.add({"algo.training.lr": 1e-4, "seed": 0})
    records.add({"algo.training.lr": 3e-4, "model.channels": [8, 16]}, origin=7)
    return records


def test_trials_are_numbered_in_the_order_that_they_are_made(records):
    assert [record.name for record in records] == ["00000", "00001"]
    assert records.add({}).name == "00002"
    assert len(records) == 3
    assert records["00001"].origin == 7


def test_what_is_saved_is_what_is_loaded(records, tmp_path):
    first, second = records
    first.state, first.objective, first.frames = FINISHED, 12.5, 4096
    second.state, second.reason, second.objective = FAILED, "ValueError: no", [1.0, 250.0]
    records.save()
    assert list(TrialRecords.load(tmp_path, is_sweep=True)) == [first, second]
    assert TrialRecords.load(tmp_path, is_sweep=True)["00001"].first_objective == 1.0
    third = TrialRecords.load(tmp_path, is_sweep=True).add({})
    assert (third.name, third.state, third.frames, third.objective) == ("00002", WAITING, 0, None)


def test_an_assignment_belongs_to_its_record(tmp_path):
    given = {"seed": 1}
    record = TrialRecords(tmp_path).add(given)
    given["seed"] = 2
    assert record.assigned == {"seed": 1}


def test_a_run_from_before_there_were_records_has_its_only_trial(tmp_path):
    (record,) = TrialRecords.load(tmp_path, is_sweep=False)
    assert (record.name, record.state, record.assigned) == ("00000", RUNNING, {})


def test_a_sweep_that_stopped_before_its_trials_were_made_is_no_run_of_one_trial(tmp_path):
    with pytest.raises(ConfigError, match="stopped while it was starting"):
        TrialRecords.load(tmp_path, is_sweep=True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'[{"name": "00000"',
        b"null",
        b"3",
        b"[1, 2]",
        b'[{"state": "running"}]',
        b'[{"name": "00000", "colour": "red"}]',
        b'[{"name": "\xff\xfe"}]',
    ],
)
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / TRIALS_FILE).write_bytes(content)
    with pytest.raises(ConfigError, match=rf"{TRIALS_FILE} cannot be read .*cannot go on"):
        TrialRecords.load(tmp_path, is_sweep=True)


def test_a_power_cut_while_saving_leaves_what_was_known_before(records, tmp_path, monkeypatch, power_cut):
    records.save()
    records["00000"].state = STOPPED
    monkeypatch.setattr(os, "replace", power_cut)
    with pytest.raises(KeyboardInterrupt):
        records.save()
    assert [record.state for record in TrialRecords.load(tmp_path, is_sweep=True)] == [WAITING, WAITING]


def test_trials_are_found_by_their_states(records):
    first, second = records
    first.state, second.state = STOPPED, RUNNING
    assert records.in_state(RUNNING) == [second]
    assert records.in_state(RUNNING, STOPPED) == [first, second]
    assert records.in_state(FINISHED) == []


def test_a_record_says_which_trial_it_is_in_short():
    assigned = {"algo.training.lr": 0.000123456, "model": "vit", "seed": 3, "model.channels": [8, 16]}
    assert str(TrialRecord("00004", assigned)) == "00004 lr=0.000123 model=vit seed=3 channels=[8, 16]"
    assert str(TrialRecord("00000")) == "00000"
