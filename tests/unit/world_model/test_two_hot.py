"""Numbers as distributions: symlog, the values, means and losses."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.world_model.symlog import symexp, symlog
from models.world_model.two_hot import TwoHot, symexp_bins


@pytest.mark.parametrize(
    ("x", "expected"), [(0.0, 0.0), (math.e - 1, 1.0), (1 - math.e, -1.0), (999.0, math.log(1000))]
)
def test_symlog_by_hand(x, expected):
    assert float(symlog(torch.tensor(x))) == pytest.approx(expected)
    assert float(symexp(symlog(torch.tensor(x)))) == pytest.approx(x)


def test_values_are_symexp_of_evenly_spaced_numbers_and_mirror_each_other():
    bins = symexp_bins()
    assert len(bins) == 255
    for k in (0, 1, 100, 127, 128, 254):
        even = -20 + 40 * k / 254
        assert float(bins[k]) == pytest.approx(math.copysign(math.expm1(abs(even)), even), rel=1e-5, abs=1e-6)
    assert torch.equal(bins, -bins.flip(0))


def two_hot(value, bins):
    """Return the target of one number, as the paper has it, by going through all values."""
    weights = [0.0] * len(bins)
    for k in range(len(bins) - 1):
        low, high = float(bins[k]), float(bins[k + 1])
        if low <= value <= high:
            weights[k], weights[k + 1] = (high - value) / (high - low), (value - low) / (high - low)
            return weights
    raise AssertionError(value)


@given(value=st.floats(-1e6, 1e6, width=32))
def test_the_two_hot_target_is_the_number_in_the_mean(value):
    """A distribution that equals the target has the number as its mean."""
    bins = symexp_bins()
    logits = torch.tensor(two_hot(value, bins)).log().clamp(min=-80.0)
    assert float(TwoHot(logits, bins).mean()) == pytest.approx(value, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.07, -3.2, 900.0, -1e5])
def test_the_loss_is_the_cross_entropy_to_the_target(value):
    bins, logits = symexp_bins(), torch.randn(255)
    log_probs = logits - logits.logsumexp(0)
    expected = -sum(w * float(log_probs[k]) for k, w in enumerate(two_hot(value, bins)) if w)
    assert float(TwoHot(logits, bins).loss(torch.tensor(value))) == pytest.approx(expected, rel=1e-4)


def test_several_targets_cost_what_each_costs():
    logits = torch.randn(3, 255)
    told, slow = TwoHot(logits, symexp_bins()), torch.tensor([0.1, -7.0, 1e9])
    returns = torch.tensor([5.0, 300.0, 0.0])
    torch.testing.assert_close(told.loss(returns, slow), told.loss(returns) + told.loss(slow))


def test_a_mean_in_mixed_precision_is_one_of_float32():
    bins = symexp_bins()
    logits = torch.tensor(two_hot(123.4, bins)).log().clamp(min=-80.0)
    with torch.autocast("cpu", torch.bfloat16):
        assert float(TwoHot(logits, bins).mean()) == pytest.approx(123.4, rel=1e-5)


def test_what_lies_beyond_the_values_counts_as_the_outermost():
    bins, logits = symexp_bins(), torch.randn(2, 255)
    loss = TwoHot(logits, bins).loss(torch.tensor([1e20, -1e20]))
    assert loss.tolist() == pytest.approx([-float(logits[0].log_softmax(0)[-1]), -float(logits[1].log_softmax(0)[0])])


def test_an_untrained_head_says_exactly_zero():
    assert float(TwoHot(torch.zeros(255), symexp_bins()).mean()) == 0.0


def test_it_learns_a_mean_of_two_scales():
    """Half the targets are 0 and half 1000: the mean is learnt, not the logarithm's."""
    bins, logits = symexp_bins(), torch.zeros(255, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(300):
        optimizer.zero_grad()
        TwoHot(logits.expand(2, 255), bins).loss(torch.tensor([0.0, 1000.0])).mean().backward()
        optimizer.step()
    assert float(TwoHot(logits.detach(), bins).mean()) == pytest.approx(500.0, rel=0.02)
