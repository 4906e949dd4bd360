"""Densities, entropies and modes of the action distributions, against torch.distributions and by integration."""

import math

import pytest
import torch
from torch.distributions import AffineTransform, Beta, Independent, Normal, TanhTransform, TransformedDistribution
from torch.nn import functional as F

from models.distributions import BetaActions, SquashedGaussianActions
from models.heads import BetaHead, SquashedGaussianHead

BETA_OUTPUTS = torch.tensor([[-3.0, 0.0, 4.0, 1.0], [0.0, 0.0, 0.0, 0.0], [6.0, -6.0, -2.0, 2.0]])  # (B, 2A), A = 2
MEAN = torch.tensor([[0.0, 0.8], [-1.5, 0.3], [2.0, -0.1]])
LOG_STD = torch.tensor([[0.0, -1.0], [-0.5, 0.4], [-2.0, 0.0]])


def beta():
    return BetaActions(BETA_OUTPUTS)


def gaussian():
    return SquashedGaussianActions(MEAN, LOG_STD)


def torch_beta():
    """Parameters above 1, the first A outputs for alpha, the last for beta, from [0, 1] onto [-1, 1]."""
    unit = Beta(1 + F.softplus(BETA_OUTPUTS[:, :2]), 1 + F.softplus(BETA_OUTPUTS[:, 2:]))
    return Independent(TransformedDistribution(unit, AffineTransform(-1.0, 2.0)), 1)


def torch_gaussian():
    return Independent(TransformedDistribution(Normal(MEAN, LOG_STD.exp()), TanhTransform()), 1)


KINDS = pytest.mark.parametrize(("ours", "peer"), [(beta, torch_beta), (gaussian, torch_gaussian)])
OURS = pytest.mark.parametrize("ours", [beta, gaussian])


def in_one_dimension(ours):
    """One component, its actions as a fine grid of midpoints over [-1, 1]."""
    num_cells = 200_000
    grid = (torch.arange(num_cells, dtype=torch.float64) + 0.5) * 2 / num_cells - 1
    if ours is beta:
        distribution = BetaActions(torch.tensor([[0.7, 2.5]], dtype=torch.float64))
    else:
        distribution = SquashedGaussianActions(torch.tensor([[0.4]]).double(), torch.tensor([[-0.6]]).double())
    return distribution, grid[:, None], 2 / num_cells


@KINDS
def test_densities_are_torchs(ours, peer):
    torch.manual_seed(0)
    for _ in range(20):
        actions = torch.rand(3, 2) * 1.98 - 0.99
        torch.testing.assert_close(ours().log_prob(actions), peer().log_prob(actions), rtol=1e-4, atol=1e-4)


@KINDS
def test_samples_come_from_the_distribution(ours, peer):
    """Their mean, within five standard errors of as many of torch's."""
    torch.manual_seed(1)
    drawn = torch.stack([ours().sample() for _ in range(4000)])
    expected = peer().sample((4000,))
    assert drawn.abs().max() <= 1
    error = (drawn.var(0) / 4000 + expected.var(0) / 4000).sqrt()
    assert ((drawn.mean(0) - expected.mean(0)).abs() < 5 * error).all()
    assert not drawn.requires_grad


@OURS
def test_densities_integrate_to_one(ours):
    distribution, grid, cell = in_one_dimension(ours)
    assert (distribution.log_prob(grid).exp() * cell).sum().item() == pytest.approx(1.0, abs=1e-4)


@OURS
def test_entropy_is_the_integral(ours):
    distribution, grid, cell = in_one_dimension(ours)
    log_density = distribution.log_prob(grid)
    integral = -(log_density.exp() * log_density * cell).sum().item()
    if ours is beta:
        assert distribution.entropy().item() == pytest.approx(integral, abs=1e-4)
        return
    torch.manual_seed(2)  # an estimate of one sample a row: average many rows
    rows = SquashedGaussianActions(torch.full((20_000, 1), 0.4), torch.full((20_000, 1), -0.6))
    estimates = rows.entropy()
    assert estimates.shape == (20_000,)
    assert estimates.mean().item() == pytest.approx(integral, abs=5 * estimates.std().item() / math.sqrt(20_000))


@OURS
def test_densities_at_the_bounds_and_their_gradients_are_finite(ours):
    parameters = (BETA_OUTPUTS if ours is beta else torch.cat([MEAN, LOG_STD], 1)).clone().requires_grad_()
    for bound in (-1.0, 1.0):
        distribution = BetaActions(parameters) if ours is beta else SquashedGaussianActions(*parameters.chunk(2, 1))
        log_probs = distribution.log_prob(torch.full((3, 2), bound))
        assert log_probs.isfinite().all()
        (gradient,) = torch.autograd.grad(log_probs.sum(), parameters)
        assert gradient.isfinite().all()


