"""Distributions over bounded actions in [-1, 1], one per row of a batch."""

import math

import torch
from torch import distributions
from torch.nn import functional as F

# Closest that a stored action may lie to a bound when its density is asked for: float32 resolves 6e-8 near 1.
_BOUND_MARGIN = 1e-6


class ActionDistribution:
    """What every action distribution offers; `A` independent action components, summed in densities."""

    def sample(self) -> torch.Tensor:
        """Draw actions `(B, A)` that carry no gradient."""
        raise NotImplementedError

    def log_prob(self, actions: torch.Tensor) -> torch.Tensor:
        """Return the log density `(B,)` of actions `(B, A)` in [-1, 1]."""
        raise NotImplementedError

    def entropy(self) -> torch.Tensor:
        """Return the differential entropy `(B,)`."""
        raise NotImplementedError

    def mode(self) -> torch.Tensor:
        """Return the deterministic actions `(B, A)` that evaluation drives with."""
        raise NotImplementedError


class BetaActions(ActionDistribution):
    """A Beta distribution stretched over [-1, 1], unimodal because both its parameters exceed 1.

    Its deterministic action is the mean, which unlike the mode does not jump to a bound.

    Source: Chou et al., "Improving Stochastic Policy Gradients … using the Beta Distribution" (ICML 2017).
    """

    def __init__(self, parameters: torch.Tensor, noise: float = 1.0) -> None:
        """Take `(B, 2A)` unbounded network outputs, and the share of their deviation that is left.

        A Beta's variance is m (1 - m) / (alpha + beta + 1) with mean m: dividing both parameters by `noise` squared
        keeps the mean and makes the deviation about `noise` times as large.
        """
        alpha, beta = ((1.0 + F.softplus(parameters)) / noise**2).chunk(2, dim=-1)
        self._unit = distributions.Beta(alpha, beta, validate_args=False)

    def sample(self) -> torch.Tensor:
        """Draw actions `(B, A)`."""
        return 2.0 * self._unit.sample() - 1.0

    def log_prob(self, actions: torch.Tensor) -> torch.Tensor:
        """Return log densities; the stretch from [0, 1] to [-1, 1] halves the density of each component."""
        unit = ((actions + 1.0) / 2.0).clamp(_BOUND_MARGIN, 1.0 - _BOUND_MARGIN)
        return (self._unit.log_prob(unit) - math.log(2.0)).sum(-1)

    def entropy(self) -> torch.Tensor:
        """Return the exact entropy."""
        return (self._unit.entropy() + math.log(2.0)).sum(-1)

    def mode(self) -> torch.Tensor:
        """Return the mean."""
        return 2.0 * self._unit.mean - 1.0


class SquashedGaussianActions(ActionDistribution):
    """A Gaussian passed through tanh.

    Source: Haarnoja et al., "Soft Actor-Critic Algorithms and Applications" (2018), appendix C.
    """

    def __init__(self, mean: torch.Tensor, log_std: torch.Tensor) -> None:
        """Take mean and log standard deviation `(B, A)` before the squashing."""
        self._mean, self._log_std = mean, log_std

    def sample(self) -> torch.Tensor:
        """Draw actions `(B, A)`."""
        with torch.no_grad():
            return self.reparameterised()[0]

    def reparameterised(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw actions `(B, A)` through which gradients flow, and their log densities `(B,)`."""
        raw = self._mean + self._log_std.exp() * torch.randn_like(self._mean)
        return torch.tanh(raw), self._log_prob_of_raw(raw)

    def log_prob(self, actions: torch.Tensor) -> torch.Tensor:
        """Return log densities; actions at a bound count as just inside it."""
        return self._log_prob_of_raw(torch.atanh(actions.clamp(-1.0 + _BOUND_MARGIN, 1.0 - _BOUND_MARGIN)))

    def entropy(self) -> torch.Tensor:
        """Estimate the entropy from one reparameterised sample: there is no closed form."""
        return -self.reparameterised()[1]

    def mode(self) -> torch.Tensor:
        """Return the squashed mean."""
        return torch.tanh(self._mean)

    def _log_prob_of_raw(self, raw: torch.Tensor) -> torch.Tensor:
        gaussian = -0.5 * ((raw - self._mean) / self._log_std.exp()) ** 2 - self._log_std - 0.5 * math.log(2 * math.pi)
        # log(1 - tanh(x)^2), written so that it stays finite for large |x|.
        log_slope = 2.0 * (math.log(2.0) - raw - F.softplus(-2.0 * raw))
        return (gaussian - log_slope).sum(-1)
