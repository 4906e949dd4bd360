"""RMSNorm and SiLU in one pass over memory, for CPUs: compiled loops forwards and backwards.

In torch's own operations each hidden layer passes over its outputs some ten times each way, which costs more than the
matrix products in between.
"""

from typing import Any

import numpy as np
import torch
from numba import njit
from torch.autograd.function import once_differentiable

from models.world_model.compiled_loops import ONE, REASSOCIATED, Array, as_array, load, sigmoid, store

# Numbers that are worked on at a time, in rows as whole: narrow ones side by side, for a vector unit wants long loops.
_BLOCK = 512


@njit(cache=True, fastmath=REASSOCIATED, error_model="numpy")
def _forward(x: Array, scale: Array, epsilon: np.float32, out: Array, inverse: Array) -> None:
    rows, dim = x.shape
    together = max(1, _BLOCK // dim)
    flat_x, flat_out, block = x.reshape(-1), out.reshape(-1), np.empty(together * dim, np.float32)
    for first in range(0, rows, together):
        count = min(together, rows - first)
        here = slice(first * dim, (first + count) * dim)
        load(flat_x[here], block)
        for r in range(count):
            row = block[r * dim : (r + 1) * dim]
            total = np.float32(0.0)
            for i in range(dim):
                total += row[i] * row[i]
            factor = ONE / np.sqrt(total / np.float32(dim) + epsilon)
            inverse[first + r] = factor
            for i in range(dim):
                row[i] *= factor * scale[i]
        for i in range(count * dim):
            block[i] *= sigmoid(block[i])
        store(block, flat_out[here])


@njit(cache=True, fastmath=REASSOCIATED, error_model="numpy")
def _backward(grad: Array, x: Array, scale: Array, inverse: Array, out: Array, scale_grad: Array) -> None:
    """With n = x / rms and y = scale n: dx = (s dy - n mean(s dy n)) / rms, dscale = sum of dy n over the rows."""
    rows, dim = x.shape
    together = max(1, _BLOCK // dim)
    flat_grad, flat_x, flat_out = grad.reshape(-1), x.reshape(-1), out.reshape(-1)
    normed, scaled = np.empty(together * dim, np.float32), np.empty(together * dim, np.float32)
    passed = np.empty(together * dim, np.float32)
    for first in range(0, rows, together):
        count = min(together, rows - first)
        here = slice(first * dim, (first + count) * dim)
        load(flat_x[here], normed)
        load(flat_grad[here], passed)
        for r in range(count):
            n, y = normed[r * dim : (r + 1) * dim], scaled[r * dim : (r + 1) * dim]
            for i in range(dim):
                n[i] *= inverse[first + r]
                y[i] = n[i] * scale[i]
        for i in range(count * dim):
            s = sigmoid(scaled[i])
            passed[i] *= s * (ONE + scaled[i] * (ONE - s))
        for r in range(count):
            n, dy = normed[r * dim : (r + 1) * dim], passed[r * dim : (r + 1) * dim]
            dot = np.float32(0.0)
            for i in range(dim):
                scale_grad[i] += dy[i] * n[i]
                dy[i] *= scale[i]
                dot += dy[i] * n[i]
            mean = dot / np.float32(dim)
            for i in range(dim):
                dy[i] = inverse[first + r] * (dy[i] - n[i] * mean)
        store(passed, flat_out[here])


class FusedNormSiLU(torch.autograd.Function):
    """`NormSiLU` on rows `(R, D)` of float32 or bfloat16 in this process's memory; each pass reads and writes once.

    What goes out is of the type that came in; in between all is float32.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, scale: torch.Tensor, epsilon: float) -> torch.Tensor:  # type: ignore[override]
        """Return what `NormSiLU` returns."""
        rows = x.reshape(-1, x.shape[-1]).contiguous()
        out, inverse = torch.empty_like(rows), torch.empty(len(rows))
        _forward(as_array(rows), as_array(scale), np.float32(epsilon), as_array(out), as_array(inverse))
        ctx.save_for_backward(rows, scale, inverse)
        return out.view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Return the gradients of input and scale."""
        rows, scale, inverse = ctx.saved_tensors
        grad = grads[0].reshape(rows.shape).contiguous()
        out, scale_grad = torch.empty_like(rows), torch.zeros_like(scale)
        _backward(*(as_array(tensor) for tensor in (grad, rows, scale, inverse, out, scale_grad)))
        return out.view(grads[0].shape), scale_grad, None
