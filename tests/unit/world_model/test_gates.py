"""The compiled gates of the GRU against torch's own operations, forwards and backwards, in both precisions."""

import pytest
import torch

from models.world_model.gates import in_torch
from models.world_model.gates_kernels import FusedGates


def both(gates, bias, deter, grad):
    """Return outputs and gradients of the compiled and of torch's own."""
    found = []
    for function in (FusedGates.apply, in_torch):
        inputs = [tensor.clone().requires_grad_() for tensor in (gates, bias, deter)]
        out = function(*inputs)
        out.backward(grad)
        found.append((out.detach(), *(tensor.grad for tensor in inputs)))
    return found


def made(blocks, rows, width):
    torch.manual_seed(0)
    deter, grad = torch.rand(rows, blocks * width) * 2 - 1, torch.randn(rows, blocks * width)
    return 3 * torch.randn(blocks, rows, 3 * width), torch.randn(3 * blocks * width), deter, grad


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 3, 5), (8, 16, 64)])
def test_float32(sizes):
    for one, other in zip(*both(*made(*sizes)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_bfloat16():
    gates, *rest = made(4, 6, 8)
    for one, other in zip(*both(gates.bfloat16(), *rest), strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=2**-7, atol=1e-3)


def test_shut_and_open_gates():
    """An update gate of -1e4 keeps h, one of 1e4 takes the candidate."""
    deter = torch.tensor([[0.25, -0.5]])
    for update, expected in ((-1e4, deter), (1e4, torch.full((1, 2), torch.tanh(torch.tensor(0.5)).item()))):
        gates = torch.tensor([[[0.0, 0.0, 1.0, 1.0, update, update]]])  # the reset gate lets half through
        torch.testing.assert_close(FusedGates.apply(gates, torch.zeros(6), deter), expected)
