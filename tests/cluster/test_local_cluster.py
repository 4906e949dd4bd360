"""Several Ray nodes on one machine: code reaches them, a token guards them, deaths are noticed, latecomers get work."""

import re
import sys

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PLACED = """
import ray

ray.init(logging_level="ERROR", log_to_driver=False)

@ray.remote(num_cpus=0, resources={RESOURCE: 1})
def where():
    import os

    import envs.errors
    import experiments.scores

    is_shipped = all(m.__file__.startswith(os.getcwd()) for m in (envs.errors, experiments.scores))
    return ray.util.get_node_ip_address(), os.getcwd(), is_shipped

pending = where.remote()
print("ASKED", flush=True)
print("PLACED", *ray.get(pending, timeout=120), flush=True)
"""

NOTICED = """
import time

import ray

ray.init(logging_level="ERROR", log_to_driver=False)

@ray.remote(num_cpus=0, resources={"mortal": 1})
class Worker:
    def start(self):
        return True

    def wait(self):
        time.sleep(600)

worker = Worker.remote()
ray.get(worker.start.remote())
pending = worker.wait.remote()
print("WAITING", flush=True)
try:
    ray.get(pending, timeout=60)
except ray.exceptions.RayActorError as error:
    print("NOTICED", flush=True)
while sum(node["Alive"] for node in ray.nodes()) > 1:
    time.sleep(0.1)
print("GONE", flush=True)
"""


@pytest.fixture
def script(tmp_path):
    """Return a function that writes a driver and returns the words that run it."""

    def write(content):
        path = tmp_path / "driver.py"
        path.write_text(content)
        return sys.executable, str(path)

    return write


def test_a_job_runs_our_shipped_code_on_the_node_that_has_what_it_needs(local_cluster, add_node):
    add_node()
    node = add_node(resources={"trackmania": 1})
    result = local_cluster.submit("python", "-c", PLACED.replace("RESOURCE", "'trackmania'"))
    assert result.returncode == 0, result.stdout + result.stderr
    address, folder, is_shipped = re.search(r"^PLACED (\S+) (\S+) (\S+)$", result.stdout, re.MULTILINE).groups()
    assert address == node.address
    assert folder.startswith(str(local_cluster.folder / str(node.number)))  # unpacked there, not imported from here
    assert is_shipped == "True"


def test_a_job_that_fails_fails_its_submission(local_cluster, tmp_path):
    result = local_cluster.submit("python", "-c", "raise SystemExit(3)", working_dir=tmp_path)
    assert result.returncode == 1
    assert "exit code 3" in result.stdout + result.stderr


def test_nobody_gets_in_without_the_token(local_cluster):
    wrong = local_cluster.folder / "wrong"
    wrong.write_text("0" * 64)
    command = (sys.executable, "-m", "ray.scripts.scripts", "job", "list", "--address", local_cluster.job_server)
    assert local_cluster.run(*command).returncode == 0
    for environment in ({"RAY_AUTH_TOKEN_PATH": str(wrong)}, {"RAY_AUTH_MODE": None, "RAY_AUTH_TOKEN_PATH": None}):
        result = local_cluster.run(*command, **environment)
        assert result.returncode != 0
        assert "AuthenticationError" in result.stderr


def test_a_killed_node_is_noticed(local_cluster, add_node, script):
    node = add_node(resources={"mortal": 1})
    with local_cluster.running(*script(NOTICED)) as driver:
        driver.wait_for_line("WAITING", 60)
        local_cluster.kill_node(node)
        driver.wait_for_line("NOTICED", 40)  # Ray's default: five health checks, three seconds apart
        driver.wait_for_line("GONE", 40)


def test_work_that_waits_goes_to_a_node_that_joins_late(local_cluster, add_node, script):
    with local_cluster.running(*script(PLACED.replace("RESOURCE", "'late'"))) as driver:
        driver.wait_for_line("ASKED", 60)
        node = add_node(resources={"late": 1})
        assert driver.wait_for_line("PLACED", 120).split()[1] == node.address


def test_a_cluster_leaves_nothing_behind(start_cluster):
    cluster = start_cluster()
    cluster.add_node()
    processes = [process for node in cluster.nodes for process in node.processes()]
    assert len(processes) > 4  # two raylets, a GCS, a dashboard
    cluster.close()
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)
    assert not cluster.folder.exists()
