"""The first ctrl-C (or SIGTERM) asks for a stop, the second ends at once, and the run stays whole in any case."""

import signal

import pytest

from experiments.checkpoints import newest_whole_checkpoint, write_checkpoint
from experiments.machine import Machine
from experiments.model_size import ModelSize
from experiments.runs import create_run_folder, write_config
from experiments.tracker import Tracker
from tune import conclusion, sweep
from tune.compose import TrialConfigs
from tune.interrupt import Interrupt
from tune.preparation import Preparation
from tune.records import TrialRecords
from tune.slots import Slots
from tune.space.space import SearchSpace
from tune.sweep import Sweep

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(autouse=True)
def handlers():
    """Let both signals raise KeyboardInterrupt in every test, as `run_app` does, and come back after it."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def request_file(tmp_path):
    return tmp_path / "stop_requested"


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_asks_for_a_stop_and_the_second_ends_at_once(request_file, number):
    said = []
    interrupt = Interrupt(request_file, said.append)
    with interrupt.handled():
        assert not interrupt.is_requested
        signal.raise_signal(number)
        assert interrupt.is_requested
        assert request_file.exists()
        assert len(said) == 1
        assert "saving a checkpoint" in said[0]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert not request_file.exists()
    assert len(said) == 1
    assert [signal.getsignal(number) for number in SIGNALS] == [signal.default_int_handler] * 2


def test_request_of_a_former_process_does_not_stop_this_one(request_file):
    request_file.touch()
    with Interrupt(request_file, pytest.fail).handled():
        assert not request_file.exists()


def test_signal_amid_a_line_on_the_console_is_heard_all_the_same(request_file):
    def say(_):
        raise RuntimeError("reentrant call inside <_io.BufferedWriter name='<stderr>'>")

    interrupt = Interrupt(request_file, say)
    with interrupt.handled():
        signal.raise_signal(signal.SIGINT)
    assert interrupt.is_requested


@pytest.mark.parametrize("number", SIGNALS)
def test_signals_that_a_library_took_are_taken_back(request_file, number):
    """Ray, as it starts, ends the process on SIGTERM."""
    interrupt = Interrupt(request_file, lambda _: None)
    with interrupt.handled():
        signal.signal(number, lambda *_: pytest.fail("the library heard it"))
        interrupt.listen()
        signal.raise_signal(number)
        assert interrupt.is_requested
    assert signal.getsignal(number) is signal.default_int_handler


class Statuses(Tracker):
    """Keeps how runs ended."""

    def __init__(self):
        self.statuses = []

    def finish(self, run, status):
        self.statuses.append(status)


@pytest.fixture
def tracker(monkeypatch):
    tracker = Statuses()
    monkeypatch.setattr(sweep, "build", lambda section, expected: tracker)
    return tracker


@pytest.fixture
def trained(tmp_path, compose, tiny_plan):
    """A run whose only trial has saved a checkpoint."""
    config = compose("env=dummy", "algo=sac", f"paths.outputs={tmp_path / 'outputs'}")
    folder = create_run_folder(tmp_path / "outputs", "default", config["choices"])
    trial = folder / "trials" / "00000"
    trial.mkdir(parents=True)
    write_config(trial, config)
    write_checkpoint(trial / "checkpoints", 100, lambda into: (into / "state.pt").write_bytes(b"weights"), keep=2)
    preparation = Preparation(
        base=config,
        machine=Machine(num_cpus=2, node_cpus=2, num_gpus=0, memory_bytes=10**10),
        space=SearchSpace.parse({}, [], config),
        configs=TrialConfigs("config", []),
        assignments=[],
        num_total=1,
        slots=Slots(num_cpus=2, num_gpus=0, num_concurrent=1, share=2.0),
        largest=tiny_plan(),
        size=ModelSize(actor_parameters=1, trained_parameters=1, decision_flops=1),
        scheduling=None,
    )
    records = TrialRecords(folder)
    records.add({}).state = "finished"
    records.save()
    return Sweep(preparation, folder, records, started_at=0.0), folder


def assert_goes_on(folder, said):
    assert f"Go on:      python run.py resume={folder}" in said
    assert newest_whole_checkpoint(folder / "trials" / "00000" / "checkpoints").name == "frames_000000000100"
    assert not (folder / "stop_requested").exists()


def test_second_ctrl_c_ends_a_run_with_130_and_leaves_it_whole(trained, tracker, monkeypatch, capsys):
    run, folder = trained

    def train_on(*_):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("training went on")

    monkeypatch.setattr(run, "_train", train_on)
    assert run.run() == 130
    assert tracker.statuses == ["KILLED"]
    assert_goes_on(folder, capsys.readouterr().out)


@pytest.mark.parametrize("number", SIGNALS)
def test_ctrl_c_in_the_final_evaluation_ends_a_run_with_130_and_leaves_it_whole(
    trained, tracker, monkeypatch, capsys, number
):
    run, folder = trained
    monkeypatch.setattr(run, "_train", lambda *_: None)
    monkeypatch.setattr(conclusion, "evaluate", lambda *_, **__: signal.raise_signal(number))
    assert run.run() == 130
    assert tracker.statuses == ["KILLED"]
    assert_goes_on(folder, capsys.readouterr().out)
    assert (folder / "checkpoints" / "latest").exists()
    assert not (folder / "evaluation.json").exists()
