"""The command itself: what a run leaves behind, and how it goes on after whatever ended it."""

import csv
import json
import shutil
import time
from dataclasses import asdict

import psutil
import pytest
import torch
import yaml

from experiments import trial
from experiments.checkpoints import list_checkpoints, newest_whole_checkpoint
from experiments.policy import DrivingPolicy
from experiments.runs import read_config

FINISHED_FRAMES = 500

pytestmark = pytest.mark.timeout(900)  # commands start ten processes each: a machine that does other work needs long


@pytest.fixture(scope="module")
def words(tiny):
    return (
        "run.py",
        *tiny["sac"],
        "seed=5",
        "ray.learner_threads=1",
        "evaluation.final_episodes=2",
        "evaluation.every_s=3600",
        "evaluation.episodes=2",
        "checkpoint.every_s=1",
        "checkpoint.keep=50",
    )


@pytest.fixture(scope="module")
def finished(shared_command, words, tmp_path_factory):
    """Run once from start to end; return the outputs, which nobody may change, and what the command said."""
    outputs = tmp_path_factory.mktemp("finished") / "outputs"
    run = shared_command(*words, f"paths.outputs={outputs}", f"stop.frames={FINISHED_FRAMES}")
    assert run.finish() == 0, run.output
    return outputs, run.output


@pytest.fixture
def outputs(finished, tmp_path):
    """Outputs of this test's own that hold the finished run; they were moved, which a run must bear."""
    return shutil.copytree(finished[0], tmp_path / "outputs", symlinks=True)


def frames(folder):
    """Return the frames of each row of a run's progress."""
    with (folder / "progress.csv").open() as file:
        return [int(float(row["train/frames"])) for row in csv.DictReader(file)]


def evaluations(folder):
    """Return the returns of the evaluations beside training that a trial has recorded."""
    if not (folder / "progress.csv").exists():
        return []
    with (folder / "progress.csv").open() as file:
        return [row["eval/return_mean"] for row in csv.DictReader(file) if row.get("eval/return_mean")]


def wait_for_checkpoints(run, outputs, number):
    """Wait until a run has saved this often; a command that trains saves as often as it reports, every 3 s."""
    folder = outputs / "latest" / "trials" / "00000" / "checkpoints"
    run.wait_until(lambda: len(list_checkpoints(folder)) >= number)


