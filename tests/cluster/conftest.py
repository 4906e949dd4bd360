"""A real Ray cluster on one machine: a head for each file of tests, nodes for each test."""

import pytest

from benchmarks.cluster_nodes import Cluster


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