@pytest.mark.parametrize("mean", [-30.0, 30.0])
def test_a_saturated_gaussian_stays_finite(mean):
    raw = torch.full((4, 2), mean, requires_grad=True)
    actions, log_probs = SquashedGaussianActions(raw, torch.zeros(4, 2)).reparameterised()
    assert log_probs.isfinite().all()
    (gradient,) = torch.autograd.grad(log_probs.sum() + actions.sum(), raw)
    assert gradient.isfinite().all()


def test_deterministic_actions():
    """Beta's is its mean alpha / (alpha + beta), on [-1, 1]; the Gaussian's the squashed mean."""
    alpha, beta_ = 1 + math.log1p(math.e), 1 + math.log1p(math.exp(-2))
    action = BetaActions(torch.tensor([[1.0, -2.0]])).mode()
    assert action.item() == pytest.approx(2 * alpha / (alpha + beta_) - 1, abs=1e-6)
    assert BetaActions(torch.zeros(1, 2)).mode().item() == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(gaussian().mode(), torch.tanh(MEAN))


@pytest.mark.parametrize("outputs", [(-3.0, 3.0), (3.0, -3.0), (-6.0, -5.0), (5.0, 4.0)])
def test_beta_is_unimodal(outputs):
    """Along [-1, 1] the density rises and then falls."""
    grid = torch.linspace(-0.999, 0.999, 500, dtype=torch.float64)[:, None]
    slope = BetaActions(torch.tensor([outputs], dtype=torch.float64)).log_prob(grid).diff()
    assert (slope.sign().diff() != 0).sum() == 1
    assert slope[0] > 0 > slope[-1]


def test_reparameterised_actions_carry_gradients():
    mean, log_std = MEAN.clone().requires_grad_(), LOG_STD.clone().requires_grad_()
    torch.manual_seed(3)
    actions, log_probs = SquashedGaussianActions(mean, log_std).reparameterised()
    torch.testing.assert_close(log_probs, torch_gaussian().log_prob(actions), rtol=1e-3, atol=1e-3)
    to_mean, to_log_std = torch.autograd.grad(actions.sum(), (mean, log_std))
    # By hand: a = tanh(m + s e), so da/dm = 1 - a^2 and da/dlog s = (1 - a^2) s e = (1 - a^2) (atanh a - m).
    slope = 1 - actions.detach() ** 2
    torch.testing.assert_close(to_mean, slope)
    torch.testing.assert_close(to_log_std, slope * (torch.atanh(actions.detach()) - MEAN), rtol=1e-3, atol=1e-4)


def test_densities_of_stored_actions_are_those_they_were_drawn_with():
    torch.manual_seed(4)
    actions, log_probs = gaussian().reparameterised()
    torch.testing.assert_close(gaussian().log_prob(actions), log_probs, rtol=1e-3, atol=1e-3)


def test_a_narrowed_beta_keeps_its_mean_and_loses_that_share_of_its_deviation():
    """By the formula of its variance, m (1 - m) / (alpha + beta + 1), here of the unit interval."""
    unit = Beta(1 + F.softplus(BETA_OUTPUTS[:, :2]), 1 + F.softplus(BETA_OUTPUTS[:, 2:]))
    total = unit.concentration0 + unit.concentration1
    narrow = BetaActions(BETA_OUTPUTS, noise=0.25)
    torch.testing.assert_close(narrow.mode(), beta().mode())
    torch.manual_seed(0)
    deviation = torch.stack([narrow.sample() for _ in range(20_000)]).std(0)
    expected = 2 * (unit.mean * (1 - unit.mean) / (16 * total + 1)).sqrt()
    torch.testing.assert_close(deviation, expected, rtol=0.03, atol=0)
    assert ((deviation / (2 * unit.variance.sqrt()) - 0.25).abs() < 0.05).all()


@pytest.mark.parametrize("head", [BetaHead, SquashedGaussianHead])
def test_noise_of_a_head_leaves_the_deterministic_action(head):
    torch.manual_seed(0)
    one, features = head(feature_dim=4, action_dim=2, hidden=[8]), torch.randn(3, 4)
    wide = one(features)
    one.noise = 0.1
    narrow = one(features)
    torch.testing.assert_close(narrow.mode(), wide.mode())
    spread = [torch.stack([policy.sample() for _ in range(500)]).std() for policy in (narrow, wide)]
    assert spread[0] < 0.3 * spread[1]
