"""A sweep on a real cluster: over its nodes, through the death of a node and of the driver, to its scores."""

import csv
import json
import re

import pytest

from benchmarks.cluster_nodes import RAY, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SWEEP = ("tuner=grid", "tuner.space={seed: {grid: [0, 1, 2]}}", "ray.cpus_per_trial=1", "stop.wall_s=600")


@pytest.fixture(scope="module")
def cluster(start_cluster):
    """A head that runs drivers and no trials, as in deploy/."""
    return start_cluster(num_cpus=0, head_environment={"RAY_JOB_STOP_WAIT_TIME_S": "120"})


def newest(trial):
    """Return the newest checkpoint's name; names grow with frames."""
    return max((path.name for path in trial.glob("checkpoints/frames_*")), default="")


def has(actor, node):
    """Return whether such an actor lives on the node; Ray writes its class into the process's title."""
    return any(f"::{actor}" in process.cmdline()[0] for process in node.processes() if process.cmdline())


def has_trial(node):
    return has("Trial", node)


def frames(trial):
    with (trial / "progress.csv").open() as file:
        return [float(row["train/frames"]) for row in csv.DictReader(file)]


def test_a_sweep_survives_its_nodes_and_its_driver(cluster, submitted, tiny_run, tmp_path):
    first, second = cluster.add_node(), cluster.add_node()
    words = (*tiny_run, "ray=cluster", f"paths.outputs={tmp_path}")
    with submitted(cluster, *words, *SWEEP) as job:
        job.wait_for_line("  trials   3 trials, 2 at once", 120)

        def trials():
            return sorted(path for path in tmp_path.glob("default/*/trials/*") if path.name.isdigit())

        wait_until(lambda: sum(bool(newest(trial)) for trial in trials()) == 2, 200, "two trials' checkpoints")
        assert has_trial(first)
        assert has_trial(second)
        assert not has_trial(cluster.nodes[0])

        # A node dies. Its trial goes on where it was, on a node that joins late; no other is disturbed.
        before = {trial.name: newest(trial) for trial in trials()}
        cluster.kill_node(second)
        job.wait_for_text("lost its processes (1 of at most 3", 60)
        late = cluster.add_node()
        lost = re.search(r"Trial (\d+) lost its processes", job.said()).group(1)
        trial = next(trial for trial in trials() if trial.name == lost)
        resumed = newest(trial)
        assert resumed >= before[lost]
        # Reports come every 3 s, as checkpoints do: no more than one was made of what is lost.
        assert sum(driven > int(resumed.removeprefix("frames_")) for driven in frames(trial)) <= 1
        wait_until(lambda: newest(trial) > resumed, 200, "a checkpoint from the node that joined late")
        assert has_trial(late)
        log = (trial.parent.parent / "run.log").read_text()
        assert re.findall(rf"Going on from .*/trials/{lost}/checkpoints/(frames_\d+)", log) == [resumed]

        # One more node: there is room for the trial that waits for its turn.
        extra = cluster.add_node()
        job.wait_for_text("Trial 00002 seed=2 starts.", 100)
        wait_until(lambda: has_trial(extra), 60, "the third trial on the new node")

        # The driver dies, and with it its trials.
        before = {trial.name: newest(trial) for trial in trials()}
        for process in cluster.nodes[0].processes():
            if "run.py" in process.cmdline():
                process.kill()
        wait_until(lambda: job.process.poll() is not None, 60, "the submission to end")
        wait_until(lambda: not any(map(has_trial, (first, late, extra))), 60, "the end of its trials")

    after = {trial.name: newest(trial) for trial in trials()}
    assert all(after[name] >= before[name] for name in before)
    with submitted(cluster, "resume=latest", f"paths.outputs={tmp_path}", "stop.wall_s=30") as job:
        wait_until(lambda: job.process.poll() is not None, 300, "the sweep to finish")
        assert job.process.returncode == 0, job.said()
    assert re.search(r"^Trials: +3 finished$", job.said(), re.MULTILINE), job.said()
    log = (trial.parent.parent / "run.log").read_text()
    for trial in trials():
        if after[trial.name]:
            assert f"Going on from {trial}/checkpoints/{after[trial.name]}." in log
        driven = frames(trial)
        assert driven == sorted(driven)
        assert json.loads((trial / "evaluation.json").read_text())["episodes"] == 2
    for node in (first, late, extra):
        cluster.kill_node(node)


def test_runners_live_where_their_game_is_and_a_stopped_job_saves(cluster, submitted, tiny_run, tmp_path):
    game, other = cluster.add_node(resources={"trackmania": 1}), cluster.add_node()
    words = (*tiny_run, "ray=cluster", f"paths.outputs={tmp_path}", "stop.wall_s=600", "checkpoint.every_s=600")
    placed = ("ray.runner_resources={trackmania: 1}", "ray.learner_threads=1")
    with submitted(cluster, *words, *placed, options=("--submission-id", "game")) as job:
        job.wait_for_line("  folder", 120)
        (folder,) = tmp_path.glob("default/*")
        wait_until((folder / "trials" / "00000" / "progress.csv").exists, 120, "a first report")
        assert has("RacingEnvRunner", game)
        assert has_trial(other)
        assert not has("RacingEnvRunner", other)
        cluster.run(*RAY, "job", "stop", "--address", cluster.job_server, "game")
        wait_until(lambda: job.process.poll() is not None, 120, "the job to end")
    assert "Stopping: saving a checkpoint" in job.said()
    assert newest(folder / "trials" / "00000")  # there was none before: checkpoint.every_s
    assert f"Go on:      ray job submit --working-dir . -- python run.py resume={folder} " in job.said()
    for node in (game, other):
        cluster.kill_node(node)
