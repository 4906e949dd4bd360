"""Products with one weight at every step of a loop, whose gradient is one product over all steps."""

from typing import Any

import torch
from torch.autograd.function import once_differentiable

_Pairs = list[tuple[torch.Tensor, torch.Tensor]]  # inputs and gradients of outputs, of each step


class StepProduct:
    """Multiply by a weight once at every step of a loop.

    Plain products would leave as many gradients of the weight as there are steps, each as large as the weight itself
    and the product of few rows, to be added up in memory. Here the steps of the backward pass keep their rows, and the
    last one multiplies all of them at once. In mixed precision the weight is cast once, and that product is rounded
    once.

    Made without gradients, it has none later. A backward pass that asks for some inputs alone, not for the weight's
    gradient, would leave its rows to the next one: use `backward`.

    Args:
        weight: `(I, O)`, or of blocks `(G, I, O)`.
        bias: `(O,)`; None: none.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        device = weight.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
        self._weight = weight.detach().to(dtype)
        self._bias = None if bias is None else bias.detach().to(dtype)
        self._pairs: _Pairs = []
        # A number that all products depend on: the backward pass reaches it when the last of them has been there.
        self._root = _Root.apply(weight, bias, self._pairs) if torch.is_grad_enabled() else None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return x `(B, I)`, or `(G, B, I)`, times the weight plus the bias, in what products are computed in."""
        if self._root is None or not torch.is_grad_enabled():
            return _product(x.to(self._weight.dtype), self._weight, self._bias)
        out: torch.Tensor = _Product.apply(x, self._weight, self._bias, self._root, self._pairs)
        return out


def _product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    if bias is None:
        return x @ weight
    return torch.addmm(bias, x, weight) if weight.dim() == 2 else torch.baddbmm(bias, x, weight)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, root: torch.Tensor, pairs: _Pairs
    ) -> torch.Tensor:
        lowered = x.to(weight.dtype)
        ctx.save_for_backward(lowered, weight)
        ctx.pairs, ctx.dtype = pairs, x.dtype
        return _product(lowered, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None, torch.Tensor, None]:
        x, weight = ctx.saved_tensors
        if ctx.needs_input_grad[3]:  # else the weight is frozen, and nobody would fetch these
            ctx.pairs.append((x.detach(), grads[0]))
        return (grads[0] @ weight.mT).to(ctx.dtype), None, None, grads[0].new_zeros((), dtype=torch.float32), None


class _Root(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, bias: torch.Tensor | None, pairs: _Pairs) -> torch.Tensor:  # type: ignore[override]
        ctx.pairs, ctx.dtype, ctx.has_bias = pairs, weight.dtype, bias is not None
        return weight.new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        inputs, outputs = (torch.cat(rows, -2) for rows in zip(*ctx.pairs, strict=True))
        ctx.pairs.clear()  # of this pass: the next one collects its own
        of_bias = outputs.sum(-2, dtype=ctx.dtype) if ctx.has_bias else None
        return (inputs.mT @ outputs).to(ctx.dtype), of_bias, None
