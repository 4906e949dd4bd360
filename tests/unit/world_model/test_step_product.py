"""Products in a loop against plain ones: values, and gradients of inputs, weights and biases."""

import pytest
import torch

from models.world_model.step_product import StepProduct


def rolled(step, weight, bias, first, steps=5):
    """Return what a small recurrence says and the gradients of all that it depends on."""
    leaves = [tensor.clone().requires_grad_() for tensor in (weight, bias, first)]
    multiply, x = step(leaves[0], leaves[1]), leaves[2]
    outs = []
    for _ in range(steps):
        x = torch.tanh(multiply(x))
        outs.append(x)
    total = torch.stack(outs).square().sum()
    total.backward()
    return total.detach(), *(leaf.grad for leaf in leaves)


@pytest.mark.parametrize("shape", [(6, 6), (2, 6, 6)])
def test_a_loop_has_the_gradients_of_plain_products(shape):
    torch.manual_seed(0)
    weight, bias, first = torch.randn(shape), torch.randn(6), torch.randn(*shape[:-2], 3, 6)
    plain = rolled(lambda w, b: lambda x: x @ w + b, weight, bias, first)
    for one, other in zip(rolled(StepProduct, weight, bias, first), plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_each_backward_pass_counts_once():
    """Losses of the same steps one after the other: what the first pass left must not come again."""
    weight = torch.randn(4, 4, requires_grad=True)
    out = StepProduct(weight)(torch.randn(2, 4)).sum()
    out.backward(retain_graph=True)
    once = weight.grad.clone()
    out.backward()
    torch.testing.assert_close(weight.grad, 2 * once)


def test_a_frozen_weight_keeps_no_rows():
    multiply = StepProduct(torch.randn(4, 4))
    x = torch.randn(2, 4, requires_grad=True)
    multiply(x).sum().backward()
    assert x.grad is not None
    assert not multiply._pairs


def test_mixed_precision_rounds_the_weights_gradient_once():
    """512 equal steps whose gradients, added one by one in bfloat16, would stop growing at a power of two."""
    weight = torch.zeros(1, 1, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        multiply = StepProduct(weight)
        outs = [multiply(torch.full((1, 1), 1.5)) for _ in range(512)]
    assert outs[0].dtype == torch.bfloat16
    torch.stack(outs).float().sum().backward()
    assert float(weight.grad) == 768.0


def test_without_gradients_it_is_a_product():
    weight, x = torch.randn(4, 3), torch.randn(2, 4)
    with torch.no_grad():
        torch.testing.assert_close(StepProduct(weight)(x), x @ weight)
