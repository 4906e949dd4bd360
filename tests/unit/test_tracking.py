"""MLflow keeps runs as they were, and its absence costs training neither time nor its life."""

import logging
import math
import pickle
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from envs.errors import ConfigError
from experiments.tracker import Tracker
from experiments.tracking import MlflowTracker, NoTracker, flatten

WAIT_S = 20.0  # far more than any request takes; reached only by a test that fails


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory):
    """Return a database with MLflow's tables: making them takes seconds, copying them nothing."""
    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    tracker = MlflowTracker(uri=f"sqlite:///{path}", artifact_root=str(path.parent / "artifacts"), experiment="first")
    assert tracker.run_id(tracker.start_run(name="any", tags={}, params={}), timeout_s=60.0) is not None
    tracker.close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def store(tmp_path, empty_database):
    """Return the constructor arguments of a tracker with a database of its own, and short pauses."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return {
        "uri": f"sqlite:///{tmp_path / 'mlflow.db'}",
        "artifact_root": str(tmp_path / "artifacts"),
        "experiment": "night",
        "retry_first_s": 0.001,
        "retry_max_s": 0.01,
    }


@pytest.fixture
def tracker(store):
    tracker = MlflowTracker(**store)
    yield tracker
    tracker.close()


@pytest.fixture
def reader(store):
    """Return MLflow's own client, to read back what was written."""
    import mlflow

    return mlflow.MlflowClient(tracking_uri=store["uri"])


def begin(tracker, name="run", **arguments):
    return tracker.start_run(name=name, **{"tags": {"env": "dummy"}, "params": {"seed": 1}, **arguments})


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.fixture
def broken_batches(monkeypatch):
    """Let `log_batch` fail for a while as a locked database does; return the number of failures left, to be set."""
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

    left = {"failures": 0}
    real = mlflow.MlflowClient.log_batch

    def log_batch(self, run_id, metrics=(), **others):
        if metrics and left["failures"] > 0:
            left["failures"] -= 1
            raise MlflowException("(sqlite3.OperationalError) database is locked", error_code=TEMPORARILY_UNAVAILABLE)
        return real(self, run_id, metrics=metrics, **others)

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", log_batch)
    return left


def test_a_run_tells_who_it_is(tracker, reader):
    run = begin(tracker, "carracing sac cnn s3", tags={"env": "carracing", "algo": "sac", "commit": "abc123"})
    assert tracker.flush(WAIT_S)
    kept = reader.get_run(tracker.run_id(run))
    assert kept.info.run_name == "carracing sac cnn s3"
    assert kept.info.status == "RUNNING"
    assert kept.data.tags["algo"] == "sac"
    assert kept.data.tags["mlflow.source.git.commit"] == "abc123"
    assert "env carracing · algo sac" in kept.data.tags["mlflow.note.content"]
    assert reader.get_experiment(kept.info.experiment_id).name == "night"


def test_the_page_that_is_printed_is_there_also_in_an_experiment_that_others_made(tracker, reader):
    made = reader.create_experiment("night", "file:///nowhere", tags={"mlflow.note.content": "mine"})
    begin(tracker)
    assert tracker.flush(WAIT_S)
    assert tracker.page() == f"#/experiments/{made}/runs?workflowType=machine_learning&viewStateShareKey=scores"
    tags = reader.get_experiment(made).tags
    assert '"name": "Scores"' in tags["mlflow.sharedViewState.scores"]
    assert tags["mlflow.note.content"] == "mine"


@pytest.mark.parametrize("as_id", [False, True], ids=["handle", "id"])
def test_a_child_names_its_parent(tracker, reader, as_id):
    parent = begin(tracker, "sweep")
    child = begin(tracker, "trial", parent_id=tracker.run_id(parent, WAIT_S) if as_id else parent)
    parent_id, child_id = tracker.run_id(parent, WAIT_S), tracker.run_id(child, WAIT_S)
    assert parent_id != child_id
    assert reader.get_run(child_id).data.tags["mlflow.parentRunId"] == parent_id
    assert "mlflow.parentRunId" not in reader.get_run(parent_id).data.tags


