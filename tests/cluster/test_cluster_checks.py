"""What a run asks of a real cluster before it starts: the token, the versions, its nodes, their room; in seconds."""

import re
import sys
import time

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

REFUSED = 2  # a wrong request
MOST_S = 60.0  # of which most is imports, twice, on a machine that others use

# Lets the cluster believe that it was started by another Ray.
DISGUISE = """
import json

import ray
from ray.experimental.internal_kv import _internal_kv_put

ray.init(logging_level="ERROR", log_to_driver=False)
metadata = {"ray_version": "2.0.0", "python_version": "3.8.1"}
_internal_kv_put(b"CLUSTER_METADATA", json.dumps(metadata), overwrite=True, namespace=b"cluster")
"""


@pytest.fixture
def refusal(tiny_run, tmp_path):
    """Return a function that runs `python run.py ray=cluster` on the head and returns what it says against it."""

    def refused(cluster, *words, **environment):
        began = time.monotonic()
        command = ("run.py", "ray=cluster", *tiny_run, f"paths.outputs={tmp_path}/outputs", *words)
        done = cluster.run(sys.executable, *command, **environment)
        assert done.returncode == REFUSED, done.stdout + done.stderr
        assert time.monotonic() - began < MOST_S
        assert "Traceback" not in done.stderr
        assert not list(tmp_path.glob("outputs/default/*"))  # nothing was begun
        return done.stderr

    return refused


def test_the_token_decides_who_is_let_in(local_cluster, refusal):
    wrong = local_cluster.folder / "wrong"
    wrong.write_text("0" * 64)
    said = refusal(local_cluster, RAY_AUTH_TOKEN_PATH=str(wrong))
    assert f"the token in {wrong} is missing, or not the head's" in said
    said = refusal(local_cluster, RAY_AUTH_MODE=None, RAY_AUTH_TOKEN_PATH=None)
    assert "RAY_AUTH_MODE=token is not set here" in said


@pytest.mark.parametrize("number", [1, 50], ids=["closed", "silent"])
def test_nobody_answers(local_cluster, refusal, number):
    """A closed port on the head, and an address that nobody has."""
    host = local_cluster.nodes[0].address if number == 1 else local_cluster.address_of(number)
    said = refusal(local_cluster, f"ray.address={host}:6399")
    assert f"Nobody answers at {host}:6399 (ray.address)" in said


def test_what_no_node_has_is_named(local_cluster, add_node, refusal):
    node = add_node(num_cpus=2, resources={"trackmania": 1})
    said = refusal(local_cluster, "ray.runner_resources={trackmania: 1}", "ray.num_env_runners=2")
    assert "no room for 1 of 2 env runners" in said
    assert re.search(rf"{re.escape(local_cluster.nodes[0].address)}: CPU 1, .*\(no trackmania\)", said)
    assert re.search(rf"{re.escape(node.address)}: CPU 2, .*trackmania 1", said)
    said = refusal(local_cluster, "ray.num_gpus=1")
    assert "the cluster of 2 nodes has 0 GPUs" in said


def test_a_node_with_another_version_is_named_with_both(local_cluster, add_node, refusal, tmp_path):
    fake = tmp_path / "fake" / "torch-1.0.0.dist-info"
    fake.mkdir(parents=True)
    (fake / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 1.0.0\n")
    node = add_node(environment={"PYTHONPATH": str(fake.parent)})
    said = refusal(local_cluster)
    assert re.search(rf"{re.escape(node.address)}: torch 1\.0\.0, here 2\.\d+", said)
    assert f"{local_cluster.nodes[0].address}:" not in said


def test_outputs_that_end_with_the_job_are_refused(local_cluster, tiny_run, submitted):
    with submitted(local_cluster, "ray=cluster", *tiny_run) as job:
        job.wait_for_text("copy of the code, which Ray deletes", MOST_S)
        job.wait_for_text("exit code 2", MOST_S)


def test_a_cluster_of_another_ray_is_refused_with_both_versions(start_cluster, refusal):
    cluster = start_cluster()
    assert cluster.run(sys.executable, "-c", DISGUISE).returncode == 0
    said = refusal(cluster)
    assert "runs Ray 2.0.0 on Python 3.8.1" in said
