"""Optuna chooses settings by what came of earlier ones, also across a resume."""

import statistics

import optuna
import pytest

from envs.errors import ConfigError
from tune.optuna_proposer import Optuna
from tune.proposers import Search
from tune.records import FAILED, FINISHED, RUNNING, STOPPED, TrialRecord
from tune.space.space import SearchSpace

BASE = {"algo": {"training": {"gamma": 0.5}}, "seed": 0, "choices": {"model": "cnn"}}
GAMMA = {"algo.training.gamma": {"uniform": [0.0, 1.0]}}
BEST = 0.7


@pytest.fixture
def propose_from(tmp_path):
    """Return a function that makes a proposer over the sweep's folder."""

    def make(
        *, num_trials=10, num_random=5, seed=0, modes=("max",), is_allowed=lambda one: True, known=(), space=GAMMA
    ):
        parsed = SearchSpace.parse(space, [], BASE)
        search = Search(parsed, num_trials, seed, list(modes), is_allowed, tmp_path, list(known))
        return Optuna(num_random=num_random, search=search)

    return make


@pytest.fixture
def journal(tmp_path):
    """Return a function that reads what is on the disk, as Optuna's own tools would."""

    def read():
        backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "optuna.log"))
        return optuna.load_study(study_name="sweep", storage=optuna.storages.JournalStorage(backend))

    return read


def train(proposer, records, number, state=FINISHED):
    """Let trials train: the return falls with the distance to the best gamma."""
    for _ in range(number):
        assigned, origin = proposer.propose()
        objective = -((assigned["algo.training.gamma"] - BEST) ** 2)
        records.append(TrialRecord(f"{len(records):05}", assigned, state, objective=objective, origin=origin))
        proposer.observe(records[-1])
    return records


def distance(records):
    return statistics.mean(abs(record.assigned["algo.training.gamma"] - BEST) for record in records)


def test_it_proposes_as_many_as_asked_for_within_the_space(propose_from):
    proposer = propose_from(num_trials=7)
    records = train(proposer, [], 7)
    assert proposer.is_exhausted
    assert proposer.num_total == 7
    assert len({record.origin for record in records}) == 7
    assert all(0 <= record.assigned["algo.training.gamma"] <= 1 for record in records)
    assert propose_from().planned() == []


def test_it_looks_where_returns_were_high(propose_from):
    records = train(propose_from(num_trials=40), [], 40)
    assert distance(records[-15:]) < 0.29 / 2  # (0.7² + 0.3²) / 2 = 0.29 is the mean distance of draws at random


def test_a_resumed_sweep_has_not_forgotten(propose_from, journal):
    records = train(propose_from(num_trials=40), [], 25)
    resumed = propose_from(num_trials=40, known=records)
    assert not resumed.is_exhausted
    train(resumed, records, 15)
    assert resumed.is_exhausted
    assert distance(records[-15:]) < 0.29 / 2
    assert [trial.value for trial in journal().trials] == [record.objective for record in records]
    assert propose_from(num_trials=40, known=records).is_exhausted


def test_after_a_resume_draws_are_new_ones(propose_from):
    first = train(propose_from(num_trials=6, num_random=6), [], 3)
    rest = train(propose_from(num_trials=6, num_random=6, known=first), list(first), 3)[3:]
    assert not {str(one.assigned) for one in first} & {str(one.assigned) for one in rest}


def test_a_setting_without_a_record_was_lost_in_a_crash_and_is_given_up(propose_from, journal):
    proposer = propose_from()
    records = train(proposer, [], 2)
    kept, origin = proposer.propose()
    records.append(TrialRecord("00002", kept, RUNNING, origin=origin))
    proposer.propose()  # the crash comes before there is a record
    propose_from(known=records)
    states = [trial.state.name for trial in journal().trials]
    assert states == ["COMPLETE", "COMPLETE", "RUNNING", "FAIL"]


def test_a_trial_that_goes_on_after_a_resume_is_told_at_its_end(propose_from, journal):
    first = propose_from()
    assigned, origin = first.propose()
    record = TrialRecord("00000", assigned, RUNNING, origin=origin)
    resumed = propose_from(known=[record])
    record.state, record.objective = FINISHED, 3.5
    resumed.observe(record)
    assert [trial.value for trial in journal().trials] == [3.5]


