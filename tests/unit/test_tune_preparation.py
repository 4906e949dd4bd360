"""A sweep is checked as a whole before anything starts: how many trials, which of them, and what cannot be."""

from types import SimpleNamespace

import pytest

from envs.errors import ConfigError
from experiments.machine import Machine
from tune import preparation as module
from tune.preparation import Preparation
from tune.records import FAILED, FINISHED, TrialRecords
from tune.space.space import SearchSpace
from tune.sweep_trials import create_trials

WORDS = ("env=dummy", "algo=ppo", "stop.frames=9000")
GAMMA = "algo.training.gamma: {uniform: [0.8, 0.999]}"
SEEDS = "seed: {grid: [0, 1, 2]}"
MACHINE = Machine(num_cpus=8, node_cpus=8, num_gpus=0, memory_bytes=64 * 10**9)


@pytest.fixture
def check(compose, tiny_plan, tmp_path, monkeypatch):
    """Return a function that checks a sweep by the words of a command line; trials are noted, and cost nothing."""
    checked = []

    def check_run(config, *_):
        checked.append(config)
        return tiny_plan(main_bytes=10**9 * (1 + config["seed"])), SimpleNamespace(seed=config["seed"])

    monkeypatch.setattr(module, "check_run", check_run)

    def checking(*words, space=None, change=None, **options):
        extra = () if space is None else (f"+tuner.space={{{space}}}",)
        base = compose(*WORDS, f"paths.outputs={tmp_path}", *extra, *words)
        base.pop("resume")
        if change is not None:
            change(base)
        preparation = Preparation.check(base, MACHINE, **options)
        return SimpleNamespace(**vars(preparation), whole=preparation, checked=checked)

    return checking


def refusal(check, *words, **options):
    with pytest.raises(ConfigError) as refused:
        check(*words, **options)
    return str(refused.value)


def test_every_trial_that_is_known_is_checked(check):
    prepared = check("tuner=grid", space=f"{SEEDS}, algo.training.gamma: {{grid: [0.9, 0.99]}}")
    assert prepared.num_total == 6
    pairs = [(config["seed"], config["algo"]["training"]["gamma"]) for config in prepared.checked]
    assert pairs == [(seed, gamma) for seed in (0, 1, 2) for gamma in (0.9, 0.99)]
    assert prepared.largest.memory_bytes == 3 * 10**9  # that of the seed that takes most
    assert prepared.whole.is_sweep


def test_a_run_by_itself_is_one_trial_of_the_config_as_it_is(check):
    prepared = check()
    assert (prepared.num_total, prepared.assignments) == (1, [{}])
    assert not prepared.whole.is_sweep
    assert prepared.slots.num_concurrent == 1


def test_points_that_constraints_forbid_are_no_trials(check):
    space = f"{SEEDS}, algo.training.gamma: {{grid: [0.9, 0.99]}}"
    prepared = check("tuner=grid", "tuner.constraints=['seed < 2 or algo.training.gamma > 0.95']", space=space)
    assert prepared.num_total == len(prepared.assignments) == 5


def test_a_grid_of_a_million_is_refused_before_anybody_makes_it(check, monkeypatch):
    space = ", ".join(f"algo.training.{key}: {{grid: {list(range(1, 11))}}}" for key in ("lr", "gamma", "clip"))
    space += ", " + ", ".join(f"env.{key}: {{grid: {list(range(1, 11))}}}" for key in ("image_size", "num_decisions"))
    monkeypatch.setattr(SearchSpace, "grid", None)
    message = refusal(check, "tuner=grid", space=f"{space}, seed: {{grid: {list(range(10))}}}")
    assert "1,000,000 trials" in message
    assert "tuner.max_trials=1000000" in message


def test_more_trials_than_usual_are_meant_where_it_is_said(check):
    message = refusal(check, "tuner=random", "tuner.num_trials=101", space=GAMMA)
    assert "101 trials, more than tuner.max_trials=100" in message
    assert check("tuner=random", "tuner.num_trials=101", "tuner.max_trials=101", space=GAMMA).num_total == 101


