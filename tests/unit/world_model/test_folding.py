"""A transposed convolution as a product and a sum, against torch's own."""

import pytest
import torch
from torch import nn

from models.world_model.folding import transposed


def made(function, layer, x, grad):
    x = x.clone().requires_grad_()
    layer.zero_grad()
    out = function(x)
    (out * grad).sum().backward()
    return out.detach(), x.grad, layer.weight.grad.clone(), layer.bias.grad.clone()


@pytest.mark.parametrize(("channels", "size"), [(1, (4, 4)), (3, (5, 2))])
def test_it_is_the_layer(channels, size):
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(6, channels, 4, 2, 1)
    x, grad = torch.randn(3, 6, *size), torch.randn(3, channels, 2 * size[0], 2 * size[1])
    folded = made(lambda x: transposed(layer, x), layer, x, grad)
    for one, other in zip(folded, made(layer, layer, x, grad), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_mixed_precision_sums_in_float32():
    torch.manual_seed(0)
    layer, x = nn.ConvTranspose2d(16, 1, 4, 2, 1), torch.randn(2, 16, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        out = transposed(layer, x.bfloat16())
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, layer(x), rtol=0.02, atol=0.02)
    grad = torch.ones_like(out)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = made(lambda x: transposed(layer, x.bfloat16()), layer, x, grad)
    for one, other in zip(mixed, made(layer, layer, x, grad), strict=True):
        torch.testing.assert_close(one, other, rtol=0.03, atol=0.05)
