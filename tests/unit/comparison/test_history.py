"""What comparisons read back out of MLflow and trials' folders."""

import json

import pytest

from envs.errors import ConfigError
from experiments import folders
from experiments.comparison.history import RunHistory, read_evaluation
from experiments.comparison.selection import select

LR, CLIP = "algo.training.lr", "algo.training.clip"


def test_what_mlflow_holds_is_read_back(history, outputs, ids, states):
    settings = {"sweep": f"mlflow:{ids['run']}", "name": None, "runs": None, "output": None}
    selection = select(settings, history, outputs)
    assert selection.parent_id == ids["run"]
    trial = selection.trials[7]
    assert (trial.name, trial.state) == ("00007", states[7])
    assert trial.assigned == {LR: "0.001", CLIP: "0.1", "seed": "1"}
    assert trial.default(LR) == "0.0003"
    assert trial.curve.frames.tolist() == [1000, 2000, 3000]
    assert trial.curve.returns.tolist() == [8, 16, 24]
    assert trial.curve.wall_s.tolist() == [3, 6, 9]
    assert trial.evaluation is None
    saved = json.loads((selection.trials[0].folder / folders.EVALUATION).read_text())
    assert selection.trials[0].evaluation.returns.tolist() == saved["returns"]


def test_scores_are_read_where_the_folders_are_gone(history, outputs, ids, monkeypatch):
    settings = {"sweep": ids["run"], "name": None, "runs": None, "output": None}
    monkeypatch.setattr("pathlib.Path.is_file", lambda path: "trials" not in path.parts)
    assert sum(trial.evaluation is not None for trial in select(settings, history, outputs).trials) == 9


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(ConfigError, match=r"There is no .*mlflow\.db"):
        RunHistory(f"sqlite:///{tmp_path / 'mlflow.db'}", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_score_that_was_made_anew_counts(history, outputs, ids, tmp_path):
    settings = {"sweep": ids["run"], "name": None, "runs": None, "output": None}
    file = folders.follow(outputs / folders.LATEST) / "trials" / "00000" / folders.EVALUATION
    before = file.read_text()
    try:  # as experiments.evaluate does, which tells MLflow nothing
        folders.write_json(file, json.loads(before) | {"first_seed": 30_000, "returns": [1.0, 2.0]})
        assert select(settings, history, outputs).trials[0].evaluation.tracks == range(30_000, 30_002)
    finally:
        file.write_text(before)


@pytest.mark.parametrize("returns", ["[]", "[1.0, NaN]", "[[1.0]]", "null"])
def test_scores_of_no_finite_returns_are_none(tmp_path, returns):
    path = tmp_path / folders.EVALUATION
    path.write_text(f'{{"first_seed": 10000, "returns": {returns}}}')
    with pytest.raises(ConfigError, match=r"the trial's is no evaluation: .* Score the trial anew"):
        read_evaluation(path, "the trial's")
