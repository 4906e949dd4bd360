"""Images of the world model: strided convolutions down to a few pixels, and their mirror image back up."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from models.world_model.folding import transposed
from models.world_model.layers import BlockLinear, Dense, initialise, linear
from models.world_model.norm_silu import NormSiLU

_LEAST, _MOST = 4, 16  # pixels a side that convolutions end with
_KERNEL, _STRIDE, _PADDING = 4, 2, 1  # halves and doubles even sizes exactly
_MULTIPLES = (2, 3, 4, 4)  # channels of each convolution, in `depth`; further ones are as wide as the last


def num_halvings(height: int, width: int) -> int:
    """Return how often an image is halved: as long as both sides are even and stay at least 4 pixels.

    Raises:
        ValueError: That leaves more than 16 pixels a side, or fewer than 4 came in.
    """
    halvings, left = 0, (height, width)
    while not any(side % 2 for side in left) and min(left) >= 2 * _LEAST:
        halvings, left = halvings + 1, (left[0] // 2, left[1] // 2)
    if max(left) > _MOST or min(left) < _LEAST:
        raise ValueError(
            f"The world model's convolutions cannot halve an image of {height}x{width} often enough: {left[0]}x"
            f"{left[1]} pixels are left after {halvings} times, and {_LEAST} to {_MOST} a side are expected. Choose "
            "sides that are multiples of 16, such as env.image_size=64."
        )
    return halvings


class ImageEncoder(nn.Module):
    """Images `(B, H, W, C)` uint8 to tokens `(B, token_dim)` float32.

    Source: Hafner et al. (arXiv 2301.04104v2), its implementation: strided
    convolutions to a few pixels, RMSNorm and SiLU.
    """

    def __init__(self, shape: Sequence[int], depth: int) -> None:
        super().__init__()
        height, width, channels = shape
        self.widths = channel_widths(num_halvings(height, width), depth)
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        for out in self.widths:
            self.convolutions.append(_initialised(nn.Conv2d(channels, out, _KERNEL, _STRIDE, _PADDING)))
            self.norms.append(NormSiLU(out))
            channels = out
        factor = 2 ** len(self.widths)
        self.least = (height // factor, width // factor)
        self.token_dim = channels * math.prod(self.least)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return tokens."""
        x = (pixels.float() / 255.0 - 0.5).permute(0, 3, 1, 2)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = _activated(convolution(x), norm)
        return x.permute(0, 2, 3, 1).flatten(1)


class ImageDecoder(nn.Module):
    """Features of a state to images `(B, H, W, C)` float32, 0 black and 1 white.

    Source: as `ImageEncoder`: transposed strided convolutions, then a sigmoid. The first layer is block-wise from the
    recurrent state, as in the authors' code (`bspace`).
    """

    def __init__(
        self, shape: Sequence[int], depth: int, *, deter: int, latent_dim: int, units: int, num_blocks: int
    ) -> None:
        super().__init__()
        height, width, channels = shape
        widths = channel_widths(num_halvings(height, width), depth)
        factor = 2 ** len(widths)
        self._least = (height // factor, width // factor)
        space = widths[-1] * math.prod(self._least)
        self._deter = deter
        self._num_blocks = math.gcd(num_blocks, widths[-1])
        self.from_deter = BlockLinear(deter, space, self._num_blocks)
        self.from_latent = nn.Sequential(Dense(latent_dim, 2 * units), linear(2 * units, space))
        self.space_norm = NormSiLU(widths[-1])
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        for wide, narrow in zip(widths[::-1], [*widths[-2::-1], channels], strict=True):
            self.convolutions.append(_initialised(nn.ConvTranspose2d(wide, narrow, _KERNEL, _STRIDE, _PADDING)))
        self.norms.extend(NormSiLU(narrow) for narrow in widths[-2::-1])

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return images of features `(B, deter + latent_dim)`."""
        deter, latent = features[:, : self._deter], features[:, self._deter :]
        # Each block of h makes some channels of the whole picture.
        blocks = self.from_deter(deter).unflatten(-1, (self._num_blocks, *self._least, -1))
        x = blocks.permute(0, 2, 3, 1, 4).flatten(3) + self.from_latent(latent).unflatten(-1, (*self._least, -1))
        x = _activated(x.permute(0, 3, 1, 2), self.space_norm)
        for convolution, norm in zip(self.convolutions[:-1], self.norms, strict=True):
            x = _activated(convolution(x), norm)
        last = self.convolutions[-1]
        assert isinstance(last, nn.ConvTranspose2d)
        return transposed(last, x).float().permute(0, 2, 3, 1).sigmoid()


def channel_widths(halvings: int, depth: int) -> list[int]:
    """Return the output channels of so many convolutions."""
    return [depth * _MULTIPLES[min(i, len(_MULTIPLES) - 1)] for i in range(halvings)]


def _activated(x: torch.Tensor, norm: nn.Module) -> torch.Tensor:
    """Normalise planes `(B, C, H, W)` over their channels, which lie last in memory, and apply SiLU."""
    out: torch.Tensor = norm(x.permute(0, 2, 3, 1))
    return out.permute(0, 3, 1, 2)


def _initialised(convolution: nn.Conv2d | nn.ConvTranspose2d) -> nn.Module:
    initialise(convolution.weight, convolution.in_channels * _KERNEL**2)
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    # Channels-last weights: so is what comes out, over whose channels the norms run.
    convolution.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch lacks the stub
    return convolution
