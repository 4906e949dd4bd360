"""The format `pt2`: torch's own exported program, which runs wherever torch does and needs none of our classes."""

import io
import warnings
from pathlib import Path
from typing import Any, Self

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch

from experiments.described_policy import Batch
from experiments.exported.archive_check import read_checked_archive
from experiments.exported.exported_policy import ExportedPolicy
from experiments.exported.graph import PolicyGraph, trace
from experiments.exported.weights_file import run_in_torch
from experiments.policy_description import DESCRIPTION, PolicyDescription


class ProgramPolicy(ExportedPolicy):
    """Drives with a program of torch.export, called `(observation)` or `(observation, state, is_first)`."""

    def __init__(self, module: torch.nn.Module, description: PolicyDescription, *, state_dim: int) -> None:
        super().__init__(description, state_dim=state_dim)
        self._module = module

    @classmethod
    def write(cls, path: Path, graph: PolicyGraph, space: gym.spaces.Dict, description: PolicyDescription) -> None:
        """Write a zip archive: the graph as JSON, weights as raw bytes, the description as `extra/policy.json`.

        torch pickles nothing in it but a program's example inputs, and `trace` takes those away.
        """
        archive = io.BytesIO()  # in one: given a path, torch names the records after it
        torch.export.save(trace(graph, space), archive, extra_files={DESCRIPTION: description.to_json()})
        path.write_bytes(archive.getvalue())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `write` wrote. `torch.export.load` runs code of an archive's choosing: ours is checked first."""
        data = path.read_bytes()
        description = PolicyDescription.from_json(read_checked_archive(data, DESCRIPTION))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own, of the buffers that it wraps without copying
            program = torch.export.load(io.BytesIO(data))
        shapes = {node.name: node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder"}
        state_dim = int(shapes["state"][1]) if "state" in shapes else 0
        return cls(program.module(), description, state_dim=state_dim)

    def decide(
        self, batch: Batch, state: npt.NDArray[np.float32], is_first: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]:
        """Run the program."""
        return run_in_torch(self._module, batch, state, is_first)
