"""The gates of the block GRU: how its state follows from the last one and from what its last layer says."""

import torch

from models.world_model.compiled_loops import is_for_compiled_loops
from models.world_model.gates_kernels import FusedGates


def gated(gates: torch.Tensor, bias: torch.Tensor, deter: torch.Tensor) -> torch.Tensor:
    """Return h `(B, D)` after h `(B, D)`, in float32.

    Args:
        gates: `(G, B, 3 D / G)`: for each block reset, candidate and update, float32 or bfloat16.
        bias: `(3 D,)` of them, the first block's first.
        deter: h `(B, D)` float32.

    Source: Hafner et al. (arXiv 2301.04104v2), "World model learning"; as in the authors' code the reset gate acts on
    the candidate, and the update gate begins nearly shut (-1).
    """
    if is_for_compiled_loops(gates):
        out: torch.Tensor = FusedGates.apply(gates, bias, deter)
        return out
    return in_torch(gates, bias, deter)


def in_torch(gates: torch.Tensor, bias: torch.Tensor, deter: torch.Tensor) -> torch.Tensor:
    """Return what `gated` does, in torch's own operations."""
    wide = gates.float().transpose(0, 1) + bias.view(len(gates), -1)
    reset, candidate, update = (gate.flatten(1) for gate in wide.unflatten(-1, (3, -1)).unbind(2))
    return torch.lerp(deter, torch.tanh(torch.sigmoid(reset) * candidate), torch.sigmoid(update - 1.0))
