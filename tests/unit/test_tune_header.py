"""The first lines of a run: what it does, on what, and what it costs at most."""

from types import SimpleNamespace

import pytest

from tune.header import header
from tune.records import FINISHED, STOPPED
from tune.slots import Slots
from tune.space.space import SearchSpace
from tune.sweep_trials import create_trials

WORDS = ("env=dummy", "algo=ppo", "tuner=random", "stop.frames=20000", "stop.wall_s=600")


@pytest.fixture
def lines(compose, tmp_path):
    """Return a function from words to the lines of a sweep of twelve trials, three at once."""
    folders = (tmp_path / str(number) for number in range(9))

    def said(
        *words, space="algo.training.lr: {loguniform: [1.0e-5, 1.0e-3]}", ended=(), scheduling=None, num_trials=12
    ):
        base = compose(*WORDS, f"paths.outputs={tmp_path}", f"+tuner.space={{{space}}}", *words)
        domains = base["tuner"]["space"]
        preparation = SimpleNamespace(
            base=base,
            space=SearchSpace.parse(domains or {}, [], base),
            configs=SimpleNamespace(config=lambda assigned: base),
            assignments=[{"seed": number} for number in range(num_trials)],
            num_total=num_trials,
            slots=Slots(num_cpus=6, num_gpus=0, num_concurrent=3, share=2.0),
            largest="2 cores: 1 env runner",
            size="0.1 M parameters",
            scheduling=scheduling,
            disk=None,
            is_sweep=bool(domains),
        )
        folder = next(folders)
        folder.mkdir()
        records = create_trials(preparation, folder)
        for number, state in enumerate(ended):
            records[f"{number:05}"].state = state
        return header(preparation, folder, records).splitlines()

    return said


def line(lines, word):
    (found,) = [one for one in lines if one.strip().startswith(word)]
    return found


def test_it_says_what_is_searched_and_what_that_costs_at_most(lines):
    said = lines(scheduling="the best 1/3 go on at 2,223 frames")
    assert "loguniform 1e-05, 0.001" in line(said, "sweep")
    assert "algo.training.lr" in line(said, "sweep")
    assert "the best 1/3 go on" in "\n".join(said)
    assert "by max train/return_mean" in "\n".join(said)
    trials = line(said, "trials")
    assert "12 trials, 3 at once, 2 cores each" in trials
    assert "240,000 frames" in trials  # 12 × 20000
    assert "40:00 of training" in trials  # four rounds of ten minutes


def test_it_says_what_is_left_of_a_sweep_that_goes_on(lines):
    trials = line(lines(ended=[FINISHED, STOPPED, FINISHED, "failed", "running"]), "trials")
    assert "9 of 12 trials to go" in trials
    assert "180,000 frames" in trials
    assert "30:00 of training" in trials


def test_limits_are_numbers_that_people_read(lines):
    assert "2,000,000" in line(lines("stop.frames=2000000"), "stop at")


def test_where_only_a_return_ends_it_there_is_no_most(lines):
    trials = line(lines("stop.frames=null", "stop.wall_s=null", "stop.return_mean=50"), "trials")
    assert "until each reaches stop.return_mean" in trials


def test_what_differs_between_trials_is_not_told_of_the_first(lines):
    assert not [one for one in lines(space="model: {choice: [cnn, vit]}") if one.strip().startswith("model")]
    assert "0.1 M parameters" in line(lines(), "model")


def test_a_run_by_itself_has_no_lines_of_a_sweep(lines):
    said = lines(space="")
    assert not [one for one in said if one.strip().startswith(("sweep", "trials"))]
    assert said[0].startswith("env=dummy")


@pytest.mark.parametrize(
    ("space", "words", "expected"),
    [
        ("stop.frames: {grid: [20000, 50000]}", (), "at most 100,000 frames or 10:00 of training"),  # 2 × 50000
        ("stop.frames: {choice: [20000, null]}", (), "at most 10:00 of training"),
        ("stop.wall_s: {uniform: [60, 1200]}", ("stop.frames=null",), "at most 20:00 of training"),
    ],
)
def test_limits_that_are_swept_cost_what_the_longest_trial_may(lines, space, words, expected):
    assert line(lines(*words, space=space, num_trials=2), "trials").endswith(expected)


def test_a_key_that_no_trial_has_is_said(lines):
    space = "algo.training.lr: {choice: [1, 2]}, model.depth: {choice: [2, 4], when: {model: vit}}"
    said = "\n".join(lines(space=space))
    assert "algo.training.lr: choice 1, 2" in said
    assert "model.depth is left out: what its `when` asks for is not so in the config" in said
    assert "choice 2, 4" not in said