def test_an_end_that_optuna_had_not_heard_of_before_a_kill_is_told_after_it(propose_from, journal):
    """The record is on the disk as soon as the trial reports its end; Optuna hears of it a moment later."""
    assigned, origin = propose_from().propose()
    propose_from(known=[TrialRecord("00000", assigned, FINISHED, objective=3.5, origin=origin)])
    assert [trial.value for trial in journal().trials] == [3.5]


def test_failures_teach_nothing_and_early_stops_do(propose_from, journal):
    proposer = propose_from()
    train(proposer, [], 1, state=FAILED)
    train(proposer, [], 1, state=STOPPED)
    assigned, origin = proposer.propose()
    proposer.observe(TrialRecord("00002", assigned, FINISHED, objective=None, origin=origin))  # no episode ended
    assert [trial.state.name for trial in journal().trials] == ["FAIL", "COMPLETE", "FAIL"]


def test_a_failure_that_a_resume_trained_to_its_end_is_learned_from_once(propose_from, journal):
    assigned, origin = propose_from().propose()
    record = TrialRecord("00000", assigned, FAILED, reason="RuntimeError: no", origin=origin)
    propose_from(known=[record])
    record.state, record.objective, record.reason = RUNNING, None, None
    resumed = propose_from(known=[record])
    record.state, record.objective = FINISHED, 3.5
    resumed.observe(record)
    for _ in range(2):
        propose_from(known=[record])
    assert [trial.value for trial in journal().trials if trial.state.name == "COMPLETE"] == [3.5]


def test_two_metrics_make_a_pareto_front(propose_from, journal):
    proposer = propose_from(modes=("max", "min"))
    values = [[1.0, 5.0], [2.0, 9.0], [0.5, 6.0], [2.0, 8.0], [3.0, 20.0]]
    for number, objective in enumerate(values):
        assigned, origin = proposer.propose()
        proposer.observe(TrialRecord(f"{number:05}", assigned, FINISHED, objective=objective, origin=origin))
    # 1 is beaten by 3 (as good in the first, less of the second), 2 by 0 (better in both).
    assert sorted(trial.number for trial in journal().best_trials) == [0, 3, 4]


@pytest.mark.parametrize(("mode", "best"), [("max", 2), ("min", 1)])
def test_the_mode_says_what_is_better(propose_from, journal, mode, best):
    proposer = propose_from(modes=(mode,))
    for number, objective in enumerate((1.0, 0.0, 2.0)):
        assigned, origin = proposer.propose()
        proposer.observe(TrialRecord(f"{number:05}", assigned, FINISHED, objective=objective, origin=origin))
    assert journal().best_trial.number == best


def test_draws_are_those_of_the_seed(tmp_path):
    def drawn(seed, folder):
        (tmp_path / folder).mkdir()
        search = Search(SearchSpace.parse(GAMMA, [], BASE), 5, seed, ["max"], lambda one: True, tmp_path / folder)
        proposer = Optuna(num_random=5, search=search)
        return [proposer.propose()[0] for _ in range(5)]

    assert drawn(3, "one") == drawn(3, "again")
    assert drawn(4, "other") != drawn(3, "third")


def test_what_the_constraints_refuse_is_not_proposed(propose_from):
    proposer = propose_from(num_trials=10, is_allowed=lambda one: one["algo.training.gamma"] < 0.3)
    assert all(record.assigned["algo.training.gamma"] < 0.3 for record in train(proposer, [], 10))


def test_constraints_that_allow_nothing_are_noticed(propose_from, monkeypatch):
    monkeypatch.setattr("tune.optuna_proposer.MOST_DRAWS", 20)  # each is a write to the disk
    with pytest.raises(ConfigError, match="refused 20 settings in a row"):
        propose_from(is_allowed=lambda one: False).propose()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"space": {"seed": {"grid": [0, 1]}} | GAMMA}, "choice"),
        ({"space": {}}, "needs to know what to search"),
        ({"num_random": 0}, "num_random=0"),
        ({"num_trials": 0}, "num_trials=0"),
    ],
)
def test_what_it_cannot_search_is_refused(propose_from, options, expected):
    with pytest.raises(ConfigError, match=expected):
        propose_from(**options)


def test_a_search_that_is_only_checked_leaves_nothing_behind(tmp_path):
    Optuna(num_random=5, search=Search(SearchSpace.parse(GAMMA, [], BASE), 5, 0, ["max"], lambda one: True))
    assert list(tmp_path.iterdir()) == []
