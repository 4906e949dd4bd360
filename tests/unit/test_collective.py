"""Through which of a machine's networks learners talk; what they say is in tests/smoke/test_learner_peers.py."""

import os
import socket
from types import SimpleNamespace

import psutil
import pytest
import torch

from experiments.collective import Collective, interface_towards

LOOPBACK = next(name for name, own in psutil.net_if_addrs().items() if any(one.address == "127.0.0.1" for one in own))


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_interface_is_the_one_with_the_address_that_is_talked_from(monkeypatch):
    assert interface_towards("127.0.0.1:6379") == LOOPBACK
    several = {"slow": ["10.9.9.9"], "fast": ["fe80::1%fast", "127.0.0.1"]}
    monkeypatch.setattr(
        psutil,
        "net_if_addrs",
        lambda: {name: [SimpleNamespace(address=own) for own in addresses] for name, addresses in several.items()},
    )
    assert interface_towards("127.0.0.1:6379") == "fast"
    several.clear()
    assert interface_towards("127.0.0.1:6379") is None


@pytest.mark.parametrize("asked", [None, LOOPBACK])
def test_learners_meet_on_it_unless_somebody_chose_another(monkeypatch, free_port, asked):
    monkeypatch.setattr("experiments.collective.interface_towards", lambda address: LOOPBACK if asked is None else "no")
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        monkeypatch.setenv(name, str(asked))
        if asked is None:
            monkeypatch.delenv(name)
    group = Collective(f"127.0.0.1:{free_port}", 0, 1, torch.device("cpu"))
    try:
        assert group.least(3) == 3
        assert os.environ["GLOO_SOCKET_IFNAME"] == os.environ["NCCL_SOCKET_IFNAME"] == LOOPBACK
    finally:
        group.close()
