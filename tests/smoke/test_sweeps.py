"""Sweeps through the real command: what fails by itself, what is killed, and what a population hands over."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest
import torch
import yaml

from experiments.checkpoints import list_checkpoints

# Processes of Ray's start slowly where cores are few and busy.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TINY = (
    *("env=dummy", "env.num_decisions=16", "env.obs=vector", "model=mlp", "model.hidden=[16]"),
    *("ray.num_cpus=2", "ray.num_env_runners=1", "ray.envs_per_runner=4", "tracking=none"),
    *("algo=ppo", "algo.training.rollout_steps=32", "algo.training.minibatch_size=32", "algo.training.epochs=2"),
    *("checkpoint.every_s=1", "checkpoint.keep=50", "evaluation.every_s=3600", "evaluation.final_episodes=1"),
    *("evaluation.videos=false", "stop.wall_s=600"),
)


@pytest.fixture
def start(command, tmp_path):
    """Return a function that starts a tiny run with these words."""
    return lambda *words: command("run.py", *TINY, f"paths.outputs={tmp_path / 'outputs'}", *words)


@pytest.fixture
def resume(command, tmp_path):
    return lambda *words: command("run.py", "resume=latest", f"paths.outputs={tmp_path / 'outputs'}", *words)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "outputs" / "latest"


def rows(folder, number, column="train/frames"):
    path = folder / "trials" / f"{number:05}" / "progress.csv"
    if not path.exists():
        return []
    with path.open() as file:
        return [float(row[column]) for row in csv.DictReader(file) if row.get(column)]


def checkpoints(folder, number):
    return list_checkpoints(folder / "trials" / f"{number:05}" / "checkpoints")


def records(folder):
    path = folder / "trials.json"
    return {row["name"]: row for row in json.loads(path.read_text())} if path.exists() else {}


def trial_processes(command):
    family = psutil.Process(command.process.pid).children(recursive=True)
    return [process for process in family if process.name().startswith("ray::Trial")]


def test_a_trial_that_diverges_is_told_of_and_the_other_is_trained_and_scored(start, folder):
    space = "{algo.training.lr: {grid: [1.0e-3, 1.0e+30]}, algo.training.gamma: {uniform: [0.9, 0.99]}}"
    words = ("tuner=asha", "tuner.num_trials=1", "tuner.num_concurrent=2", "stop.frames=500", f"+tuner.space={space}")
    run = start(*words)
    assert run.finish(240) == 0, run.output
    ends = {name: record["state"] for name, record in records(folder).items()}
    assert ends["00001"] == "failed", run.output
    assert ends["00000"] == "finished"
    assert re.search(r"error: Trial 00001 lr=1e\+30 .*FloatingPointError: .*diverged", run.output), run.output
    assert "Traceback" not in run.output
    gammas = {record["assigned"]["algo.training.gamma"] for record in records(folder).values()}
    assert len(gammas) == 1  # one setting, at both points of the grid
    for name, end in ends.items():
        trial = folder / "trials" / name
        config = yaml.safe_load((trial / "config.yaml").read_text())
        assert config["algo"]["training"]["lr"] == records(folder)[name]["assigned"]["algo.training.lr"]
        assert (trial / "evaluation.json").exists() == (end == "finished")
        if end != "failed":
            assert rows(folder, int(name))
            assert checkpoints(folder, int(name))
    assert "Best:" in run.output


def test_a_sweep_whose_driver_is_killed_goes_on_where_each_trial_was(start, resume, folder):
    run = start("tuner=grid", "tuner.num_concurrent=2", "+tuner.space={stop.frames: {grid: [300, 10000000]}}")

    def is_amid():
        return records(folder).get("00000", {}).get("state") == "finished" and len(checkpoints(folder, 1)) > 1

    run.wait_until(is_amid)
    run.kill()
    newest = checkpoints(folder, 1)[-1]
    finished = folder / "trials" / "00000" / "progress.csv"
    before = finished.read_bytes()

    again = resume()
    again.wait_until(lambda: checkpoints(folder, 1)[-1] > newest)
    again.interrupt()
    assert again.finish(120) == 130, again.output
    assert "Traceback" not in again.output
    assert f"Going on from {newest.resolve()}." in (folder / "run.log").read_text()
    frames = rows(folder, 1)
    assert frames == sorted(frames)
    assert f"frames_{int(frames[-1]):012d}" == checkpoints(folder, 1)[-1].name  # ctrl-C loses nothing
    assert finished.read_bytes() == before
    assert [record["state"] for record in records(folder).values()] == ["finished", "running"]


def test_the_worse_of_a_population_takes_over_weights_and_keeps_its_frames(start, resume, folder):
    space = "{algo.training.lr: {choice: [1.0e-5, 1.0e-3, 3.0e-3]}, algo.training.gamma: {uniform: [0.9, 0.99]}}"
    words = ("tuner=pbt", "tuner.num_trials=2", "tuner.scheduler.quantile=0.5", "tuner.scheduler.interval_frames=100")
    run = start(*words, "stop.frames=10000000", f"+tuner.space={space}")
    run.wait_for("goes on with the weights of")
    run.wait_for("\n")
    taker, giver = re.search(r"Trial (\d{5}) .*goes on with the weights of (\d{5})", run.output).groups()
    reported = len(rows(folder, int(taker)))
    run.wait_until(lambda: len(rows(folder, int(taker))) != reported)
    run.interrupt()
    assert run.finish(120) == 130, run.output
    assert "Traceback" not in run.output

    log = (folder / "run.log").read_text()
    taken = re.search(rf"Took over weights and optimiser of (\S*/{giver}/checkpoints/frames_\d+)\.", log)
    own = re.findall(rf"Going on from \S*/{taker}/checkpoints/(frames_\d+)\.", log[: taken.start()])[-1]
    after = folder / "trials" / taker / "checkpoints" / own

    def weights(checkpoint):
        return torch.load(checkpoint / "state.pt", weights_only=True)["algorithm"]["learner"]["module"]

    given = weights(folder / "trials" / giver / "checkpoints" / taken[1].rpartition("/")[2])
    assert all(torch.equal(tensor, given[name]) for name, tensor in weights(after).items())
    frames = rows(folder, int(taker))
    assert frames == sorted(frames)
    resumed_at = int(own.removeprefix("frames_"))
    first = next(value for value in frames if value > resumed_at)
    before = [value for value in frames if value <= resumed_at]
    assert before  # nothing of its own past was lost
    assert first - resumed_at < 4 * max(before)
    record = records(folder)[taker]
    assert record["assigned"]["algo.training.gamma"] >= 0.9
    config = yaml.safe_load((folder / "trials" / taker / "config.yaml").read_text())
    for key in ("lr", "gamma"):
        assert config["algo"]["training"][key] == record["assigned"][f"algo.training.{key}"]

    reached = {number: rows(folder, number)[-1] for number in (0, 1)}
    again = resume()  # each with the settings and the weights that it had last
    again.wait_until(lambda: all(rows(folder, number)[-1] > last for number, last in reached.items()))
    again.interrupt()
    assert again.finish(120) == 130, again.output
    assert "Traceback" not in again.output


def test_a_trial_whose_process_is_killed_goes_on_from_its_newest_checkpoint(start, folder):
    began = time.time()
    run = start("stop.frames=10000000")
    run.wait_until(lambda: len(checkpoints(folder, 0)) > 2)
    (process,) = trial_processes(run)
    os.kill(process.pid, signal.SIGKILL)
    newest = checkpoints(folder, 0)[-1]
    run.wait_for("lost its processes (1 of at most 3 times")
    run.wait_until(lambda: checkpoints(folder, 0)[-1] > newest and rows(folder, 0)[-1] > int(newest.name[7:]))
    run.interrupt()
    assert run.finish(120) == 130, run.output
    assert f"Going on from {newest.resolve()}." in (folder / "run.log").read_text()
    frames = rows(folder, 0)
    assert frames == sorted(frames)
    wall_s = rows(folder, 0, "time/wall_s")
    assert wall_s == sorted(wall_s)
    assert wall_s[-1] <= time.time() - began  # no second counts twice


def test_hydras_own_multirun_leaves_nothing_where_it_was_started(root, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    words = [f"paths.outputs={tmp_path / 'outputs'}", "stop.frames=300", "evaluation.final_episodes=0", "seed=3,4"]
    run = subprocess.run(
        [sys.executable, str(root / "run.py"), "--multirun", *TINY, *words],
        cwd=here,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert list(here.iterdir()) == []
    runs = sorted((tmp_path / "outputs" / "default").iterdir())
    assert [yaml.safe_load((one / "config.yaml").read_text())["seed"] for one in runs] == [3, 4]
    for one in runs:
        assert rows(one, 0)[-1] >= 300
        assert not (one / ".hydra").exists()
    assert not (tmp_path / "outputs" / "multirun.yaml").exists()
