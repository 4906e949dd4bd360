"""Before Ray connects with a cluster: what an address means, and who answers there."""

import platform
import socket
import time

import pytest
import ray

from envs.errors import ConfigError
from experiments import cluster_probe
from experiments.cluster_probe import check_answer, find_cluster


@pytest.mark.parametrize("address", ["10.0.0.5", "head", "10.0.0.5:", ":6379", "10.0.0.5:x", "h:0", "h:65536", "h:²"])
def test_an_address_is_a_host_and_a_port(address):
    with pytest.raises(ConfigError, match=r"ray\.address=.*expected auto or HOST:PORT"):
        find_cluster(address)


def test_clients_that_end_with_their_terminal_are_refused_with_what_to_do():
    with pytest.raises(ConfigError, match="ray job submit"):
        find_cluster("ray://10.0.0.5:10001")


def test_auto_is_the_cluster_of_the_job(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.5:6379")
    assert find_cluster("auto") == "10.0.0.5:6379"
    assert find_cluster("10.0.0.6:6380") == "10.0.0.6:6380"


@pytest.mark.parametrize(
    ("address", "words"), [("ray://10.0.0.5:10001", "ray job submit"), ("auto", "expected auto or HOST:PORT")]
)
def test_an_address_that_the_environment_brought_is_named_with_it(monkeypatch, address, words):
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ConfigError, match=rf"ray\.address=auto with RAY_ADDRESS={address}: .*{words}"):
        find_cluster("auto")


def test_a_name_that_no_host_can_have_is_refused():
    with pytest.raises(ConfigError, match=r"Nobody answers at head\.\.local:6379"):
        check_answer("head..local:6379", 5.0)


def test_auto_is_the_one_cluster_of_this_machine(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("ray._private.services.find_gcs_addresses", lambda: {"127.0.0.1:42033", "10.0.0.1:6379"})
    assert find_cluster("auto") == "10.0.0.1:6379"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (set(), "none runs on this machine"),
        ({"127.0.0.1:42033"}, "none runs on this machine"),  # a run's own Ray
        ({"10.0.0.1:6379", "10.0.0.1:7000"}, "2 clusters run on this machine: 10.0.0.1:6379, 10.0.0.1:7000"),
    ],
)
def test_auto_without_a_cluster_or_with_several_says_so(monkeypatch, found, words):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("ray._private.services.find_gcs_addresses", lambda: found)
    with pytest.raises(ConfigError, match=words):
        find_cluster("auto")


def test_a_closed_port_is_refused_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        began = time.monotonic()
        with pytest.raises(ConfigError, match="Nobody answers"):
            check_answer(f"127.0.0.1:{taken.getsockname()[1]}", 5.0)
    assert time.monotonic() - began < 2.0


def test_a_listener_that_is_no_ray_is_given_up():
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(ConfigError, match=r"within 1 s \(ray\.start_timeout_s\)"):
            check_answer(f"127.0.0.1:{mute.getsockname()[1]}", 1.0)


@pytest.mark.parametrize("name", ["ray_version", "python_version"])
def test_another_version_is_refused_with_both(name):
    cluster = {"ray_version": ray.__version__, "python_version": platform.python_version()}
    cluster_probe._check_versions("10.0.0.5:6379", cluster)
    with pytest.raises(ConfigError) as refusal:
        cluster_probe._check_versions("10.0.0.5:6379", cluster | {name: "1.2.3"})
    assert "1.2.3" in str(refusal.value)
    assert cluster[name] in str(refusal.value)


def test_a_head_that_has_not_said_its_versions_is_not_up_yet():
    with pytest.raises(ConfigError, match="not up yet"):
        cluster_probe._check_versions("10.0.0.5:6379", None)
