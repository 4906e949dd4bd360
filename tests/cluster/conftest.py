"""A real Ray cluster on one machine: a head for each file of tests, nodes for each test."""

from contextlib import contextmanager

import pytest

from benchmarks.cluster_nodes import RAY, ROOT, Cluster


@pytest.fixture(scope="module")
def start_cluster():
    """Return a function that starts a cluster of a head alone; all end with the module, also when tests fail."""
    clusters = []

    def start(**options):
        clusters.append(Cluster(**options))
        return clusters[-1]

    yield start
    for cluster in reversed(clusters):
        cluster.close()


@pytest.fixture(scope="module")
def local_cluster(start_cluster):
    """A head with one core; tests add nodes and may kill them, not the head."""
    return start_cluster()


@pytest.fixture
def add_node(local_cluster):
    """Return a function that adds a node to the cluster; what is left of it ends with the test."""
    nodes = []

    def add(**options):
        nodes.append(local_cluster.add_node(**options))
        return nodes[-1]

    yield add
    for node in nodes:
        local_cluster.kill_node(node)


@pytest.fixture(scope="session")
def tiny_run():
    """The words of a run that learns nothing, in little time: PPO and a CNN of one layer, on the dummy env."""
    return (
        "env=dummy",
        "env.num_decisions=16",
        "algo=ppo",
        "model=cnn",
        "model.channels=[8]",
        "model.kernels=[8]",
        "model.strides=[8]",
        "model.image_features=16",
        "ray.num_env_runners=1",
        "ray.envs_per_runner=4",
        "algo.training.rollout_steps=32",
        "algo.training.minibatch_size=32",
        "algo.training.epochs=2",
        "checkpoint.every_s=3",
        "evaluation.every_s=600",
        "evaluation.final_episodes=2",
        "evaluation.videos=false",
        "tracking=none",
    )


@pytest.fixture(scope="session")
def submitted():
    """Return a context manager that runs `python run.py` as a Ray Job; leaving it ends the submission, not the job."""

    @contextmanager
    def submit(cluster, *words, options=()):
        command = (*RAY, "job", "submit", "--address", cluster.job_server, "--working-dir", str(ROOT), *options)
        with cluster.running(*command, "--", "python", "run.py", *words) as job:
            yield job

    return submit