def test_metrics_keep_their_frames_and_what_is_not_finite_is_left_out(tracker, reader):
    run = begin(tracker)
    tracker.log(run, {"train/return_mean": 10.0, "learner/loss": math.nan}, step=4000)
    tracker.log(run, {"train/return_mean": 12.5, "learner/loss": 0.5, "learner/alpha": math.inf}, step=8000)
    assert tracker.flush(WAIT_S)
    run_id = tracker.run_id(run)
    history = reader.get_metric_history(run_id, "train/return_mean")
    assert [(point.step, point.value) for point in history] == [(4000, 10.0), (8000, 12.5)]
    assert [point.step for point in reader.get_metric_history(run_id, "learner/loss")] == [8000]
    assert reader.get_metric_history(run_id, "learner/alpha") == []


def test_one_row_is_one_request(tracker, monkeypatch):
    import mlflow

    run = begin(tracker, params={})
    assert tracker.flush(WAIT_S)
    sizes = []
    monkeypatch.setattr(
        mlflow.MlflowClient, "log_batch", lambda self, run_id, metrics, **others: sizes.append(len(metrics))
    )
    tracker.log(run, {f"learner/m{index}": float(index) for index in range(30)}, step=1)
    assert tracker.flush(WAIT_S)
    assert sizes == [30]


def test_more_params_than_one_batch_holds(tracker, reader):
    run = begin(tracker, params={"model": {f"size_{index}": index for index in range(250)}, "note": "x" * 7000})
    assert tracker.flush(WAIT_S)
    params = reader.get_run(tracker.run_id(run)).data.params
    assert len(params) == 251
    assert params["model.size_249"] == "249"
    assert len(params["note"]) == 6000  # mlflow.utils.validation.MAX_PARAM_VAL_LENGTH
    assert params["note"].endswith("…")


def test_flatten_joins_with_dots_and_replaces_what_mlflow_refuses():
    config = {"env": {"name": "dummy", "sizes": [64, 64]}, "stop": {"frames": None}, "tuner": {}, "a@b": True}
    assert flatten(config) == {
        "env.name": "dummy",
        "env.sizes": "[64, 64]",
        "stop.frames": "None",
        "tuner": "{}",
        "a_b": "True",
    }


def test_a_resumed_run_goes_on_as_itself_with_its_first_params(store, tracker, reader):
    run = begin(tracker, params={"stop": {"frames": 1000}})
    tracker.log(run, {"train/return_mean": 1.0}, step=500)
    tracker.finish(run, "KILLED")
    tracker.close(WAIT_S)
    run_id = tracker.run_id(run)
    assert reader.get_run(run_id).info.status == "KILLED"

    second = MlflowTracker(**store)
    again = begin(second, params={"stop": {"frames": 2000}, "added": 1}, run_id=run_id)
    second.log(again, {"train/return_mean": 2.0}, step=1500)
    assert second.flush(WAIT_S)
    kept = reader.get_run(run_id)
    assert kept.info.status == "RUNNING"
    assert kept.data.params == {"stop.frames": "1000", "added": "1"}
    assert [point.step for point in reader.get_metric_history(run_id, "train/return_mean")] == [500, 1500]
    second.finish(again, "FINISHED")
    second.close(WAIT_S)
    assert second.run_id(again) == run_id
    assert reader.get_run(run_id).info.status == "FINISHED"
    assert len(reader.search_runs([kept.info.experiment_id])) == 1


def test_resuming_a_run_that_is_gone_begins_a_new_one_and_says_so(tracker, reader, caplog):
    run = begin(tracker, run_id="0" * 32)
    assert tracker.flush(WAIT_S)
    assert tracker.run_id(run) not in (None, "0" * 32)
    assert reader.get_run(tracker.run_id(run)).info.status == "RUNNING"
    assert len(warnings_of(caplog)) == 1
    assert "no run 00000000" in warnings_of(caplog)[0]


def test_artifacts_are_files_and_folders(tracker, reader, tmp_path, caplog):
    (tmp_path / "config.yaml").write_text("seed: 1\n")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "best.mp4").write_bytes(b"0")
    run = begin(tracker)
    tracker.log_artifact(run, tmp_path / "missing.png")  # does not hold up what follows
    tracker.log_artifact(run, tmp_path / "config.yaml")
    tracker.log_artifact(run, tmp_path / "videos", "videos")
    assert tracker.flush(WAIT_S)
    run_id = tracker.run_id(run)
    assert [item.path for item in reader.list_artifacts(run_id)] == ["config.yaml", "videos"]
    assert [item.path for item in reader.list_artifacts(run_id, "videos")] == ["videos/best.mp4"]
    kept = tmp_path / "artifacts" / run_id / "artifacts" / "config.yaml"
    assert kept.read_text() == "seed: 1\n"
    assert len(warnings_of(caplog)) == 1
    assert "missing.png does not exist" in warnings_of(caplog)[0]