def mlflow_runs(outputs):
    """Return MLflow's client, and the run and its trial as it keeps them."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{outputs / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "default"]
    parent, child = sorted(client.search_runs([experiment.experiment_id]), key=lambda r: len(r.info.run_name))
    return client, parent, child


def mlflow_steps(client, run):
    return [point.step for point in client.get_metric_history(run.info.run_id, "train/frames")]


def test_what_a_run_from_start_to_end_leaves_behind(finished):
    outputs, said = finished
    assert "return  mean" in said
    assert "mlflow ui --backend-store-uri sqlite:////" in said
    folder = outputs / "latest"
    assert yaml.safe_load((folder / "config.yaml").read_text())["seed"] == 5
    assert {path.name for path in folder.resolve().iterdir()} >= {
        *("config.yaml", "run.log", "trials", "checkpoints", "progress.csv"),
        *("evaluation.json", "curve.png", "returns.png", "videos"),
    }
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert evaluation["episodes"] == 2
    assert evaluation["first_seed"] == 10000
    assert FINISHED_FRAMES <= frames(folder)[-1] < FINISHED_FRAMES + 100
    checkpoint = folder / "checkpoints" / "latest"
    assert {path.name for path in checkpoint.iterdir()} == {
        "manifest.json",
        "policy.json",
        "policy.safetensors",
        "state.pt",
    }
    DrivingPolicy.load(checkpoint)

    client, parent, child = mlflow_runs(outputs)
    assert parent.info.run_name.startswith("sac dummy s5 ")
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert {child.data.tags[name] for name in ("env", "model", "algo", "seed")} == {"dummy", "cnn", "sac", "5"}
    assert child.data.params["algo.training.batch_size"] == "16"
    assert child.data.metrics["train/frames"] >= FINISHED_FRAMES
    assert child.data.metrics["score/mean"] == pytest.approx(evaluation["mean"])
    assert {a.path for a in client.list_artifacts(child.info.run_id)} >= {"config.yaml", "curve.png", "videos"}
    assert mlflow_steps(client, child) == frames(folder)


def test_a_finished_trial_is_prolonged_to_its_new_stop(ray_session, outputs, monkeypatch, request):
    monkeypatch.setattr(trial, "log_to", lambda path: None)  # this process is not the trial's own
    monkeypatch.setattr(trial.Trial, "trial_id", "of_00000")
    run = (outputs / "latest").resolve()
    config = read_config(run)
    config["evaluation"]["every_s"] = 1e9
    began = frames(run)[-1]
    config["stop"]["frames"] = began + 200
    config |= {"plan": asdict(ray_session), "run_folder": str(run), "started_at": time.time()}
    one = trial.Trial(config)
    request.addfinalizer(one.cleanup)
    report = one.step()
    while not report["done"]:
        report = one.step()
    assert report[trial.RESUMED_AT_FRAMES] == began
    assert began + 200 <= report["train/frames"] < began + 300
    assert list_checkpoints(run / "checkpoints")[-1].name == f"frames_{report['train/frames']:012d}"


@pytest.mark.slow
def test_a_damaged_checkpoint_is_passed_over(command, words, tmp_path):
    outputs, folder = tmp_path / "outputs", tmp_path / "outputs" / "latest"
    run = command(*words, f"paths.outputs={outputs}", "stop.frames=10000000")
    wait_for_checkpoints(run, outputs, 2)
    run.interrupt()
    assert run.finish(60) == 130, run.output
    whole, damaged = list_checkpoints((folder / "checkpoints").resolve())[-2:]
    (damaged / "policy.safetensors").write_bytes(b"half")
    refused = command("-m", "experiments.evaluate", f"paths.outputs={outputs}", "episodes=1")
    assert refused.finish() == 2
    assert f"{damaged.name} is damaged" in refused.output
    frames = int(damaged.name.removeprefix("frames_")) + 400
    resumed = command("run.py", "resume=latest", f"paths.outputs={outputs}", f"stop.frames={frames}")
    assert resumed.finish() == 0, resumed.output
    assert f"{damaged.name} is damaged" in resumed.output
    assert f"Going on from {whole}" in (folder / "run.log").read_text()


@pytest.mark.slow
def test_other_signals_and_moments_exit_130_as_well(command, words, tmp_path):
    outputs = tmp_path / "outputs"
    folder = outputs / "latest"

    def resume_until(said, stop_frames):
        run = command("run.py", "resume=latest", f"paths.outputs={outputs}", f"stop.frames={stop_frames}")
        run.wait_for(said)
        return run, psutil.Process(run.process.pid).children(recursive=True)

    def assert_ends_with_the_run_whole(run, family):
        assert run.finish(30) == 130, run.output
        assert "Traceback" not in run.output
        assert f"python run.py resume={outputs}" in run.output
        assert psutil.wait_procs(family, timeout=10)[1] == []
        assert newest_whole_checkpoint(folder / "checkpoints") is not None
        assert not (folder / "evaluation.json").exists()

    lasting = ("stop.frames=10000000", "evaluation.final_episodes=5000")
    run = command(*words, f"paths.outputs={outputs}", *lasting, "evaluation.every_s=2")
    wait_for_checkpoints(run, outputs, 1)
    run.wait_until(lambda: evaluations(folder / "trials" / "00000"))
    run.process.terminate()
    assert_ends_with_the_run_whole(run, [])
    assert list_checkpoints(folder / "checkpoints")[-1].name == f"frames_{frames(folder)[-1]:012d}"

    run, family = resume_until("Evaluating", stop_frames=1)
    run.interrupt()
    assert_ends_with_the_run_whole(run, family)

    run, family = resume_until("Evaluating", stop_frames=1)
    run.process.terminate()
    assert_ends_with_the_run_whole(run, family)

    run, family = resume_until("/s  return", stop_frames=10_000_000)  # the live line: it trains
    (trial,) = [process for process in family if process.name().startswith("ray::Trial")]
    trial.suspend()  # it cannot do what the first ctrl-C asks for
    run.interrupt()
    run.wait_for("Once more")
    run.interrupt()
    assert_ends_with_the_run_whole(run, family)


ENDS = [pytest.param(killed_after_s, marks=pytest.mark.slow) for killed_after_s in (None, 0.0)]
ENDS += [pytest.param(killed_after_s, marks=pytest.mark.timing) for killed_after_s in (0.7, 1.4, 2.1)]


@pytest.mark.parametrize("killed_after_s", ENDS)
def test_prolonged_killed_and_interrupted_it_goes_on_exactly(command, outputs, build, tiny, tmp_path, killed_after_s):
    """A finished run goes on with more envs, is killed or not, goes on from its newest checkpoint, and ends by ctrl-C.

    What the last command trains equals, bit for bit, the same checkpoint restored and trained by hand.
    """
    folder = (outputs / "latest").resolve()
    checkpoints = folder / "trials" / "00000" / "checkpoints"
    num_first, first_end = len(list_checkpoints(checkpoints)), frames(folder)[-1]
    more = ("stop.frames=10000000", "ray.envs_per_runner=6")  # four before
    if killed_after_s is not None:
        prolonged = command("run.py", "resume=latest", f"paths.outputs={outputs}", *more)
        wait_for_checkpoints(prolonged, outputs, num_first + 1)
        time.sleep(killed_after_s)  # the moment is the point of the test, not a wait
        prolonged.kill()
        more = ()  # what was asked for is remembered

    (checkpoints / ".frames_half_written").mkdir()
    newest = list_checkpoints(checkpoints)[-1]
    shutil.copytree(folder / "trials" / "00000" / "replay", tmp_path / "replay_by_hand")
    resumed = command("run.py", f"resume={folder}", f"paths.outputs={outputs}", *more)
    wait_for_checkpoints(resumed, outputs, len(list_checkpoints(checkpoints)) + 1)
    resumed.interrupt()
    assert resumed.finish() == 130, resumed.output
    assert f"python run.py resume={outputs}" in resumed.output
    assert "Traceback" not in resumed.output
    assert list_checkpoints(checkpoints)[-1].name == f"frames_{frames(folder)[-1]:012d}"
    assert frames(folder) == sorted(frames(folder))
    client, _, child = mlflow_runs(outputs)  # the same two went on
    assert child.data.metrics["train/frames"] == frames(folder)[-1]
    assert {*frames(folder)[:1], *frames(folder)[-1:]} <= set(mlflow_steps(client, child))

    begun = torch.load(newest / "state.pt", weights_only=True)["algorithm"]
    assert (begun["frames"] > first_end) == (killed_after_s is not None)
    after = next(path for path in list_checkpoints(checkpoints) if path.name > newest.name)
    state = torch.load(after / "state.pt", weights_only=True)["algorithm"]
    written = state["replay"]["streams"]["next"]  # slots of each env
    assert len(written) == 6
    assert min(written[:4]) > max(written[4:]) > 0
    by_hand = build(*tiny["sac"], "seed=5", replay=tmp_path / "replay_by_hand", envs_per_runner=6)
    by_hand.restore_training_state(begun)
    while by_hand.frames < state["frames"]:
        by_hand.train()
    expected = by_hand.training_state()
    assert expected["updates"] > begun["updates"]
    assert (state["frames"], state["updates"]) == (expected["frames"], expected["updates"])
    for name, tensor in expected["learner"]["module"].items():
        assert torch.equal(state["learner"]["module"][name], tensor), name
