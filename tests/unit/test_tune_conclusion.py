"""The end of a sweep: what is scored, which trial is the best, how runs end in MLflow, and the exit code."""

import json
from types import SimpleNamespace

import pytest

from experiments.checkpoints import write_checkpoint
from experiments.runs import create_run_folder, write_config
from experiments.tracking import RunHandle, Tracker
from tune import conclusion
from tune.records import FAILED, FINISHED, RUNNING, STOPPED, TrialRecords
from tune.sweep import Sweep

SPACE = "+tuner.space={seed: {grid: [0, 1, 2, 3]}}"


class Statuses(Tracker):
    """Keeps whether runs are open, as MLflow does: who goes on with one opens it again."""

    def __init__(self):
        self.states, self.logged = {}, {}

    def start_run(self, *, name, tags, params, parent_id=None, run_id=None):
        self.states[run_id or name] = "RUNNING"
        return RunHandle(name, run_id or name, is_settled=True)

    def log(self, run, metrics, step):
        self.logged.setdefault(run.run_id, {}).update(metrics)

    def finish(self, run, status):
        self.states[run.run_id] = status


@pytest.fixture
def conclude(tmp_path, compose, monkeypatch):
    """Return a function that ends a sweep whose trials are in these states, of objectives 10, 20, …"""
    scored, tracker = [], Statuses()

    def evaluate(checkpoint, folder, *, episodes, first_seed, **_):
        scored.append(folder.name)
        mean = 100.0 - int(folder.name)
        scores = dict.fromkeys(("p10", "median", "min", "share_below_500"), 0.0) | {"mean": mean}
        evaluation = {"checkpoint": str(checkpoint), "episodes": episodes, "first_seed": first_seed, **scores}
        (folder / "evaluation.json").write_text(json.dumps(evaluation))
        return evaluation

    monkeypatch.setattr(conclusion, "evaluate", evaluate)
    monkeypatch.setattr(conclusion, "describe_results", lambda *_: "")

    def ended(*states, words=(), damaged=(), interrupted=False, folder=None):
        base = compose(
            *("env=dummy", "algo=ppo", "tuner=grid", SPACE, "evaluation.final_episodes=2", "stop.frames=1000"),
            f"paths.outputs={tmp_path / 'outputs'}",
            *words,
        )
        folder = folder or create_run_folder(tmp_path / "outputs", "default", base["choices"])
        records = TrialRecords(folder)
        for number, state in enumerate(states):
            record = records.add({"seed": number})
            record.state, record.objective, record.frames = state, 10.0 * (number + 1), 1000
            record.reason = "ValueError: no" if state == FAILED else None
            trial = folder / "trials" / record.name
            trial.mkdir(parents=True, exist_ok=True)
            write_config(trial, base)
            path = write_checkpoint(trial / "checkpoints", 1000, lambda into: (into / "state.pt").write_bytes(b"x"), 2)
            if record.name in damaged:
                (path / "state.pt").write_bytes(b"y")
        records.save()
        preparation = SimpleNamespace(base=base, is_sweep=True, num_total=len(states))
        sweep = Sweep(preparation, folder, records, started_at=0.0)
        sweep._interrupt.is_requested = interrupted
        parent = tracker.start_run(name="parent", tags={}, params={})
        code = sweep._conclude(tracker, parent, {f"{number:05}": f"child {number}" for number in range(9)})
        sweep._finish_runs(tracker, parent, code)
        return SimpleNamespace(code=code, scored=scored, tracker=tracker, folder=folder)

    return ended


def test_what_was_trained_to_its_end_is_scored_and_the_best_is_the_sweeps(conclude, capsys):
    end = conclude(FINISHED, STOPPED, FINISHED, FAILED)
    assert end.code == 0
    assert end.scored == ["00000", "00002"]
    said = capsys.readouterr()
    assert "2 finished, 1 stopped, 1 failed" in said.out
    assert "Best:       00002" in said.out  # by its return in training: tracks of the score choose nothing
    assert end.tracker.logged["parent"]["best/mean"] == 98.0
    assert "Trial 00003 seed=3: ValueError: no" in said.err
    assert end.tracker.states["parent"] == "FINISHED"


def test_runs_that_were_opened_for_their_score_are_ended_again(conclude):
    """After a resume, trials that ended before it have ended runs."""
    end = conclude(FINISHED, FINISHED)
    assert end.tracker.states == {"parent": "FINISHED", "child 0": "FINISHED", "child 1": "FINISHED"}


def test_a_score_that_is_known_is_not_taken_again(conclude):
    first = conclude(FINISHED, FINISHED)
    again = conclude(FINISHED, FINISHED, folder=first.folder)
    assert again.scored == ["00000", "00001"]
    assert again.code == 0


def test_one_that_cannot_be_scored_does_not_keep_the_others_from_it(conclude, capsys):
    end = conclude(FINISHED, FINISHED, FINISHED, damaged=["00001"])
    assert end.scored == ["00000", "00002"]
    assert end.code == 0
    assert "00001" in capsys.readouterr().err


@pytest.mark.parametrize("states", [[FAILED, FAILED], [FAILED]])
def test_where_nothing_was_trained_the_command_failed(conclude, states):
    end = conclude(*states)
    assert end.code == 1
    assert end.tracker.states["parent"] == "FAILED"


def test_an_interrupted_sweep_is_not_scored(conclude):
    end = conclude(FINISHED, RUNNING, interrupted=True)
    assert (end.code, end.scored) == (130, [])
    assert end.tracker.states["parent"] == "KILLED"


def test_without_scores_there_still_is_a_best(conclude, capsys):
    end = conclude(FINISHED, FINISHED, words=["evaluation.final_episodes=0"])
    assert (end.code, end.scored) == (0, [])
    assert "Best:       00001" in capsys.readouterr().out


def test_an_early_stopped_sweep_is_a_success(conclude):
    assert conclude(STOPPED, STOPPED).code == 0


def test_an_env_that_fails_while_a_trial_is_scored_is_its_own_matter(conclude, monkeypatch, capsys):
    whole = conclusion.evaluate

    def evaluate(checkpoint, folder, **options):
        if folder.name == "00001":
            raise RuntimeError("the track has no start")
        return whole(checkpoint, folder, **options)

    monkeypatch.setattr(conclusion, "evaluate", evaluate)
    end = conclude(FINISHED, FINISHED, FINISHED)
    assert (end.code, end.scored) == (0, ["00000", "00002"])
    assert "has no score: RuntimeError: the track has no start" in capsys.readouterr().err