def test_the_database_is_in_wal_mode(tracker, tmp_path):
    begin(tracker)
    assert tracker.flush(WAIT_S)
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_store_that_recovers_gets_everything_in_order(tracker, reader, broken_batches, caplog):
    caplog.set_level(logging.INFO, "experiments")
    broken_batches["failures"] = 7
    run = begin(tracker)
    for step in range(20):
        tracker.log(run, {"train/return_mean": float(step)}, step=step)
    tracker.finish(run, "FINISHED")
    assert tracker.flush(WAIT_S)
    assert broken_batches["failures"] == 0
    history = reader.get_metric_history(tracker.run_id(run), "train/return_mean")
    assert [point.step for point in history] == list(range(20))
    assert reader.get_run(tracker.run_id(run)).info.status == "FINISHED"
    assert len(warnings_of(caplog)) == 1
    assert "database is locked" in warnings_of(caplog)[0]
    assert "works again" in caplog.text


def test_a_store_that_never_recovers_costs_one_warning(tracker, broken_batches, caplog):
    caplog.set_level(logging.INFO, "experiments")
    broken_batches["failures"] = 10**9
    run = begin(tracker)
    for step in range(50):
        tracker.log(run, {"train/return_mean": 1.0}, step=step)
    assert tracker.run_id(run, WAIT_S) is not None
    started = time.monotonic()
    tracker.close(timeout_s=0.2)
    tracker.close(timeout_s=0.2)
    assert time.monotonic() - started < 2.0
    assert len(warnings_of(caplog)) == 1
    assert "progress.csv" in warnings_of(caplog)[0]
    assert "50 entries never reached MLflow" in caplog.text
    tracker.log(run, {"train/return_mean": 1.0}, step=51)  # after the end: no effect, no error


def test_refused_metrics_do_not_hold_up_the_rest(tracker, reader, monkeypatch, caplog):
    import mlflow
    from mlflow.exceptions import MlflowException

    real = mlflow.MlflowClient.log_batch

    def log_batch(self, run_id, metrics=(), **others):
        if any(metric.key == "bad" for metric in metrics):
            raise MlflowException.invalid_parameter_value("no such name")
        return real(self, run_id, metrics=metrics, **others)

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", log_batch)
    run = begin(tracker)
    for step in range(3):
        tracker.log(run, {"bad": 1.0}, step=step)
    tracker.log(run, {"good": 1.0}, step=9)
    assert tracker.flush(WAIT_S)
    assert [point.step for point in reader.get_metric_history(tracker.run_id(run), "good")] == [9]
    assert len(warnings_of(caplog)) == 1


def test_a_full_queue_drops_the_oldest_metrics_only(store, reader, monkeypatch, caplog):
    import mlflow

    gate = threading.Event()
    real = mlflow.MlflowClient.create_run

    def create_run(self, *args, **kwargs):
        assert gate.wait(WAIT_S)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(mlflow.MlflowClient, "create_run", create_run)
    tracker = MlflowTracker(**store, max_waiting=6)  # 1 of them the parameters
    run = begin(tracker)
    for step in range(10):
        tracker.log(run, {"m": 1.0}, step=step)
    gate.set()
    tracker.close(WAIT_S)
    kept = reader.get_run(tracker.run_id(run))
    assert kept.data.params == {"seed": "1"}
    steps = [point.step for point in reader.get_metric_history(kept.info.run_id, "m")]
    assert steps == list(range(10 - len(steps), 10))
    assert len(steps) in (4, 5, 6)  # whether the first request had left the queue by then is the thread's affair
    assert f"{10 - len(steps)} entries never reached" in warnings_of(caplog)[0]


