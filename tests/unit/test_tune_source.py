"""Where Tune takes its trials from: under their own names, no more alive at once than there is room for."""

from types import SimpleNamespace

import pytest

from envs.errors import ConfigError
from tune.records import FAILED, TrialRecords
from tune.source import TrialSource


class Trials:
    """Makes `num_new` trials, then has no more; those in `broken` cannot be set up."""

    def __init__(self, records, num_new=0, broken=()):
        self.records, self.num_new, self.broken, self.refused = records, num_new, broken, []

    @property
    def is_exhausted(self):
        return self.num_new == 0

    def config(self, record):
        if record.name in self.broken:
            raise ConfigError("minibatch_size=7 does not divide")
        return {"assigned": record.assigned}

    def propose(self):
        self.num_new -= 1
        return self.records.add({})

    def refuse(self, record, error):
        record.state, record.reason = FAILED, str(error)


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Return a function that makes a source over `num_known` trials of before and `num_new` to be proposed."""
    monkeypatch.setattr(
        "tune.source._create_trial_from_spec",
        lambda spec, parser, **options: SimpleNamespace(config=spec["config"], **options),
    )

    def made(num_known=0, num_new=0, num_concurrent=2, broken=()):
        records = TrialRecords(tmp_path)
        waiting = [records.add({}) for _ in range(num_known)]
        said = []
        source = TrialSource(
            waiting=waiting,
            trials=Trials(records, num_new, broken),
            num_concurrent=num_concurrent,
            stop_request=tmp_path / "stop_requested",
            say=said.append,
        )
        source.add_configurations([SimpleNamespace(spec={"run": "Trial"})])
        return SimpleNamespace(source=source, records=records, said=said, stop_request=tmp_path / "stop_requested")

    return made


def test_trials_of_before_a_resume_come_first_then_new_ones(make):
    made = make(num_known=2, num_new=2, num_concurrent=9)
    trials = [made.source.next_trial() for _ in range(4)]
    assert [trial.trial_id for trial in trials] == ["trial_00000", "trial_00001", "trial_00002", "trial_00003"]
    assert made.source.next_trial() is None
    assert made.source.is_finished()


def test_never_more_are_alive_than_there_is_room_for(make):
    made = make(num_known=3, num_new=3, num_concurrent=2)
    alive, most, ended = [], 0, []
    while not made.source.is_finished() or alive:
        trial = made.source.next_trial()
        if trial is None:
            assert len(alive) == 2 or made.source.is_finished()  # it never waits while there is room
            ended.append(alive.pop(0))
            made.source.on_trial_complete(ended[-1], error=len(ended) == 2)  # however it ended
            continue
        alive.append(trial.trial_id)
        most = max(most, len(alive))
    assert most == 2
    assert len(ended) == len(set(ended)) == 6


def test_asked_to_stop_there_are_no_more_trials(make):
    made = make(num_known=3, num_new=3)
    assert made.source.next_trial() is not None
    made.stop_request.touch()
    assert made.source.next_trial() is None
    assert made.source.is_finished()
    assert len(made.records) == 3  # none was proposed, to wait for nothing


def test_a_trial_that_cannot_be_set_up_is_a_failure_of_its_own(make):
    made = make(num_known=3, broken=("00000", "00001"))
    assert made.source.next_trial().trial_id == "trial_00002"
    assert [record.state for record in made.records] == [FAILED, FAILED, "waiting"]
    assert "minibatch_size=7 does not divide" in made.records["00000"].reason
    assert any("00000" in said and "minibatch_size=7" in said for said in made.said)


def test_where_nothing_that_would_be_proposed_is_allowed_the_others_go_on(make, monkeypatch):
    made = make(num_known=1, num_new=5)

    def refuse(_):
        raise ConfigError("tuner.constraints refused 1000 settings in a row")

    monkeypatch.setattr(Trials, "propose", refuse)
    assert made.source.next_trial() is not None
    assert made.source.next_trial() is None
    assert made.source.is_finished()
    assert made.said == ["tuner.constraints refused 1000 settings in a row"]


def test_what_tune_pickles_of_it_knows_nothing(make):
    assert make(num_known=1).source.__getstate__() == {}
