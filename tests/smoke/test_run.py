"""The command itself: what a run leaves behind, and how it goes on after whatever ended it."""

import csv
import json
import random
import shutil
import time

import psutil
import pytest
import torch
import yaml

from experiments.checkpoints import list_checkpoints, newest_whole_checkpoint
from experiments.policy import DrivingPolicy


@pytest.fixture
def words(tiny, tmp_path):
    return (
        "run.py",
        *tiny["sac"],
        f"paths.outputs={tmp_path / 'outputs'}",
        "evaluation.final_episodes=2",
        "evaluation.every_s=2",
        "evaluation.episodes=2",
        "checkpoint.every_s=1",
        "checkpoint.keep=50",
    )


def rows(folder):
    with (folder / "progress.csv").open() as file:
        return list(csv.DictReader(file))


def wait_for_checkpoints(folder, number, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = list_checkpoints(folder / "latest" / "trials" / "00000" / "checkpoints")
        if len(found) >= number:
            return found
        time.sleep(0.05)
    pytest.fail(f"no {number} checkpoints within {timeout_s} s")


def test_a_run_from_start_to_prolongation(command, words, tmp_path):
    from mlflow import MlflowClient

    run = command(*words, "stop.frames=1500", "seed=5")
    assert run.finish() == 0, run.output
    assert "return  mean" in run.output
    assert "mlflow ui --backend-store-uri sqlite:////" in run.output
    folder = tmp_path / "outputs" / "latest"
    assert yaml.safe_load((folder / "config.yaml").read_text())["seed"] == 5
    assert {path.name for path in folder.resolve().iterdir()} >= {
        *("config.yaml", "run.log", "trials", "checkpoints", "progress.csv"),
        *("evaluation.json", "curve.png", "returns.png", "videos"),
    }
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert evaluation["episodes"] == 2
    assert evaluation["first_seed"] == 10000
    assert [int(float(row["train/frames"])) for row in rows(folder)][-1] >= 1500
    checkpoint = folder / "checkpoints" / "latest"
    assert {path.name for path in checkpoint.iterdir()} == {
        "manifest.json",
        "policy.json",
        "policy.safetensors",
        "state.pt",
    }
    DrivingPolicy.load(checkpoint)

    client = MlflowClient(f"sqlite:///{tmp_path / 'outputs' / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "default"]
    parent, child = sorted(client.search_runs([experiment.experiment_id]), key=lambda r: len(r.info.run_name))
    assert parent.info.run_name.startswith("sac dummy s5 ")
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert {child.data.tags[name] for name in ("env", "model", "algo", "seed")} == {"dummy", "cnn", "sac", "5"}
    assert child.data.params["algo.training.batch_size"] == "16"
    assert child.data.metrics["train/frames"] >= 1500
    assert child.data.metrics["score/mean"] == pytest.approx(evaluation["mean"])
    assert {a.path for a in client.list_artifacts(child.info.run_id)} >= {"config.yaml", "curve.png", "videos"}
    steps = [point.step for point in client.get_metric_history(child.info.run_id, "train/frames")]
    assert steps == sorted(steps)

    refused = command("run.py", "resume=latest", f"paths.outputs={tmp_path / 'outputs'}", "seed=6")
    assert refused.finish() == 2
    assert "seed: saved 5, asked 6" in refused.output

    more = ("stop.frames=2200", "ray.envs_per_runner=6")  # four before
    longer = command("run.py", "resume=latest", f"paths.outputs={tmp_path / 'outputs'}", *more)
    assert longer.finish() == 0, longer.output
    frames = [int(float(row["train/frames"])) for row in rows(folder)]
    assert frames == sorted(frames)
    assert 1500 < frames[-1] < 3000
    state = torch.load(folder / "checkpoints" / "latest" / "state.pt", weights_only=True)["algorithm"]
    written = state["replay"]["streams"]["next"]  # slots of each env
    assert len(written) == 6
    assert min(written[:4]) > max(written[4:]) > 0
    assert len(client.search_runs([experiment.experiment_id])) == 2  # the same runs went on
    assert client.get_run(child.info.run_id).data.metrics["train/frames"] == frames[-1]


@pytest.mark.slow
def test_a_damaged_checkpoint_is_passed_over(command, words, tmp_path):
    outputs, folder = tmp_path / "outputs", tmp_path / "outputs" / "latest"
    run = command(*words, "stop.frames=10000000")
    wait_for_checkpoints(outputs, 2)
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


def test_ctrl_c_saves_and_exits_130(command, words, tmp_path):
    run = command(*words, "stop.frames=10000000")
    wait_for_checkpoints(tmp_path / "outputs", 1)
    run.interrupt()
    assert run.finish(60) == 130, run.output
    assert f"python run.py resume={tmp_path / 'outputs'}" in run.output
    assert "Traceback" not in run.output
    folder = tmp_path / "outputs" / "latest"
    last = int(float(rows(folder)[-1]["train/frames"]))
    assert list_checkpoints(folder / "checkpoints")[-1].name == f"frames_{last:012d}"


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

    run = command(*words, "stop.frames=10000000", "evaluation.final_episodes=5000")
    wait_for_checkpoints(outputs, 1)
    run.process.terminate()
    assert_ends_with_the_run_whole(run, [])
    last = int(float(rows(folder)[-1]["train/frames"]))
    assert list_checkpoints(folder / "checkpoints")[-1].name == f"frames_{last:012d}"

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


@pytest.mark.parametrize("moment", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 3))])
def test_killed_it_goes_on_exactly_from_its_newest_checkpoint(command, words, tmp_path, compose, build, tiny, moment):
    """The resumed command equals, bit for bit, the same checkpoint restored and trained by hand."""
    run = command(*words, "stop.frames=10000000", "ray.learner_threads=1")
    wait_for_checkpoints(tmp_path / "outputs", 2)
    time.sleep(random.Random(moment).uniform(0.0, 2.0))  # the moment is the point of the test, not a wait
    run.kill()
    folder = (tmp_path / "outputs" / "latest").resolve()
    trial = folder / "trials" / "00000"
    (trial / "checkpoints" / ".frames_half_written").mkdir()
    newest = list_checkpoints(trial / "checkpoints")[-1]
    until = int(newest.name.removeprefix("frames_")) + 600
    shutil.copytree(trial / "replay", tmp_path / "replay_by_hand")

    resumed = command("run.py", f"resume={folder}", f"paths.outputs={tmp_path / 'outputs'}", f"stop.frames={until}")
    assert resumed.finish() == 0, resumed.output
    state = torch.load(list_checkpoints(trial / "checkpoints")[-1] / "state.pt", weights_only=True)["algorithm"]

    by_hand = build(*tiny["sac"], replay=tmp_path / "replay_by_hand")
    by_hand.restore_training_state(torch.load(newest / "state.pt", weights_only=True)["algorithm"])
    while by_hand.frames < until:
        by_hand.train()
    expected = by_hand.training_state()
    assert (state["frames"], state["updates"]) == (expected["frames"], expected["updates"])
    for name, tensor in expected["learner"]["module"].items():
        assert torch.equal(state["learner"]["module"][name], tensor), name
