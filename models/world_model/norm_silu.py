"""RMSNorm followed by SiLU, which every hidden layer of the world model ends with."""

import torch
from torch import nn
from torch.nn import functional as F

from models.world_model.compiled_loops import is_for_compiled_loops
from models.world_model.norm_silu_kernels import FusedNormSiLU

EPSILON = 1e-4


class NormSiLU(nn.Module):
    """Divide by the root of the mean square over the last axis, scale each feature, and apply SiLU.

    All is computed in float32; what comes in as bfloat16 leaves so, for the product that follows takes nothing else.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019).
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `(…, D)` float32 or bfloat16 to `(…, D)` of the same type."""
        if is_for_compiled_loops(x):
            out: torch.Tensor = FusedNormSiLU.apply(x, self.scale, EPSILON)
            return out
        return norm_silu(x, self.scale)


def norm_silu(x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Return what `NormSiLU` does, in torch's own operations."""
    wide = x.float()
    out = F.silu(wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + EPSILON) * scale)
    return out.to(x.dtype)
