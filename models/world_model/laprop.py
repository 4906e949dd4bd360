"""LaProp with adaptive gradient clipping, the optimiser of DreamerV3."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn


class LaProp(torch.optim.Optimizer):
    """Normalise each gradient by its running size first, and average over time after that.

    With the gradient g of step t, clipped:

        n = β2 n + (1 - β2) g²
        m = β1 m + (1 - β1) g / (sqrt(n / (1 - β2^t)) + ε)
        θ = θ - lr m / (1 - β1^t)

    In Adam a rare large gradient outlives its own normalisation and may explode; here it cannot. Clipping is adaptive:
    the gradient of each tensor is at most `clip` times as long as the tensor itself (or as 0.001, for young zeros).

    A step whose gradients are not all finite moves nothing and counts as one of zeros; `norm` tells, and no GPU waits.

    Attributes:
        norm: `()`, length of the whole gradient of the last step, before clipping.

    Source: Ziyin et al., "LaProp" (2020); AGC of Brock et al., "High-Performance Large-Scale Image
    Recognition Without Normalization" (2021), by tensor instead of by row; numbers of Hafner et al.
    (arXiv 2301.04104v2).
    """

    norm: torch.Tensor

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-20,
        clip: float = 0.3,
        least_length: float = 1e-3,
    ) -> None:
        """Take β1 and β2 as `betas`."""
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "clip": clip, "least_length": least_length, "step": 0}
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override] # nobody re-evaluates
        """Take one step; all parameters must have gradients."""
        for group in self.param_groups:
            self._step_group(group)

    def _step_group(self, group: dict[str, Any]) -> None:
        params: list[torch.Tensor] = [p for p in group["params"] if p.grad is not None]
        grads: list[torch.Tensor] = [p.grad for p in params]  # type: ignore[misc] # asked for in the line above
        lengths = torch.stack(torch._foreach_norm(grads))
        self.norm = torch.linalg.vector_norm(lengths)
        is_finite = torch.isfinite(self.norm)
        limits = group["clip"] * torch.stack(torch._foreach_norm(params)).clamp(min=group["least_length"])
        scales = (limits / lengths.clamp(min=1e-38)).clamp(max=1.0)
        torch._foreach_mul_(grads, list(scales.unbind(0)))
        for grad in grads:  # infinity times 0 is no number: the product does not remove it
            grad.masked_fill_(~is_finite, 0.0)
        squares, means = self._averages(params)
        group["step"] += 1
        beta1, beta2 = group["betas"]
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, grads, grads, value=1.0 - beta2)
        sizes = torch._foreach_sqrt(squares)
        torch._foreach_div_(sizes, (1.0 - beta2 ** group["step"]) ** 0.5)
        torch._foreach_add_(sizes, group["eps"])
        torch._foreach_mul_(means, beta1)
        torch._foreach_addcdiv_(means, grads, sizes, value=1.0 - beta1)
        rate = torch.where(is_finite, group["lr"] / (1.0 - beta1 ** group["step"]), 0.0)
        torch._foreach_sub_(params, torch._foreach_mul(means, rate))

    def _averages(self, params: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        for param in params:
            if not self.state[param]:
                self.state[param] = {"square": torch.zeros_like(param), "mean": torch.zeros_like(param)}
        states = [self.state[param] for param in params]
        return [state["square"] for state in states], [state["mean"] for state in states]
