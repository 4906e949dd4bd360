"""The building blocks that encoders and heads share."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn


def orthogonal(layer: nn.Linear | nn.Conv2d, gain: float = 2.0**0.5) -> nn.Linear | nn.Conv2d:
    """Initialise a layer with orthogonal weights of this gain and no bias, and return it (Saxe et al., 2014)."""
    nn.init.orthogonal_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class PixelConv2d(nn.Conv2d):
    """A convolution over pixels of 0 … 255 that acts as one over 0 … 1: scaling its weights spares every pixel."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve pixels `(B, C, H, W)`."""
        return self._conv_forward(x, self.weight / 255.0, self.bias)


def floats(pixels: torch.Tensor) -> torch.Tensor:
    """Cast uint8 pixels, unscaled, to what products are computed in here; bfloat16 holds all of 0 … 255 exactly."""
    device = pixels.device.type
    is_half = torch.is_autocast_enabled(device)
    return pixels.to(torch.get_autocast_dtype(device) if is_half else torch.float32)


def mlp(in_dim: int, hidden: Sequence[int], out_dim: int, out_gain: float = 1.0) -> nn.Sequential:
    """Build a multi-layer perceptron with ReLU between its layers and a linear output of `out_gain`."""
    width = hidden[-1] if hidden else in_dim
    return nn.Sequential(*fully_connected(in_dim, hidden), orthogonal(nn.Linear(width, out_dim), out_gain))


def fully_connected(in_dim: int, widths: Sequence[int]) -> nn.Sequential:
    """Build linear layers of these widths, a ReLU after each."""
    check_sizes(hidden=widths)
    layers: list[nn.Module] = []
    for in_width, out_width in pairwise([in_dim, *widths]):
        layers += [orthogonal(nn.Linear(in_width, out_width)), nn.ReLU()]
    return nn.Sequential(*layers)


class Latent(nn.Sequential):
    """A linear layer, LayerNorm and tanh; what follows the product is computed in float32."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__(orthogonal(nn.Linear(in_dim, out_dim), 1.0), nn.LayerNorm(out_dim), nn.Tanh())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `(…, in_dim)` to `(…, out_dim)` in [-1, 1]."""
        linear, normalise, squash = self
        features: torch.Tensor = squash(normalise(linear(x).float()))
        return features


def check_sizes(**sizes: Sequence[int] | int) -> None:
    """Raise a ValueError that names the first size below 1."""
    for name, size in sizes.items():
        if any(value < 1 for value in (size if isinstance(size, Sequence) else [size])):
            raise ValueError(f"{name}={size}: sizes must be at least 1.")


class EnsembleLinear(nn.Module):
    """`E` linear layers of the same size in one batched product: `(E, B, in)` to `(E, B, out)`."""

    def __init__(self, *, num_members: int, in_dim: int, out_dim: int, gain: float = 2.0**0.5) -> None:
        super().__init__()
        weights = [orthogonal(nn.Linear(in_dim, out_dim), gain).weight.detach().T for _ in range(num_members)]
        self.weight = nn.Parameter(torch.stack(weights).contiguous())
        self.bias = nn.Parameter(torch.zeros(num_members, 1, out_dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply member e to `x[e]`."""
        return torch.baddbmm(self.bias, x, self.weight)
