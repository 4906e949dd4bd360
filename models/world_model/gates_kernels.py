"""The gates of the block GRU in one pass over memory, for CPUs: compiled loops forwards and backwards."""

from typing import Any

import numpy as np
import torch
from numba import njit
from torch.autograd.function import once_differentiable

from models.world_model.compiled_loops import ONE, REASSOCIATED, Array, as_array, load, sigmoid, store, tanh


@njit(inline="always")
def _load_gates(gates: Array, bias: Array, block: Array) -> None:
    load(gates, block)
    for i in range(len(bias)):
        block[i] += bias[i]


@njit(cache=True, fastmath=REASSOCIATED, error_model="numpy")
def _forward(gates: Array, bias: Array, deter: Array, out: Array) -> None:
    blocks, rows, triple = gates.shape
    width = triple // 3
    block = np.empty(triple, np.float32)
    reset, candidate, update = block[:width], block[width : 2 * width], block[2 * width :]
    for g in range(blocks):
        for b in range(rows):
            _load_gates(gates[g, b], bias[g], block)
            before, after = deter[b, g * width : (g + 1) * width], out[b, g * width : (g + 1) * width]
            for i in range(width):
                new = tanh(sigmoid(reset[i]) * candidate[i])
                after[i] = before[i] + sigmoid(update[i] - ONE) * (new - before[i])


@njit(cache=True, fastmath=REASSOCIATED, error_model="numpy")
def _backward(
    grad: Array, gates: Array, bias: Array, deter: Array, gates_grad: Array, bias_grad: Array, deter_grad: Array
) -> None:
    """With h' = h + u (c - h), c = tanh(r x): dh = (1 - u) dh', du = (c - h) dh', dc = u dh'."""
    blocks, rows, triple = gates.shape
    width = triple // 3
    block = np.empty(triple, np.float32)
    reset, candidate, update = block[:width], block[width : 2 * width], block[2 * width :]
    for g in range(blocks):
        for b in range(rows):
            _load_gates(gates[g, b], bias[g], block)
            before, after = deter[b, g * width : (g + 1) * width], grad[b, g * width : (g + 1) * width]
            before_grad = deter_grad[b, g * width : (g + 1) * width]
            for i in range(width):
                r, u = sigmoid(reset[i]), sigmoid(update[i] - ONE)
                new = tanh(r * candidate[i])
                inner = u * after[i] * (ONE - new * new)
                before_grad[i] = (ONE - u) * after[i]
                reset[i] = inner * candidate[i] * r * (ONE - r)
                candidate[i] = inner * r
                update[i] = (new - before[i]) * after[i] * u * (ONE - u)
            for i in range(triple):
                bias_grad[g, i] += block[i]
            store(block, gates_grad[g, b])


class FusedGates(torch.autograd.Function):
    """`gated` in this process's memory; each pass reads and writes once."""

    @staticmethod
    def forward(ctx: Any, gates: torch.Tensor, bias: torch.Tensor, deter: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Return what `gated` returns."""
        gates, deter = gates.contiguous(), deter.contiguous()
        out = torch.empty_like(deter)
        _forward(as_array(gates), _of_blocks(bias, gates), as_array(deter), as_array(out))
        ctx.save_for_backward(gates, bias, deter)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the gradients of gates, bias and h."""
        gates, bias, deter = ctx.saved_tensors
        found = torch.empty_like(gates), torch.zeros_like(bias), torch.empty_like(deter)
        _backward(
            as_array(grads[0].contiguous()),
            as_array(gates),
            _of_blocks(bias, gates),
            as_array(deter),
            as_array(found[0]),
            _of_blocks(found[1], gates),
            as_array(found[2]),
        )
        return found


def _of_blocks(bias: torch.Tensor, gates: torch.Tensor) -> Array:
    return as_array(bias.view(len(gates), -1))