def test_where_proposals_come_one_by_one_the_corners_are_checked(check):
    prepared = check("tuner=optuna", "tuner.num_trials=5", space=GAMMA)
    assert (prepared.num_total, prepared.assignments) == (5, [])
    assert {config["algo"]["training"]["gamma"] for config in prepared.checked} == {0.8, 0.999}


def test_constraints_that_forbid_the_corners_alone_forbid_nothing(check):
    constraint = "tuner.constraints=['0.9 < algo.training.gamma and algo.training.gamma < 0.99']"
    prepared = check("tuner=optuna", constraint, space=GAMMA)
    assert all(0.9 < config["algo"]["training"]["gamma"] < 0.99 for config in prepared.checked)
    assert prepared.checked


@pytest.mark.parametrize("tuner", ["grid", "random", "optuna"])
def test_constraints_that_allow_nothing(check, tuner, monkeypatch):
    monkeypatch.setattr("tune.proposers.MOST_DRAWS", 5)
    monkeypatch.setattr(module, "MOST_DRAWS", 5)
    space = SEEDS if tuner == "grid" else GAMMA
    assert "constraints" in refusal(check, f"tuner={tuner}", "tuner.constraints=['seed < 0']", space=space)


@pytest.mark.parametrize(
    ("words", "space", "expected"),
    [
        (("tuner=grid",), "algo.training.learning_rate: {grid: [1, 2]}", ["learning_rate", "lr"]),
        (("tuner=random",), "model.depth: {choice: [1, 2]}", ["model.depth", "channels"]),
        (("tuner=grid",), "seed: {grid: [0, a]}", ["seed", "a"]),
        (("tuner=grid",), "model: {grid: [cnn, vti]}", ["vti", "vit"]),
        (("tuner=random",), "algo.training.gamma: {uniform: [1, 0]}", ["algo.training.gamma"]),
        (("tuner=grid",), "tuner.num_trials: {grid: [1]}", ["tuner.num_trials cannot differ"]),
        (("tuner=grid", "tuner.constraints=['sede > 0']"), SEEDS, ["sede"]),
        (("tuner=grid", "tuner.constraints=['seed >']"), SEEDS, ["seed >"]),
        (("tuner=grid", "tuner.mode=best"), SEEDS, ["tuner.mode=best", "max or min"]),
        (("tuner=optuna", "tuner.mode=[max,max]"), GAMMA, ["tuner.mode=['max', 'max']", "each of"]),
        (("tuner=optuna", "tuner.metric=[train/return_mean,train/frames_per_s]"), GAMMA, ["max or min for each"]),
        (
            ("tuner=grid", "tuner.metric=[train/return_mean,train/frames_per_s]", "tuner.mode=[max,max]"),
            SEEDS,
            ["only tuner=optuna"],
        ),
        (("tuner=grid", "tuner.metric=train/return_maen"), SEEDS, ["train/return_maen", "train/return_mean"]),
        (("tuner=grid", "tuner.max_failures=-1"), SEEDS, ["max_failures=-1"]),
        (("tuner=asha", "stop.frames=null"), GAMMA, ["stop.frames"]),
        (("tuner=asha", "tuner.scheduler.reduction_factor=1"), GAMMA, ["reduction_factor=1"]),
        (("tuner=pbt",), "model.width: {randint: [8, 16]}", ["model.width cannot change"]),
        (("tuner=grid", "tuner.proposer._target_=tune.nonsense.X"), SEEDS, ["tuner.proposer", "tune.nonsense.X"]),
        (("tuner=grid", "tuner.proposer._target_=os.system"), SEEDS, ["tuner.proposer", "os.system"]),
        (("tuner=asha", "+tuner.scheduler.typo=1"), GAMMA, ["tuner.scheduler", "typo"]),
        (("tuner=grid", "tuner.num_concurrent=0"), SEEDS, ["num_concurrent=0"]),
        (("tuner=grid", "ray.cpus_per_trial=9"), SEEDS, ["cpus_per_trial=9"]),
        (("tuner=grid", "tuner.num_concurrent=32", "tuner.num_trials=20"), SEEDS, ["num_concurrent=32", "memory"]),
    ],
)
def test_what_cannot_be_is_refused_in_words(check, words, space, expected):
    message = refusal(check, *words, space=space)
    assert all(part in message for part in expected), message


