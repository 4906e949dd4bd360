"""A sweep that ended while it was starting: what is on the disk then is whole, or no run."""

import sys

import pytest

from envs.app import run_app
from experiments.schema import register_schema
from tune import start, sweep_trials
from tune.records import TrialRecords

SPACE = "+tuner.space={algo.training.gamma: {uniform: [0.9, 0.99]}}"
WORDS = ("env=dummy", "algo=ppo", "tuner=random", "tuner.num_trials=5", SPACE, "stop.frames=1000")


class FakeSweep:
    """Notes what it is to train."""

    made: list[list[str]]

    def __init__(self, preparation, run_folder, records, started_at):
        self.made.append([record.name for record in records])

    def run(self):
        return 0


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Return a function that runs a command line up to the training, and returns its exit code."""
    monkeypatch.setattr(FakeSweep, "made", [], raising=False)
    monkeypatch.setattr(start, "Sweep", FakeSweep)

    def run(*words):
        register_schema()
        monkeypatch.setattr(sys, "argv", ["run.py", f"paths.outputs={tmp_path / 'outputs'}", *words])
        with pytest.raises(SystemExit) as stop:
            run_app(start.run, config_name="config")
        return stop.value.code

    return run


def test_a_sweep_goes_on_with_the_trials_that_were_made(command, tmp_path):
    assert command(*WORDS) == 0
    before = list(TrialRecords.load(tmp_path / "outputs" / "latest", is_sweep=True))
    assert command("resume=latest") == 0
    assert FakeSweep.made == [[f"{number:05}" for number in range(5)]] * 2
    assert list(TrialRecords.load(tmp_path / "outputs" / "latest", is_sweep=True)) == before


def test_interrupted_while_its_trials_were_made_it_is_no_sweep_of_fewer(command, monkeypatch, power_cut):
    written = []

    def write_some(folder, *_):
        written.append(folder)
        if len(written) == 3:
            power_cut()

    with monkeypatch.context() as patch:
        patch.setattr(sweep_trials, "write_config", write_some)
        assert command(*WORDS) == 130
    assert len(written) == 3
    code = command("resume=latest")
    assert code == 2 or FakeSweep.made == [[f"{number:05}" for number in range(5)]]


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("stop.frames=2000", 0),
        ("ray.envs_per_runner=3", 0),
        ("checkpoint.every_s=7", 0),
        ("tuner.num_trials=5", 0),  # what it has
        ("tuner.num_trials=6", 2),
        ("tuner=grid", 2),
        ("seed=1", 2),
        ("algo.training.gamma=0.5", 2),
        ("+tuner.space={seed: {grid: [0, 1]}}", 2),
    ],
)
def test_what_a_resume_may_change(command, word, code, capsys):
    assert command(*WORDS) == 0
    assert command("resume=latest", word) == code
    assert len(FakeSweep.made) == (2 if code == 0 else 1)
    if code == 2:
        assert "goes on as it was begun" in capsys.readouterr().err