@pytest.mark.parametrize("broken", ["folder is a file", "not a database"])
def test_a_database_that_cannot_be_written_never_stops_training(store, tmp_path, caplog, broken):
    (tmp_path / "file").write_text("this is no database, and no folder either")
    path = tmp_path / "file" / "mlflow.db" if broken == "folder is a file" else tmp_path / "file"
    tracker = MlflowTracker(**{**store, "uri": f"sqlite:///{path}"})
    run = begin(tracker)
    for step in range(5):
        tracker.log(run, {"m": 1.0}, step=step)
    tracker.finish(run, "FINISHED")
    assert tracker.run_id(run, timeout_s=0.1) is None
    tracker.flush(0.1)
    tracker.close(0.1)
    assert len(warnings_of(caplog)) == 1
    assert str(path) in warnings_of(caplog)[0]


@pytest.mark.parametrize("uri", ["postgresql://me:secret@host/mlflow", "postgresql://host/mlflow?password=secret"])
def test_a_password_in_an_address_is_refused_without_being_shown(store, uri):
    with pytest.raises(ConfigError, match=r"holds a password \(postgresql://host/mlflow.*~/\.pgpass") as refused:
        MlflowTracker(**{**store, "uri": uri})
    assert "secret" not in str(refused.value)


def test_a_server_that_is_away_never_stops_training(store, caplog):
    tracker = MlflowTracker(**{**store, "uri": "http://someone@127.0.0.1:9"})  # port 9: nobody listens
    run = begin(tracker)
    tracker.log(run, {"m": 1.0}, step=1)
    assert tracker.run_id(run, timeout_s=0.3) is None
    tracker.close(0.1)
    assert len(warnings_of(caplog)) == 1
    assert "someone" not in warnings_of(caplog)[0]


def test_a_locked_database_is_caught_up_with(store, tmp_path, reader, caplog):
    blocker = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None, check_same_thread=False)
    blocker.execute("PRAGMA journal_mode=WAL")
    blocker.execute("BEGIN IMMEDIATE")
    tracker = MlflowTracker(**store)
    run = begin(tracker)
    tracker.log(run, {"m": 1.0}, step=1)
    assert tracker.run_id(run) is None
    blocker.execute("ROLLBACK")
    blocker.close()
    assert tracker.flush(WAIT_S)
    assert [point.step for point in reader.get_metric_history(tracker.run_id(run), "m")] == [1]
    tracker.close()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"uri": "file:///somewhere/mlruns"}, "MLflow 3 needs a database"),
        ({"uri": "./mlruns"}, "MLflow 3 needs a database"),
        ({"uri": "sqlite:///mlflow.db"}, "must be absolute"),
        ({"artifact_root": "mlartifacts"}, "must be an absolute folder"),
        ({"experiment": " "}, "name=NAME"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_words(store, changed, words):
    with pytest.raises(ConfigError, match=words):
        MlflowTracker(**{**store, **changed})


def test_an_unknown_end_lists_the_known_ones(tracker):
    with pytest.raises(ValueError, match="FINISHED, FAILED, KILLED"):
        tracker.finish(begin(tracker), "DONE")


def test_a_pickled_tracker_is_a_fresh_one(tracker, reader):
    first = begin(tracker)
    assert tracker.flush(WAIT_S)
    copy, handle = pickle.loads(pickle.dumps((tracker, first)))
    assert handle.run_id == first.run_id
    second = begin(copy, parent_id=handle)
    assert copy.flush(WAIT_S)
    assert reader.get_run(second.run_id).data.tags["mlflow.parentRunId"] == first.run_id
    copy.close()


def test_no_tracker_offers_the_same_methods(tmp_path):
    public = {name for name in vars(MlflowTracker) if not name.startswith("_")}
    assert public == {name for name in vars(Tracker) if not name.startswith("_")}
    tracker = NoTracker()
    run = begin(tracker)
    tracker.log(run, {"m": 1.0}, step=1)
    tracker.log_artifact(run, Path("missing"))
    tracker.finish(run, "FINISHED")
    assert tracker.run_id(run) is None
    tracker.close()


@pytest.mark.timing
def test_a_row_costs_the_caller_far_less_than_20_ms(tracker):
    run = begin(tracker)
    assert tracker.flush(WAIT_S)
    row = {f"learner/metric_{index}": float(index) for index in range(40)}
    taken = []
    for step in range(200):
        started = time.perf_counter()
        tracker.log(run, row, step=step)
        taken.append(time.perf_counter() - started)
    assert sorted(taken)[190] < 0.020
    assert tracker.flush(60.0)
