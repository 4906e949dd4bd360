"""The compiled RMSNorm and SiLU against torch's own operations, forwards and backwards, in both precisions."""

import pytest
import torch

from models.world_model.norm_silu import EPSILON, norm_silu
from models.world_model.norm_silu_kernels import FusedNormSiLU


def both(x, scale, grad):
    """Return outputs and gradients of the compiled and of torch's own."""
    found = []
    for function in (lambda x, s: FusedNormSiLU.apply(x, s, EPSILON), norm_silu):
        inputs = [tensor.clone().requires_grad_() for tensor in (x, scale)]
        out = function(*inputs)
        out.backward(grad)
        found.append((out.detach(), *(tensor.grad for tensor in inputs)))
    return found


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (2, 5, 32), (4, 4, 4, 48), (64, 257), (2, 1408)])
def test_float32(shape):
    torch.manual_seed(0)
    x, scale, grad = 3 * torch.randn(shape), torch.randn(shape[-1]), torch.randn(shape)
    for one, other in zip(*both(x, scale, grad), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_bfloat16_is_rounded_once():
    """Inputs, outputs and gradients are bfloat16, all between is float32: half a unit in the last place apart."""
    torch.manual_seed(0)
    x, grad = (3 * torch.randn(33, 40)).bfloat16(), torch.randn(33, 40).bfloat16()
    compiled, reference = both(x, torch.randn(40), grad)
    for one, other in zip(compiled, reference, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=2**-7, atol=1e-3)
    exact, _ = both(x.float(), torch.ones(40), grad.float())
    rounded, _ = both(x, torch.ones(40), grad)
    assert torch.equal(rounded[0], exact[0].bfloat16())  # to the nearest, ties to even, as torch rounds


@pytest.mark.parametrize("size", [0.0, 1e-6, 1e4, 1e15])
def test_small_and_large_numbers(size):
    x = size * torch.tensor([[1.0, -2.0, 3.0, 0.0]])
    for one, other in zip(*both(x, torch.tensor([1.0, -30.0, 100.0, 1.0]), torch.ones(1, 4)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_is_passed_on(bad):
    out = FusedNormSiLU.apply(torch.tensor([[1.0, bad], [1.0, 2.0]]), torch.ones(2), EPSILON)
    assert not torch.isfinite(out[0]).all()
    assert torch.isfinite(out[1]).all()


def test_rows_that_do_not_lie_in_a_row():
    torch.manual_seed(0)
    x = torch.randn(4, 6, 5).permute(1, 2, 0)
    compiled, reference = both(x, torch.randn(4), torch.randn(6, 5, 4))
    for one, other in zip(compiled, reference, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
