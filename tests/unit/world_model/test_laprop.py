"""LaProp's steps against its formula, clipping, and gradients that are no numbers."""

import math

import numpy as np
import pytest
import torch

from models.world_model.laprop import LaProp


def test_steps_follow_the_formula():
    random = np.random.default_rng(0)
    start, grads = random.normal(size=5), random.normal(size=(20, 5)) * 0.01  # too small to be clipped
    param = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = LaProp([param], lr=0.1, betas=(0.9, 0.99), eps=1e-8)
    theta, mean, square = start.copy(), np.zeros(5), np.zeros(5)
    for t, g in enumerate(grads, start=1):
        square = 0.99 * square + 0.01 * g**2
        mean = 0.9 * mean + 0.1 * g / (np.sqrt(square / (1 - 0.99**t)) + 1e-8)
        theta = theta - 0.1 * mean / (1 - 0.9**t)
        param.grad = torch.tensor(g)
        optimizer.step()
        np.testing.assert_allclose(param.detach().numpy(), theta, rtol=1e-6)


def test_the_first_step_is_as_long_as_the_learning_rate_whatever_the_gradient():
    for size in (1e-6, 1e6):
        param = torch.nn.Parameter(torch.ones(3))
        param.grad = torch.full((3,), -size)
        LaProp([param], lr=0.25).step()
        assert param.tolist() == pytest.approx([1.25] * 3)


def test_each_tensor_is_clipped_by_its_own_length():
    long, young = torch.nn.Parameter(torch.tensor([3.0, 4.0])), torch.nn.Parameter(torch.zeros(2))
    long.grad, young.grad = torch.tensor([30.0, 40.0]), torch.tensor([0.0, 2.0])
    optimizer = LaProp([long, young], lr=0.0, clip=0.3)
    optimizer.step()
    # Lengths of 0.3 * 5 and of 0.3 * 0.001.
    assert long.grad.tolist() == pytest.approx([0.9, 1.2])
    assert young.grad.tolist() == pytest.approx([0.0, 0.0003])
    assert float(optimizer.norm) == pytest.approx(math.hypot(50.0, 2.0))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_no_number_changes_no_weight(bad):
    params = [torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))]
    optimizer = LaProp(params, lr=0.1)
    for first in (0.1, bad):
        params[0].grad, params[1].grad = torch.tensor([first, 0.1]), torch.tensor([0.1, 0.1])
        before = [param.detach().clone() for param in params]
        optimizer.step()
    assert not torch.isfinite(optimizer.norm)
    assert all(torch.equal(param, old) for param, old in zip(params, before, strict=True))
    params[0].grad, params[1].grad = torch.full((2,), 0.1), torch.full((2,), 0.1)
    optimizer.step()
    assert torch.isfinite(params[0]).all()
    assert (params[0] < before[0]).all()


def test_it_goes_on_from_its_state():
    def run(optimizer, param, grads):
        for grad in grads:
            param.grad = grad.clone()
            optimizer.step()

    torch.manual_seed(0)
    grads = torch.randn(6, 4) * 0.01
    whole, half, rest = (torch.nn.Parameter(torch.ones(4)) for _ in range(3))
    run(LaProp([whole], lr=0.1), whole, grads)
    first = LaProp([half], lr=0.1)
    run(first, half, grads[:3])
    second = LaProp([rest], lr=0.7)
    second.load_state_dict(first.state_dict())
    with torch.no_grad():
        rest.copy_(half)
    run(second, rest, grads[3:])
    assert torch.equal(rest, whole)
