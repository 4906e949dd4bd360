"""Vectors of categorical variables."""

import math

import pytest
import torch

from models.world_model.categoricals import balanced_kl, draw, entropy, kl, mixed, one_hot, straight_through


def test_one_percent_is_uniform():
    probabilities = mixed(torch.tensor([0.0, math.log(3.0), -1e9, -1e9]))
    assert probabilities.tolist() == pytest.approx([0.99 * 0.25 + 0.0025, 0.99 * 0.75 + 0.0025, 0.0025, 0.0025])


def test_draws_follow_their_distribution():
    torch.manual_seed(0)
    probabilities = torch.tensor([0.1, 0.0, 0.6, 0.3]).expand(20_000, 4)
    shares = torch.bincount(draw(probabilities), minlength=4) / 20_000
    assert shares.tolist() == pytest.approx([0.1, 0.0, 0.6, 0.3], abs=0.015)


def test_a_draw_is_never_out_of_range_where_the_sum_is_rounded_below_one(monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda *size, device: torch.ones(size))
    assert int(draw(torch.full((1, 3), 0.333))) == 2


def test_the_gradient_of_a_draw_goes_to_its_probabilities():
    probabilities = torch.tensor([[0.2, 0.3, 0.5]], requires_grad=True)
    drawn = straight_through(torch.tensor([1]), probabilities)
    assert drawn.tolist()[0] == pytest.approx([0, 1, 0])
    (drawn * torch.tensor([7.0, 8.0, 9.0])).sum().backward()
    assert probabilities.grad.tolist() == [[7.0, 8.0, 9.0]]


def test_no_value_is_a_row_of_zeros():
    assert one_hot(torch.tensor([-1, 2]), 3).tolist() == [[0, 0, 0], [0, 0, 1]]


def by_hand(left, right):
    return sum(p * math.log(p / q) for ps, qs in zip(left, right, strict=True) for p, q in zip(ps, qs, strict=True))


LEFT, RIGHT = [[0.7, 0.3], [0.1, 0.9]], [[0.2, 0.8], [0.6, 0.4]]


def test_kl_by_hand():
    assert float(kl(torch.tensor(LEFT), torch.tensor(RIGHT))) == pytest.approx(by_hand(LEFT, RIGHT))
    assert by_hand(LEFT, RIGHT) > 1.0


def test_each_of_the_two_losses_trains_its_own_side():
    left, right = torch.tensor(LEFT, requires_grad=True), torch.tensor(RIGHT, requires_grad=True)
    dynamics, representation = balanced_kl(left, right)
    assert dynamics.item() == representation.item() == pytest.approx(by_hand(LEFT, RIGHT))
    assert torch.autograd.grad(dynamics, (left, right), allow_unused=True)[0] is None
    assert torch.autograd.grad(representation, (left, right), allow_unused=True)[1] is None


def test_below_the_free_nats_nothing_is_learnt():
    left, right = torch.tensor([[0.5, 0.5]], requires_grad=True), torch.tensor([[0.4, 0.6]], requires_grad=True)
    dynamics, representation = balanced_kl(left, right)
    assert float(dynamics) == float(representation) == 1.0
    (dynamics + representation).backward()
    assert not left.grad.any()
    assert not right.grad.any()


def test_entropy_in_nats():
    assert float(entropy(torch.tensor([0.25] * 4))) == pytest.approx(math.log(4))
    assert float(entropy(torch.tensor([1.0, 0.0]))) == 0.0


@pytest.mark.parametrize("classes", [2, 8, 16, 33])
def test_probabilities_and_their_gradients_at_any_width(classes):
    """Few values are computed in other operations than many: both against the formula in float64."""
    torch.manual_seed(0)
    logits = (30.0 * torch.randn(5, classes)).requires_grad_()
    exact = logits.detach().double().requires_grad_()
    grad = torch.randn(5, classes)
    expected = 0.99 * exact.exp() / exact.exp().sum(-1, keepdim=True) + 0.01 / classes
    expected.backward(grad.double())
    found = mixed(logits)
    found.backward(grad)
    torch.testing.assert_close(found.detach(), expected.detach().float(), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(logits.grad, exact.grad.float(), rtol=1e-4, atol=1e-6)
    assert torch.isfinite(mixed(torch.full((1, classes), 1e30))).all()
