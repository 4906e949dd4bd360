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
def _load(source: _Array, row: _Array) -> None:
    """Copy a row of float32, or of bfloat16 given as its bits, into float32."""
    if source.itemsize == 2:
        bits = row.view(np.uint32)
        for i in range(len(row)):
            bits[i] = np.uint32(source[i]) << np.uint32(16)
    else:
        for i in range(len(row)):
            row[i] = source[i]


@njit(inline="always")
def _store(row: _Array, target: _Array) -> None:
    """Copy a row of float32 into one of float32, or of bfloat16 by its bits, rounded to the nearest, ties to even."""
    if target.itemsize == 2:
        bits = row.view(np.uint32)
        for i in range(len(row)):
            odd = (bits[i] >> np.uint32(16)) & np.uint32(1)
            target[i] = (bits[i] + np.uint32(0x7FFF) + odd) >> np.uint32(16)
    else:
        for i in range(len(row)):
            target[i] = row[i]


@njit(cache=True, fastmath={"contract", "reassoc", "arcp", "nsz"}, error_model="numpy")
def _forward(x: _Array, scale: _Array, epsilon: np.float32, out: _Array, inverse: _Array) -> None:
    rows, dim = x.shape
    row = np.empty(dim, np.float32)
    for r in range(rows):
        _load(x[r], row)
        total = np.float32(0.0)
        for i in range(dim):
            total += row[i] * row[i]
        factor = _ONE / np.sqrt(total / np.float32(dim) + epsilon)
        inverse[r] = factor
        for i in range(dim):
            y = row[i] * factor * scale[i]
            row[i] = y * _sigmoid(y)
        _store(row, out[r])


@njit(cache=True, fastmath={"contract", "reassoc", "arcp", "nsz"}, error_model="numpy")
def _backward(grad: _Array, x: _Array, scale: _Array, inverse: _Array, out: _Array, scale_grad: _Array) -> None:
    """With n = x / rms and y = scale n: dx = (s dy - n mean(s dy n)) / rms, dscale = sum of dy n over the rows."""
    rows, dim = x.shape
    normed, scaled = np.empty(dim, np.float32), np.empty(dim, np.float32)
    for r in range(rows):
        factor = inverse[r]
        _load(x[r], normed)
        _load(grad[r], scaled)
        dot = np.float32(0.0)
        for i in range(dim):
            n = normed[i] * factor
            y = n * scale[i]
            s = _sigmoid(y)
            dy = scaled[i] * s * (_ONE + y * (_ONE - s))
            scale_grad[i] += dy * n
            ds = dy * scale[i]
            normed[i], scaled[i] = n, ds
            dot += ds * n
        mean = dot / np.float32(dim)
        for i in range(dim):
            scaled[i] = factor * (scaled[i] - normed[i] * mean)
        _store(scaled, out[r])


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
