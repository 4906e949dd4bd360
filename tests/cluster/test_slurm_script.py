"""deploy/slurm.sh on two nodes, with stand-ins for Slurm's commands: the run gets both nodes, and saves when told."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cluster_network import new_network
from benchmarks.cluster_nodes import Driver, Node, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# Stands for a run: plans with the nodes that it finds, saves on SIGTERM for longer than the 3 s that Ray Jobs grant.
RUN = """
import signal, sys, time

import ray

def save(number, frame):
    print("SAVING", flush=True)
    time.sleep(6)
    print("SAVED", flush=True)
    sys.exit(130)

ray.init(log_to_driver=False)
signal.signal(signal.SIGTERM, save)
print("TRAINING", int(ray.cluster_resources()["CPU"]), *sys.argv[1:], flush=True)
time.sleep(600)
"""
# srun --exclude is how the script reaches the other nodes.
SRUN = """#!/bin/bash
prefix=
while [[ $1 == --* ]]; do [[ $1 == --exclude=* ]] && prefix=$OTHER_NODE; shift; done
exec $prefix "$@"
"""
COMMANDS = {"srun": SRUN, "scontrol": "#!/bin/sh\nprintf 'one\\ntwo\\n'\n", "hostname": "#!/bin/sh\necho $ADDRESS\n"}


@pytest.fixture
def started(root, tmp_path):
    """Start the script in a folder of its own; return its process, what it says, its folder and its node."""
    network = new_network()
    project, commands = tmp_path / "project", tmp_path / "bin"
    project.mkdir()
    (project / "run.py").write_text(RUN)
    commands.mkdir()
    for name, content in COMMANDS.items():
        (commands / name).write_text(content)
        (commands / name).chmod(stat.S_IRWXU)
    (address, prefix), (_, other) = network.join(0), network.join(1)
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment = kept | {
        "CHICANE_TEST_NODE": "slurm",
        "PATH": f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NODELIST": "one,two",
        "SLURM_CPUS_PER_TASK": "2",
        "SLURM_SUBMIT_DIR": str(project),
        "ADDRESS": address,
        "OTHER_NODE": " ".join(other),
    }
    log = tmp_path / "slurm.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*prefix, "bash", str(root / "deploy/slurm.sh"), "experiment=x"],
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    node = Node(0, address, prefix, environment)
    yield process, Driver(process, log), project, node
    node.kill()
    network.close()


def test_a_run_gets_all_nodes_and_saves_before_the_allocation_ends(started):
    process, driver, project, node = started
    line = driver.wait_for_line("TRAINING", 200)
    assert line.split()[1] == "3"  # two cores each, one of them kept for the driver
    assert line.split()[2:] == ["ray=cluster", f"paths.outputs={project}/outputs", "experiment=x"]
    token = project / "outputs" / ".ray_token_7"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    process.send_signal(signal.SIGTERM)  # Slurm's, five minutes before the end: to the script alone
    driver.wait_for_line("SAVED", 60)
    wait_until(lambda: process.poll() is not None, 60, "the script to end")
    assert process.returncode == 0
    assert not token.exists()
    wait_until(lambda: not node.processes(), 30, "the end of Ray's processes")
