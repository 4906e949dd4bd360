"""What the learners of one trial agree on: averaged gradients, equal numbers of steps, moments over all their data."""

import os
import socket
from collections.abc import Iterable
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import psutil
import torch
import torch.distributed

# A learner that waits longer for the others gives up: one of them is lost.
TIMEOUT_S = 180.0


class Collective:
    """A learner's end of the group of a trial's learners; every call must be made by all of them.

    Args:
        address: `HOST:PORT` at which the first of them listens.
        rank: Of this one, from 0 on.
        size: How many they are.
        device: What they learn on: GPUs talk through NCCL, CPUs through Gloo.
    """

    def __init__(self, address: str, rank: int, size: int, device: torch.device) -> None:
        self.size, self._device = size, device
        interface = interface_towards(address)
        if interface is not None:  # else Gloo takes that of the machine's name, which is often loopback
            os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
            os.environ.setdefault("NCCL_SOCKET_IFNAME", interface)
        torch.distributed.init_process_group(
            backend="nccl" if device.type == "cuda" else "gloo",
            init_method=f"tcp://{address}",
            rank=rank,
            world_size=size,
            timeout=timedelta(seconds=TIMEOUT_S),
        )

    def average_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace every gradient by the mean over all learners, in one message."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        torch.distributed.all_reduce(flat)
        flat /= self.size
        for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def least(self, number: int) -> int:
        """Return the smallest of the learners' numbers."""
        shared = torch.tensor(number, dtype=torch.int64, device=self._device)
        torch.distributed.all_reduce(shared, op=torch.distributed.ReduceOp.MIN)
        return int(shared)

    def moments(self, values: npt.NDArray[np.float32]) -> tuple[float, float]:
        """Return mean and standard deviation over the values of all learners."""
        local = (values.size, float(values.sum(dtype=np.float64)), float(np.square(values, dtype=np.float64).sum()))
        shared = torch.tensor(local, dtype=torch.float64, device=self._device)
        torch.distributed.all_reduce(shared)
        count, total, squares = shared.tolist()
        mean = total / count
        return mean, max(0.0, squares / count - mean**2) ** 0.5

    def close(self) -> None:
        """Leave the group."""
        torch.distributed.destroy_process_group()


def interface_towards(address: str) -> str | None:
    """Return the network interface through which this machine reaches `HOST:PORT`; None: it has no such name."""
    host, _, port = address.rpartition(":")
    family, kind, protocol, _, target = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.connect(target)  # sends nothing
        own = probe.getsockname()[0]
    for name, addresses in psutil.net_if_addrs().items():
        if any(one.address.partition("%")[0] == own for one in addresses):
            return str(name)
    return None
