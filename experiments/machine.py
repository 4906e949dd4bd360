"""What Ray may use: this machine, or the nodes of a cluster."""

from dataclasses import dataclass
from typing import Any

import joblib
import psutil

from envs.errors import ConfigError

_FIRST = ("CPU", "GPU", "memory")  # in a list of resources; the others follow by name


@dataclass(frozen=True)
class NodeRoom:
    """What a node has for trials.

    Attributes:
        address: Its IP.
        resources: What Ray knows of it: `CPU`, `GPU`, `memory` in bytes, custom ones; what it has none of is not there.
    """

    address: str
    resources: dict[str, float]

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.address}: {say_resources(self.resources) or 'nothing for trials'}"


@dataclass(frozen=True)
class Machine:
    """One machine, or a cluster of them.

    Attributes:
        num_cpus: Cores that Ray may use, of all nodes.
        node_cpus: Cores of the largest node, on which a trial's learner has to fit; with several learners, of the
            smallest of as many largest nodes.
        num_gpus: GPUs of all nodes.
        memory_bytes: Memory that is free, of all nodes.
        nodes: Of a cluster; none where Ray is started on this machine for the run alone.
    """

    num_cpus: int
    node_cpus: int
    num_gpus: float
    memory_bytes: int
    nodes: tuple[NodeRoom, ...] = ()

    @property
    def is_cluster(self) -> bool:
        """Whether Ray runs already, for others too."""
        return bool(self.nodes)

    def __str__(self) -> str:
        """Name it in an error message."""
        return f"the cluster of {len(self.nodes)} nodes" if self.is_cluster else "this machine"


def available_cores() -> int:
    """Return the cores that this process may use: of the machine, its affinity and its container's quota the least."""
    return int(joblib.cpu_count())


def local_machine(settings: dict[str, Any]) -> Machine:
    """Return this machine, as far as the section `ray` of the config lets Ray use it.

    Raises:
        ConfigError: `ray.num_cpus` are more than there are, or none.
    """
    cores = available_cores()
    asked = settings["num_cpus"]
    if asked is not None and not 1 <= asked <= cores:
        raise ConfigError(f"ray.num_cpus={asked}: this machine has {cores} cores. Choose 1 to {cores}, or null.")
    num_gpus = 0
    if settings["num_gpus"]:
        import torch  # 1 s, spared to those without

        num_gpus = torch.cuda.device_count()
    return Machine(
        num_cpus=cores if asked is None else asked,
        node_cpus=cores,
        num_gpus=num_gpus,
        memory_bytes=psutil.virtual_memory().available,
    )


def say_resources(resources: dict[str, float]) -> str:
    """Return resources as a person writes them: `CPU 8, memory 31.2 GB, trackmania 1`."""
    first = [name for name in _FIRST if resources.get(name)]
    names = [*first, *sorted(name for name, value in resources.items() if value and name not in first)]
    shown = {name: f"{resources[name] / 1e9:.1f} GB" if name == "memory" else f"{resources[name]:g}" for name in names}
    return ", ".join(f"{name} {shown[name]}" for name in names)
