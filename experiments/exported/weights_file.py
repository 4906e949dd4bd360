"""The format `safetensors`: the weights of the actor, which needs this suite's classes; header: what they mean."""

from pathlib import Path
from typing import Any, Self

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from experiments.described_policy import Batch
from experiments.exported.exported_policy import ExportedPolicy
from experiments.exported.graph import PolicyGraph
from experiments.policy_description import DESCRIPTION, PolicyDescription


class WeightsPolicy(ExportedPolicy):
    """Drives with the actor that the description builds; so only this suite can, or who writes the network anew."""

    def __init__(self, graph: PolicyGraph, description: PolicyDescription) -> None:
        super().__init__(description, state_dim=graph.state_dim)
        self._graph = graph

    @classmethod
    def write(cls, path: Path, graph: PolicyGraph, space: gym.spaces.Dict, description: PolicyDescription) -> None:
        """Write tensors under their names in the actor, and the description into the header's metadata."""
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in graph.actor.state_dict().items()}
        save_file(weights, path, metadata={DESCRIPTION: description.to_json()})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 # it is no dict
        if DESCRIPTION not in metadata:
            raise ValueError(f"its header has no {DESCRIPTION}, so its weights mean nothing")
        description = PolicyDescription.from_json(metadata[DESCRIPTION])
        actor = description.build_actor()
        actor.load_state_dict(weights)
        return cls(PolicyGraph(actor, description.action_space), description)

    def decide(
        self, batch: Batch, state: npt.NDArray[np.float32], is_first: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]:
        """Run the graph as it was before it was ever exported."""
        return run_in_torch(self._graph, batch, state, is_first)


@torch.no_grad()
def run_in_torch(
    module: torch.nn.Module, batch: Batch, state: npt.NDArray[np.float32], is_first: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]:
    """Call a `PolicyGraph`, or what it became, with arrays; a state of width 0 is neither given nor expected."""
    observation = {name: torch.from_numpy(batch[name]) for name in sorted(batch)}
    if not state.shape[1]:
        return module(observation).numpy(), state
    actions, next_state = module(observation, torch.from_numpy(state), torch.from_numpy(is_first))
    return actions.numpy(), next_state.numpy()
