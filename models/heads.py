"""Heads on an encoder's features: action distributions and values."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from models.distributions import ActionDistribution, BetaActions, SquashedGaussianActions
from models.layers import EnsembleLinear, check_sizes, mlp


class ActionHead(nn.Module):
    """Features `(B, D)` to a distribution over `A` bounded actions.

    A subclass takes `feature_dim` and `action_dim` beside its sizes, and narrows what it returns by `noise`.

    Attributes:
        takes_discrete: Whether it can choose one of A actions too, as a one-hot. Such a head also takes `is_discrete`.
        noise: How wide the distributions are, in (0, 1]: about this share of the deviation that the features ask for.
            Deterministic actions do not depend on it.
    """

    takes_discrete = False
    noise: float = 1.0

    def forward(self, features: torch.Tensor) -> ActionDistribution:
        """Return the distribution."""
        raise NotImplementedError


class BetaHead(ActionHead):
    """Features `(B, D)` to a Beta distribution over `A` bounded actions."""

    def __init__(self, *, feature_dim: int, action_dim: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.layers = mlp(feature_dim, hidden, 2 * action_dim, out_gain=0.01)

    def forward(self, features: torch.Tensor) -> ActionDistribution:
        """Return the distribution."""
        return BetaActions(self.layers(features), self.noise)


class SquashedGaussianHead(ActionHead):
    """Features `(B, D)` to a tanh-squashed Gaussian whose deviation depends on the state.

    `log_std_range` bounds the log deviation smoothly, through tanh; `initial_std` is what it starts from, before the
    squashing.
    """

    def __init__(
        self,
        *,
        feature_dim: int,
        action_dim: int,
        hidden: Sequence[int],
        log_std_range: Sequence[float] = (-5.0, 2.0),
        initial_std: float = 0.6,
    ) -> None:
        super().__init__()
        self.layers = mlp(feature_dim, hidden, 2 * action_dim, out_gain=0.01)
        self._low, self._high = log_std_range
        if not math.exp(self._low) < initial_std < math.exp(self._high):
            raise ValueError(
                f"initial_std={initial_std}: expected more than exp({self._low}) and less than exp({self._high}), "
                "the bounds of log_std_range."
            )
        share = (math.log(initial_std) - self._low) / (self._high - self._low)
        output = self.layers[-1]
        assert isinstance(output, nn.Linear)
        nn.init.constant_(output.bias[action_dim:], math.atanh(2.0 * share - 1.0))

    def forward(self, features: torch.Tensor) -> SquashedGaussianActions:
        """Return the distribution."""
        mean, raw = self.layers(features).chunk(2, dim=-1)
        log_std = self._low + 0.5 * (self._high - self._low) * (torch.tanh(raw) + 1.0)
        return SquashedGaussianActions(mean, log_std + math.log(self.noise))


class ValueHead(nn.Module):
    """Features `(B, D)` to state values `(B,)`."""

    def __init__(self, *, feature_dim: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.layers = mlp(feature_dim, hidden, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the values."""
        return self.layers(features).squeeze(-1)


class QHeads(nn.Module):
    """Features `(B, D)` and actions `(B, A)` to action values `(E, B)` of `E` independent critics."""

    def __init__(self, *, feature_dim: int, action_dim: int, hidden: Sequence[int], num_members: int = 2) -> None:
        super().__init__()
        check_sizes(hidden=hidden, num_members=num_members)
        self._num_members = num_members
        layers: list[nn.Module] = []
        in_dim = feature_dim + action_dim
        for width in hidden:
            layers += [EnsembleLinear(num_members=num_members, in_dim=in_dim, out_dim=width), nn.ReLU()]
            in_dim = width
        layers.append(EnsembleLinear(num_members=num_members, in_dim=in_dim, out_dim=1, gain=1.0))
        self.layers = nn.Sequential(*layers)

    def forward(self, features: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Return the values."""
        joined = torch.cat([features, actions], dim=-1)
        return self.layers(joined.expand(self._num_members, *joined.shape)).squeeze(-1)
