"""Nodes that share no folder: checkpoints go through `paths.storage`, and the wish to stop through the driver."""

import importlib.util
import json
import sys

import pytest

from benchmarks.cluster_network import Namespaces
from benchmarks.cluster_nodes import RAY, Driver, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BUCKET, S3_PORT = "chicane", 5005
# Lists the whole checkpoints of the only run, oldest first.
LIST = """
import sys

import pyarrow.fs

system, root = pyarrow.fs.FileSystem.from_uri(sys.argv[1])
found = system.get_file_info(pyarrow.fs.FileSelector(root, recursive=True, allow_not_found=True))
print(*sorted(file.path.split("/")[-2] for file in found if file.base_name == "manifest.json"))
"""
MAKE_BUCKET = f"import boto3; boto3.client('s3').create_bucket(Bucket='{BUCKET}')"


@pytest.fixture(params=["file", "s3"])
def stored(request, start_cluster, tmp_path):
    """Start a cluster whose nodes each have an outputs folder of their own; return it, the storage and the folder."""
    variables = {"RAY_JOB_STOP_WAIT_TIME_S": "120"}
    storage = f"file://{tmp_path}/storage"
    if request.param == "s3":
        if importlib.util.find_spec("moto") is None:
            pytest.skip("moto[server] is not installed.")
        storage = f"s3://{BUCKET}/runs"
        variables |= {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://10.77.0.1:{S3_PORT}",
        }
    cluster = start_cluster(num_cpus=0, head_environment=variables)
    if not isinstance(cluster.network, Namespaces):
        pytest.skip("Folders of their own take namespaces: root, and the command ip.")
    outputs = tmp_path / "outputs"
    outputs.mkdir()

    def add_node():
        own = tmp_path / f"of_node{len(cluster.nodes)}"
        own.mkdir()
        prefix = ("sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', str(own), str(outputs))
        return cluster.add_node(num_cpus=2, environment=variables, prefix=prefix)

    if request.param == "file":
        yield cluster, storage, outputs, add_node
        return
    with cluster.running(sys.executable, "-m", "moto.server", "-H", "0.0.0.0", "-p", str(S3_PORT)) as server:
        server.wait_for_text("Running on http://", 60)
        made = cluster.run(sys.executable, "-c", MAKE_BUCKET)
        assert made.returncode == 0, made.stderr
        yield cluster, storage, outputs, add_node


def test_a_trial_moves_between_nodes_that_share_nothing(stored, submitted, tiny_run):
    cluster, storage, outputs, add_node = stored

    def newest():
        return (cluster.run(sys.executable, "-c", LIST, storage).stdout.split() or [""])[-1]

    def wait_for_newer(job: Driver, than: str) -> None:
        wait_until(lambda: newest() > than or job.process.poll() is not None, 150, f"a checkpoint after {than}")
        assert job.process.poll() is None, job.said()

    node = add_node()
    words = (*tiny_run, "ray=cluster", f"paths.outputs={outputs}", f"paths.storage={storage}", "stop.wall_s=600")
    with submitted(cluster, *words, options=("--submission-id", "moving")) as job:
        wait_for_newer(job, "")
        assert not list(outputs.glob("default/*/trials/*/checkpoints"))  # the driver has none: they lie on the node
        cluster.kill_node(node)
        job.wait_for_text("lost its processes", 60)
        before = newest()
        add_node()
        wait_for_newer(job, before)
        cluster.run(*RAY, "job", "stop", "--address", cluster.job_server, "moving")
        wait_until(lambda: job.process.poll() is not None, 120, "the job to end")
    assert "Go on:      ray job submit" in job.said()
    stopped = newest()
    with submitted(cluster, "resume=latest", f"paths.outputs={outputs}", "stop.wall_s=1") as job:
        wait_until(lambda: job.process.poll() is not None, 200, "the run to finish")
        assert job.process.returncode == 0, job.said()
    assert newest() >= stopped
    (trial,) = outputs.glob("default/*/trials/00000")
    evaluation = json.loads((trial / "evaluation.json").read_text())
    assert newest() in evaluation["checkpoint"]  # the driver fetched it
