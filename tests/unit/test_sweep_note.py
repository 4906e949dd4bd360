"""What a sweep says of itself in MLflow and at its end: what was searched, and what came of it."""

from types import SimpleNamespace

import pytest

from tune.descriptions import summary
from tune.front import pareto_front
from tune.records import FAILED, FINISHED, STOPPED, TrialRecords
from tune.sweep_note import sweep_note

SPACE = "+tuner.space={algo.training.lr: {loguniform: [1.0e-5, 1.0e-3]}, model.depth: {grid: [2], when: {model: vit}}}"
FRONT = ["tuner=optuna", "tuner.metric=[train/return_mean,train/frames_per_s]", "tuner.mode=[max,max]"]


@pytest.fixture
def swept(compose, tmp_path):
    """Return a function from words to a sweep's preparation and the records of three trials."""

    def made(*words, objectives):
        base = compose("env=dummy", "algo=ppo", "tuner=random", SPACE, *words)
        space = SimpleNamespace(left_out=("model.depth",))
        preparation = SimpleNamespace(base=base, space=space, num_total=3, scheduling="the best 1/3 go on")
        records = TrialRecords(tmp_path)
        for objective, state in zip(objectives, (FINISHED, STOPPED, FINISHED), strict=True):
            record = records.add({"algo.training.lr": 3e-4})
            record.objective, record.state = objective, state
        return preparation, records

    return made


def test_a_note_says_what_was_searched_and_what_came_of_it(swept, tmp_path):
    preparation, records = swept(objectives=[700.4, 12.0, 650.0])
    note = sweep_note(preparation, records, records["00000"], tmp_path / "run")
    assert note.startswith(
        "**Sweep of 3 trials** (dummy, cnn, ppo), by max `train/return_mean`\n\n- the best 1/3 go on"
    )
    assert "\n- `algo.training.lr`: loguniform 1e-05, 0.001\n" in note
    assert "model.depth" not in note
    assert "\n- trials: 2 finished, 1 stopped\n" in note
    assert "\n- best: 00000 lr=0.0003, 700 in training; " in note
    assert f"sweep={tmp_path / 'run'}" in note
    assert "best" not in sweep_note(preparation, records, None, tmp_path).replace("the best 1/3", "")


def test_of_several_metrics_the_front_is_named(swept, tmp_path):
    preparation, records = swept(*FRONT, objectives=[[700.0, 2000.0], [650.0, 2100.0], [640.0, 2050.0]])
    said = summary(records, records["00000"], tmp_path, preparation.base["tuner"])
    assert said.splitlines()[1:] == [
        "Front:      00000 lr=0.0003: train/return_mean 700, train/frames_per_s 2000",
        "Front:      00001 lr=0.0003: train/return_mean 650, train/frames_per_s 2100",
    ]
    assert sweep_note(preparation, records, None, tmp_path).count("\n- front: ") == 2


def test_a_front_leaves_out_what_another_trial_beats(tmp_path):
    records = TrialRecords(tmp_path)
    for objective in ([1.0, 5.0], [2.0, 4.0], [1.0, 4.0], [2.0, 4.0], [9.0, 1.0], None):
        records.add({}).objective = objective
    records["00004"].state = FAILED
    assert [one.name for one in pareto_front(records, ["max", "max"])] == ["00001", "00003", "00000"]
    assert [one.name for one in pareto_front(records, ["max", "min"])] == ["00001", "00003"]
