"""The building blocks of the world model: layers with RMSNorm and SiLU, and linear layers in blocks."""

import torch
from torch import nn

from models.world_model.norm_silu import NormSiLU

_TRUNCATION = 1.1368  # by cutting a normal distribution at two deviations its deviation becomes smaller: 1 / 0.8796


@torch.no_grad()
def initialise(weight: torch.Tensor, fan_in: int, scale: float = 1.0) -> None:
    """Draw weights from a normal distribution cut at two deviations, whose variance is scale² / fan_in; 0: zeros."""
    if scale == 0.0:
        nn.init.zeros_(weight)
        return
    deviation = scale * _TRUNCATION / fan_in**0.5
    nn.init.trunc_normal_(weight, 0.0, deviation, -2.0 * deviation, 2.0 * deviation)


def linear(in_dim: int, out_dim: int, scale: float = 1.0) -> nn.Linear:
    """Build a linear layer without a bias at first, and with weights of this scale."""
    layer = nn.Linear(in_dim, out_dim)
    initialise(layer.weight, in_dim, scale)
    nn.init.zeros_(layer.bias)
    return layer


class Dense(nn.Module):
    """A linear layer, RMSNorm and SiLU: `(…, in_dim)` to `(…, out_dim)`, in what products are computed in."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.linear = linear(in_dim, out_dim)
        self.norm = NormSiLU(out_dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply them."""
        out: torch.Tensor = self.norm(self.linear(x))
        return out


def dense_stack(in_dim: int, width: int, num_layers: int) -> nn.Sequential:
    """Build so many `Dense` layers of one width."""
    return nn.Sequential(*(Dense(in_dim if i == 0 else width, width) for i in range(num_layers)))


def dense_head(in_dim: int, width: int, num_layers: int, out_dim: int, scale: float) -> nn.Sequential:
    """Build `dense_stack` with a linear layer of this scale on top."""
    return nn.Sequential(dense_stack(in_dim, width, num_layers), linear(width, out_dim, scale))


class BlockLinear(nn.Module):
    """`G` linear layers side by side, each between its own share of the inputs and of the outputs.

    Args:
        in_dim: Inputs, G times as many as each layer has.
        out_dim: Outputs.
        num_blocks: G.
        fan_in: What the initial weights are drawn for; None: in_dim. That is G times as many inputs as an output has,
            and so in the authors' code: weights begin smaller by the root of G.
        has_bias: Whether there is one.
    """

    def __init__(
        self, in_dim: int, out_dim: int, num_blocks: int, *, fan_in: int | None = None, has_bias: bool = True
    ) -> None:
        super().__init__()
        self._num_blocks = num_blocks
        self.weight = nn.Parameter(torch.empty(num_blocks, in_dim // num_blocks, out_dim // num_blocks))
        initialise(self.weight, fan_in or in_dim)
        self.bias = nn.Parameter(torch.zeros(out_dim)) if has_bias else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `(B, in_dim)` to `(B, out_dim)`, the outputs of the first block first."""
        blocks = x.unflatten(-1, (self._num_blocks, -1)).transpose(0, 1)
        out = torch.bmm(blocks, self.weight).transpose(0, 1).flatten(1)
        return out if self.bias is None else out + self.bias
