"""What the compiled loops of the world model share: activations that vectorise, and bfloat16 by its bits.

Numba's caches know the file of a compiled function, not what it inlines from here: after a change, touch its users.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from numba import njit

Array = npt.NDArray[Any]
REASSOCIATED = {"contract", "reassoc", "arcp", "nsz"}  # fast mathematics that still know what is no number
_FEW_THREADS = 4  # one that passes over memory once keeps up with so many that pass ten times
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
ONE = np.float32(1.0)
_HALF = np.float32(0.5)


@njit(inline="always")
def tanh(x: np.float32) -> np.float32:
    """Return the hyperbolic tangent."""
    x = min(max(x, -_BOUND), _BOUND)
    square = x * x
    p = _P[0]
    for i in range(1, 7):
        p = p * square + _P[i]
    q = _Q[0]
    for i in range(1, 4):
        q = q * square + _Q[i]
    return np.float32(x * p / q)


@njit(inline="always")
def sigmoid(x: np.float32) -> np.float32:
    """Return the logistic function."""
    return np.float32(_HALF + _HALF * tanh(_HALF * x))


@njit(inline="always")
def load(source: Array, block: Array) -> None:
    """Copy float32, or bfloat16 given as its bits, into the beginning of a block of float32."""
    if source.itemsize == 2:
        bits = block.view(np.uint32)
        for i in range(len(source)):
            bits[i] = np.uint32(source[i]) << np.uint32(16)
    else:
        for i in range(len(source)):
            block[i] = source[i]


@njit(inline="always")
def store(block: Array, target: Array) -> None:
    """Copy the beginning of a block into float32, or bfloat16 by its bits, rounded to the nearest, ties to even."""
    if target.itemsize == 2:
        bits = block.view(np.uint32)
        for i in range(len(target)):
            odd = (bits[i] >> np.uint32(16)) & np.uint32(1)
            target[i] = (bits[i] + np.uint32(0x7FFF) + odd) >> np.uint32(16)
    else:
        for i in range(len(target)):
            target[i] = block[i]


def as_array(tensor: torch.Tensor) -> Array:
    """Return a tensor's own memory; of bfloat16, which NumPy lacks, its bits."""
    tensor = tensor.detach()
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def is_for_compiled_loops(x: torch.Tensor) -> bool:
    """Whether compiled loops do best on `x`: on a CPU with few threads, where nothing is traced or exported."""
    is_traced = torch.compiler.is_compiling() or torch.compiler.is_exporting() or torch.jit.is_tracing()
    return x.device.type == "cpu" and not is_traced and torch.get_num_threads() <= _FEW_THREADS
