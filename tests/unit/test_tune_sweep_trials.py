"""Which trials of a sweep are to be trained, and what each of them is given."""

from types import SimpleNamespace

import pytest

from envs.errors import ConfigError
from experiments.runs import read_config, write_config
from tune import sweep_trials
from tune.compose import TrialConfigs
from tune.records import FAILED, FINISHED, RUNNING, STOPPED, WAITING, TrialRecords
from tune.space.space import SearchSpace

WORDS = ("env=dummy", "algo=ppo", "stop.frames=1000", "tuner=grid")


@pytest.fixture
def make(tmp_path, compose, tiny_plan, monkeypatch):
    """Return a function that makes a sweep over seeds from the words of a command line."""
    checked = []
    monkeypatch.setattr(sweep_trials, "check_run", lambda config, *_: checked.append(config) or (tiny_plan(), None))

    def made(*words, space="{seed: {grid: [0, 1, 2]}}"):
        base = compose(*WORDS, f"paths.outputs={tmp_path}", f"+tuner.space={space}", *words)
        parsed = SearchSpace.parse(base["tuner"]["space"], [], base)
        return SimpleNamespace(
            base=base,
            space=parsed,
            configs=TrialConfigs("config", base["words"]),
            assignments=[{"seed": seed} for seed in (0, 1, 2)],
            is_sweep=bool(parsed.domains),
            machine=None,
            slots=SimpleNamespace(share=1.0),
            checked=checked,
        )

    return made


@pytest.fixture
def sweep(make, tmp_path):
    """A sweep whose trials were made, as a run folder has it, and a function that goes on with it."""
    preparation = make()
    records = sweep_trials.create_trials(preparation, tmp_path)

    def resumed(*words, **options):
        given = {"run_folder": str(tmp_path), "started_at": None, "commit": "abc", "host": "here"}
        return sweep_trials.SweepTrials(make(*words, **options), tmp_path, records, given)

    return SimpleNamespace(records=records, resumed=resumed, preparation=preparation)


def names(trials):
    return [record.name for record in trials.to_train()]


def test_the_trials_that_are_known_are_on_the_disk_before_anything_starts(sweep, tmp_path):
    records = TrialRecords.load(tmp_path, is_sweep=True)
    assert [record.assigned for record in records] == [{"seed": 0}, {"seed": 1}, {"seed": 2}]
    assert [record.state for record in records] == [WAITING] * 3
    for seed, record in enumerate(records):
        config = read_config(tmp_path / "trials" / record.name)
        assert config["seed"] == seed
        assert config["algo"] == sweep.preparation.base["algo"]


@pytest.mark.parametrize(
    ("state", "is_trained"), [(WAITING, True), (RUNNING, True), (FAILED, True), (STOPPED, False), (FINISHED, False)]
)
def test_a_resume_trains_what_has_not_ended_and_tries_again_what_failed(sweep, state, is_trained):
    sweep.records["00001"].state = state
    assert ("00001" in names(sweep.resumed())) == is_trained


def test_a_longer_limit_lets_finished_trials_go_on_but_not_those_that_were_stopped(sweep):
    for record, state in zip(sweep.records, (FINISHED, STOPPED, FINISHED), strict=True):
        record.state = state
    assert names(sweep.resumed("stop.frames=2000")) == ["00000", "00002"]
    assert names(sweep.resumed("stop.wall_s=7200")) == ["00000", "00002"]
    assert names(sweep.resumed("ray.envs_per_runner=3")) == []


def test_a_prolonged_trial_has_ended_once_it_was_trained_so_long(sweep, tmp_path):
    for record in sweep.records:
        record.state = FINISHED
    longer = sweep.resumed("stop.frames=2000")
    write_config(tmp_path / "trials" / "00000", longer.config(sweep.records["00000"]))  # as the trial does at its start
    assert names(sweep.resumed("stop.frames=2000")) == ["00001", "00002"]


def test_a_run_by_itself_goes_on_always(make, tmp_path, compose):
    preparation = make(space="{}")
    preparation.assignments = [{}]
    preparation.base["tuner"] = compose(*WORDS, "tuner=single")["tuner"]
    records = sweep_trials.create_trials(preparation, tmp_path)
    records["00000"].state = FINISHED
    assert names(sweep_trials.SweepTrials(preparation, tmp_path, records, {})) == ["00000"]


def test_a_trial_is_given_its_own_config_with_what_may_change_as_it_is_now(sweep, tmp_path):
    config = sweep.resumed("stop.frames=2000", "checkpoint.every_s=5").config(sweep.records["00002"])
    assert (config["seed"], config["assigned"]) == (2, {"seed": 2})
    assert (config["stop"]["frames"], config["checkpoint"]["every_s"]) == (2000, 5)
    assert (config["run_folder"], config["commit"]) == (str(tmp_path), "abc")
    assert config["plan"]["num_env_runners"] == 1


def test_what_is_swept_of_the_limits_stays_the_trials_own(make, tmp_path):
    space = "{stop.frames: {grid: [100, 200]}}"
    preparation = make(space=space)
    preparation.assignments = [{"stop.frames": frames} for frames in (100, 200)]
    records = sweep_trials.create_trials(preparation, tmp_path)
    trials = sweep_trials.SweepTrials(make("stop.wall_s=60", space=space), tmp_path, records, {})
    stops = [trials.config(record)["stop"] for record in records]
    assert [(stop["frames"], stop["wall_s"]) for stop in stops] == [(100, 60), (200, 60)]


def test_what_was_assigned_is_what_is_trained_whatever_a_kill_left_in_the_config(sweep, tmp_path):
    """A population changes values while it trains; the record is written at another moment than the config."""
    sweep.records["00000"].assigned = {"seed": 0, "algo.training.lr": 7e-4}
    config = sweep.resumed().config(sweep.records["00000"])
    assert config["algo"]["training"]["lr"] == 7e-4


def test_a_trial_that_cannot_start_is_a_failure_on_the_disk(sweep, tmp_path):
    sweep.resumed().refuse(sweep.records["00001"], ValueError("no"))
    record = TrialRecords.load(tmp_path, is_sweep=True)["00001"]
    assert record.state == FAILED
    assert "no" in record.reason


def test_a_proposal_that_does_not_compose_leaves_no_trial_behind(sweep, monkeypatch):
    trials = sweep.resumed()
    monkeypatch.setattr(trials._proposer, "propose", lambda: ({"model": "nonsense"}, None))
    with pytest.raises(ConfigError, match="nonsense"):
        trials.propose()
    assert len(sweep.records) == 3


def test_a_trial_whose_config_is_gone_is_not_trained_with_that_of_another(sweep, tmp_path):
    (tmp_path / "trials" / "00002" / "config.yaml").unlink()
    with pytest.raises(ConfigError, match=r"00002 has no config\.yaml: trial 00002 seed=2 cannot go on"):
        sweep.resumed().config(sweep.records["00002"])
