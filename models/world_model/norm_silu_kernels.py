"""RMSNorm and SiLU in one pass over memory, for CPUs: compiled loops forwards and backwards.

In torch's own operations each hidden layer passes over its outputs some ten times each way, which costs more than the
matrix products in between.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from numba import njit

_Array = npt.NDArray[Any]
# tanh(x) is x p(x²) / q(x²) within 3e-7 for |x| < 7.9, and ±1 beyond in float32. Source: Eigen, `ptanh_float`.
_BOUND = np.float32(7.90531110763549805)
_P = tuple(
    np.float32(c)
    for c in (
        -2.76076847742355e-16,
        2.00018790482477e-13,
        -8.60467152213735e-11,
        5.12229709037114e-08,
        1.48572235717979e-05,
        6.37261928875436e-04,
        4.89352455891786e-03,
    )
)
_Q = tuple(
    np.float32(c) for c in (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)
)
_HALF, _ONE = np.float32(0.5), np.float32(1.0)
# Numbers that are worked on at a time, in rows as whole: narrow ones side by side, for a vector unit wants long loops.
_BLOCK = 512


@njit(inline="always", fastmath=True)
def _sigmoid(x: np.float32) -> np.float32:
    half = min(max(_HALF * x, -_BOUND), _BOUND)
    square = half * half
    p = _P[0]
    for i in range(1, 7):
        p = p * square + _P[i]
    q = _Q[0]
    for i in range(1, 4):
        q = q * square + _Q[i]
    return np.float32(_HALF + _HALF * (half * p / q))


@njit(inline="always")
def _load(source: _Array, block: _Array) -> None:
    """Copy float32, or bfloat16 given as its bits, into the beginning of a block of float32."""
    if source.itemsize == 2:
        bits = block.view(np.uint32)
        for i in range(len(source)):
            bits[i] = np.uint32(source[i]) << np.uint32(16)
    else:
        for i in range(len(source)):
            block[i] = source[i]


@njit(inline="always")
def _store(block: _Array, target: _Array) -> None:
    """Copy the beginning of a block into float32, or bfloat16 by its bits, rounded to the nearest, ties to even."""
    if target.itemsize == 2:
        bits = block.view(np.uint32)
        for i in range(len(target)):
            odd = (bits[i] >> np.uint32(16)) & np.uint32(1)
            target[i] = (bits[i] + np.uint32(0x7FFF) + odd) >> np.uint32(16)
    else:
        for i in range(len(target)):
            target[i] = block[i]


@njit(cache=True, fastmath={"contract", "reassoc", "arcp", "nsz"}, error_model="numpy")
def _forward(x: _Array, scale: _Array, epsilon: np.float32, out: _Array, inverse: _Array) -> None:
    rows, dim = x.shape
    together = max(1, _BLOCK // dim)
    flat_x, flat_out, block = x.reshape(-1), out.reshape(-1), np.empty(together * dim, np.float32)
    for first in range(0, rows, together):
        count = min(together, rows - first)
        here = slice(first * dim, (first + count) * dim)
        _load(flat_x[here], block)
        for r in range(count):
            row = block[r * dim : (r + 1) * dim]
            total = np.float32(0.0)
            for i in range(dim):
                total += row[i] * row[i]
            factor = _ONE / np.sqrt(total / np.float32(dim) + epsilon)
            inverse[first + r] = factor
            for i in range(dim):
                row[i] *= factor * scale[i]
        for i in range(count * dim):
            block[i] *= _sigmoid(block[i])
        _store(block, flat_out[here])


@njit(cache=True, fastmath={"contract", "reassoc", "arcp", "nsz"}, error_model="numpy")
def _backward(grad: _Array, x: _Array, scale: _Array, inverse: _Array, out: _Array, scale_grad: _Array) -> None:
    """With n = x / rms and y = scale n: dx = (s dy - n mean(s dy n)) / rms, dscale = sum of dy n over the rows."""
    rows, dim = x.shape
    together = max(1, _BLOCK // dim)
    flat_grad, flat_x, flat_out = grad.reshape(-1), x.reshape(-1), out.reshape(-1)
    normed, scaled = np.empty(together * dim, np.float32), np.empty(together * dim, np.float32)
    passed = np.empty(together * dim, np.float32)
    for first in range(0, rows, together):
        count = min(together, rows - first)
        here = slice(first * dim, (first + count) * dim)
        _load(flat_x[here], normed)
        _load(flat_grad[here], passed)
        for r in range(count):
            n, y = normed[r * dim : (r + 1) * dim], scaled[r * dim : (r + 1) * dim]
            for i in range(dim):
                n[i] *= inverse[first + r]
                y[i] = n[i] * scale[i]
        for i in range(count * dim):
            s = _sigmoid(scaled[i])
            passed[i] *= s * (_ONE + scaled[i] * (_ONE - s))
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
        _store(passed, flat_out[here])


class FusedNormSiLU(torch.autograd.Function):
    """`NormSiLU` on rows `(R, D)` of float32 or bfloat16 in this process's memory; each pass reads and writes once.

    What goes out is of the type that came in; in between all is float32.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, scale: torch.Tensor, epsilon: float) -> torch.Tensor:  # type: ignore[override]
        """Return what `NormSiLU` returns."""
        rows = x.reshape(-1, x.shape[-1]).contiguous()
        out, inverse = torch.empty_like(rows), torch.empty(len(rows))
        _forward(_array(rows), _array(scale), np.float32(epsilon), _array(out), _array(inverse))
        ctx.save_for_backward(rows, scale, inverse)
        return out.view(x.shape)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Return the gradients of input and scale."""
        rows, scale, inverse = ctx.saved_tensors
        grad = grads[0].reshape(rows.shape).contiguous()
        out, scale_grad = torch.empty_like(rows), torch.zeros_like(scale)
        _backward(*(_array(tensor) for tensor in (grad, rows, scale, inverse, out, scale_grad)))
        return out.view(grads[0].shape), scale_grad, None


def _array(tensor: torch.Tensor) -> _Array:
    """Return a tensor's own memory; of bfloat16, which NumPy lacks, its bits."""
    tensor = tensor.detach()
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()
