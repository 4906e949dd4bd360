"""A sweep that ended while it was starting: what is on the disk then is whole, or no run."""

import shutil
import sys
import time

import psutil
import pytest

from envs.app import run_app
from experiments.checkpoints import write_checkpoint
from experiments.schema import register_schema
from tune import start, sweep_trials
from tune.records import FINISHED, RUNNING, STOPPED, TrialRecords

SPACE = "+tuner.space={algo.training.gamma: {uniform: [0.9, 0.99]}}"
WORDS = ("env=dummy", "algo=ppo", "tuner=random", "tuner.num_trials=5", SPACE, "stop.frames=1000")


class FakeSweep:
    """Notes what it is to train."""

    made: list[list[str]]

    def __init__(self, preparation, run_folder, records, started_at):
        self.made.append([record.name for record in records])

    def run(self):
        return 0


def commands(patch, outputs):
    """Return a function that runs a command line up to the training, and returns its exit code."""
    patch.setattr(FakeSweep, "made", [], raising=False)
    patch.setattr(start, "Sweep", FakeSweep)

    def run(*words):
        register_schema()
        patch.setattr(sys, "argv", ["run.py", f"paths.outputs={outputs}", *words])
        with pytest.raises(SystemExit) as stop:
            run_app(start.run, config_name="config")
        return stop.value.code

    return run


@pytest.fixture
def command(monkeypatch, tmp_path):
    return commands(monkeypatch, tmp_path / "outputs")


@pytest.fixture(scope="module")
def begun_once(tmp_path_factory):
    outputs = tmp_path_factory.mktemp("begun") / "outputs"
    with pytest.MonkeyPatch.context() as patch:
        assert commands(patch, outputs)(*WORDS) == 0
    return outputs


@pytest.fixture
def begun(begun_once, tmp_path):
    """Let the outputs of `command` hold a sweep of `WORDS` that began elsewhere; return its folder."""
    shutil.copytree(begun_once, tmp_path / "outputs", symlinks=True)
    return tmp_path / "outputs" / "latest"


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
    assert command("resume=latest") == 2
    assert FakeSweep.made == []


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
@pytest.mark.usefixtures("begun")
def test_what_a_resume_may_change(command, word, code, capsys):
    assert command("resume=latest", word) == code
    assert len(FakeSweep.made) == (1 if code == 0 else 0)
    if code == 2:
        assert "goes on as it was begun" in capsys.readouterr().err


@pytest.fixture
def began(monkeypatch):
    """When each sweep that was made began, by its own word."""
    times = []

    def init(self, preparation, run_folder, records, started_at):
        times.append(started_at)

    monkeypatch.setattr(FakeSweep, "__init__", init)
    return times


@pytest.mark.parametrize(
    "words", [("--multirun", "env=dummy", "algo=ppo", "seed=0,1"), ("env=dummy", "algo=ppo", "seed=0,1", "-m")]
)
def test_each_run_of_a_multirun_has_its_own_wall_time(command, began, words):
    """Else `stop.wall_s` would end the second run as it begins, by the time that the first took."""
    assert command(*words) == 0
    first, second = began
    assert first == pytest.approx(psutil.Process().create_time())
    assert time.time() - 60 < second <= time.time()
    assert second > first


@pytest.mark.parametrize(("state", "code"), [(FINISHED, 0), (STOPPED, 0), (RUNNING, 2)])
def test_damage_matters_where_a_trial_goes_on(command, begun, state, code, capsys):
    records = TrialRecords.load(begun, is_sweep=True)
    records["00001"].state = state
    records.save()
    checkpoints = begun / "trials" / "00001" / "checkpoints"
    (write_checkpoint(checkpoints, 10, lambda into: (into / "a").write_bytes(b"x"), keep=1) / "a").write_bytes(b"y")
    assert command("resume=latest") == code
    assert ("damaged" in capsys.readouterr().err) == (code == 2)