def resumed(check, prepared, tmp_path, *words, known=None, **options):
    records = create_trials(prepared.whole, tmp_path)
    for _ in range(known or 0):
        records.add({"algo.training.gamma": 0.9}).state = FINISHED
    prepared.checked.clear()
    return check(*words, run_folder=tmp_path, records=records, **options)


def test_a_resumed_sweep_has_the_trials_that_were_made(check, tmp_path):
    words = ("tuner=grid", "tuner.constraints=['seed < 2']")
    again = resumed(check, check(*words, space=SEEDS), tmp_path, *words, space=SEEDS)
    assert again.num_total == 2
    assert [config["seed"] for config in again.checked] == [0, 1]


def test_a_sweep_that_was_stopped_before_its_first_trial_can_go_on(check, tmp_path):
    words = ("tuner=optuna", "tuner.num_trials=5")
    again = resumed(check, check(*words, space=GAMMA), tmp_path, *words, space=GAMMA)
    assert again.num_total == 5
    assert len(TrialRecords.load(tmp_path, is_sweep=True)) == 0


def test_a_sweep_that_still_proposes_needs_the_conf_it_began_with(check, tmp_path):
    def change(base):
        base["algo"]["training"]["clip"] = 0.123  # as if conf/algo/ppo.yaml had said so then

    words = ("tuner=optuna", "tuner.num_trials=5")
    prepared = check(*words, space=GAMMA, change=change)
    with pytest.raises(ConfigError, match=r"conf/ has changed.*algo\.training\.clip: saved 0\.123, now 0\.2"):
        resumed(check, prepared, tmp_path, *words, known=2, space=GAMMA, change=change)


def test_a_sweep_with_all_its_trials_does_not_look_at_conf(check, tmp_path):
    def change(base):
        base["algo"]["training"]["clip"] = 0.123

    words = ("tuner=optuna", "tuner.num_trials=2")
    prepared = check(*words, space=GAMMA, change=change)
    assert resumed(check, prepared, tmp_path, *words, known=2, space=GAMMA, change=change).num_total == 2


def test_a_trial_that_cannot_start_does_not_keep_the_others_from_a_resume(check, tmp_path, monkeypatch):
    words = ("tuner=grid",)
    prepared = check(*words, space=SEEDS)
    records = create_trials(prepared.whole, tmp_path)
    records["00001"].state, records["00001"].reason = FAILED, "ConfigError: no"
    whole = module.check_run

    def check_run(config, *rest):
        if config["seed"] == 1:
            raise ConfigError("no")
        return whole(config, *rest)

    monkeypatch.setattr(module, "check_run", check_run)
    assert check(*words, space=SEEDS, run_folder=tmp_path, records=records).num_total == 3
    for record in records:
        record.state = FAILED
    assert "no" in refusal(check, *words, space=SEEDS, run_folder=tmp_path, records=records)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("tuner.metric=null", "tuner.metric=None: expected one of"),
        ("tuner.metric=5", "tuner.metric=5: expected one of"),
        ("tuner.metric=[]", "tuner.metric=[]: expected one of"),
        ("tuner.mode=null", "tuner.mode=None: expected max or min"),
        ("tuner.mode=[max,[min]]", "expected max or min for each"),
    ],
)
def test_what_is_no_metric_and_no_mode(check, word, expected):
    assert expected in refusal(check, "tuner=grid", word, space=SEEDS)
