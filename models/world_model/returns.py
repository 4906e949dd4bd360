"""Returns of imagined and of remembered trajectories, and the range by which advantages are scaled."""

import torch
from torch import nn


def lambda_returns(
    rewards: torch.Tensor,
    discounts: torch.Tensor,
    continues: torch.Tensor,
    values: torch.Tensor,
    lambda_: float,
) -> torch.Tensor:
    """Return the λ-returns `(T - 1, …)` of `T` steps, time first.

    R_t = r_{t+1} + γ c_{t+1} ((1 - λ k_{t+1}) v_{t+1} + λ k_{t+1} R_{t+1}), and R_T = v_T.

    Args:
        rewards: `(T, …)`, what arrived with each step; the first is not used.
        discounts: `(T, …)`, γ c: 0 where the task ended with the step; the first is not used.
        continues: `(T, …)`, k: 0 where the trajectory is cut after the step, so that no later reward belongs to it.
        values: `(T, …)`, what the critic thinks of each step.
        lambda_: λ.

    Source: Hafner et al. (arXiv 2301.04104v2), the λ-return of "Critic learning" (its k is always 1).
    """
    mixed = lambda_ * continues[1:]
    constant = rewards[1:] + discounts[1:] * (1.0 - mixed) * values[1:]
    passed_on = discounts[1:] * mixed
    last, returns = values[-1], []
    for now, factor in zip(constant.flip(0).unbind(0), passed_on.flip(0).unbind(0), strict=True):
        last = torch.addcmul(now, factor, last)
        returns.append(last)
    return torch.stack(returns[::-1])


class ReturnRange(nn.Module):
    """The distance between the 5th and the 95th percentile of returns, averaged over updates.

    Advantages are divided by it, but never by less than 1: small returns are noise, and are not blown up.

    Source: Hafner et al. (arXiv 2301.04104v2), "Actor learning".
    """

    low: torch.Tensor
    high: torch.Tensor
    levels: torch.Tensor

    def __init__(self, *, rate: float = 0.01, floor: float = 1.0) -> None:
        """Take the share of each new batch, and the least range."""
        super().__init__()
        self._rate, self._floor = rate, floor
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))
        # On its device from the start: a GPU would wait for a constant that comes with each call.
        self.register_buffer("levels", torch.tensor([0.05, 0.95]), persistent=False)

    @torch.no_grad()
    def update(self, returns: torch.Tensor) -> torch.Tensor:
        """Take the percentiles of these returns into account, and return the divisor `()`."""
        low, high = torch.quantile(returns.float().flatten(), self.levels)
        self.low.lerp_(low, self._rate)
        self.high.lerp_(high, self._rate)
        return (self.high - self.low).clamp(min=self._floor)
