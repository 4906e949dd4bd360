"""A transposed convolution to few channels, for CPUs: one product and a sum of what overlaps.

A picture has one or three channels, and a convolution's vector units want sixteen: there they do a sixth of their work.
"""

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_NONE = [0, 0]


def transposed(layer: nn.ConvTranspose2d, x: torch.Tensor) -> torch.Tensor:
    """Return what `layer` makes of `(B, C, H, W)`, in float32 on a CPU; elsewhere it is the layer itself.

    Its stride and padding count; it must have no groups, dilation or output padding.
    """
    if x.device.type != "cpu":
        out: torch.Tensor = layer(x)
        return out
    assert layer.bias is not None
    weight = layer.weight.to(x.dtype)
    return _Folded.apply(x, weight, layer.stride, layer.padding) + layer.bias[:, None, None]  # type: ignore[no-any-return]


class _Folded(torch.autograd.Function):
    """The product and the sum forwards; backwards the layer's own convolutions, which are fast."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, stride: tuple[int, int], padding: tuple[int, int]
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.steps = [list(stride), list(padding), [1, 1]]
        height, width = ((n - 1) * s - 2 * p + k for n, s, p, k in zip(
            x.shape[2:], stride, padding, weight.shape[2:], strict=True
        ))  # fmt: skip
        patches = weight.flatten(1).T @ x.permute(0, 2, 3, 1).flatten(1, 2).mT
        return F.fold(patches.float(), (height, width), weight.shape[2:], padding=padding, stride=stride)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None]:
        x, weight = ctx.saved_tensors
        grad = grads[0].to(x.dtype)
        of_x, of_weight, _ = torch.ops.aten.convolution_backward(
            grad, x, weight, None, *ctx.steps, True, _NONE, 1, [True, True, False]
        )
        return of_x, of_weight, None, None
