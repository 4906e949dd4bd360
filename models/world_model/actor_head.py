"""DreamerV3's policy on the features of a state, and its distributions over actions."""

import math

import torch

from models.distributions import ActionDistribution
from models.heads import ActionHead
from models.layers import check_sizes
from models.world_model.categoricals import draw, entropy, log_prob, mixed, one_hot
from models.world_model.layers import dense_head

_LEAST_STD, _MOST_STD = 0.1, 1.0
_OUT_SCALE = 0.01


class BoundedNormalActions(ActionDistribution):
    """A Gaussian with its mean in [-1, 1] and a deviation of 0.1 to 1; what it draws beyond ±1 counts as ±1 later.

    Densities and entropies are those of the Gaussian itself, as its source has them.

    Source: the authors' code, `bounded_normal`.
    """

    def __init__(self, parameters: torch.Tensor, noise: float = 1.0) -> None:
        """Take `(…, 2A)` unbounded network outputs, and the share of the deviation that is left."""
        mean, raw = parameters.float().chunk(2, dim=-1)
        self._mean = torch.tanh(mean)
        self._std = noise * (_LEAST_STD + (_MOST_STD - _LEAST_STD) * torch.sigmoid(raw + 2.0))

    def sample(self) -> torch.Tensor:
        """Draw actions `(…, A)`, some of them outside [-1, 1]."""
        with torch.no_grad():
            return self._mean + self._std * torch.randn_like(self._mean)

    def log_prob(self, actions: torch.Tensor) -> torch.Tensor:
        """Return log densities `(…)`."""
        scaled = (actions - self._mean) / self._std
        return (-0.5 * scaled.square() - self._std.log() - 0.5 * math.log(2.0 * math.pi)).sum(-1)

    def entropy(self) -> torch.Tensor:
        """Return the exact entropy `(…)`."""
        return (self._std.log() + 0.5 * math.log(2.0 * math.pi * math.e)).sum(-1)

    def mode(self) -> torch.Tensor:
        """Return the mean."""
        return self._mean


class OneHotActions(ActionDistribution):
    """One of A actions, as a one-hot; 1 % of the distribution is uniform, in what is drawn as in what is learnt.

    Source: Hafner et al. (arXiv 2301.04104v2), "Actor learning"; `unimix` of the authors' policy.
    """

    def __init__(self, parameters: torch.Tensor) -> None:
        """Take `(…, A)` logits."""
        self._logits = parameters

    def sample(self) -> torch.Tensor:
        """Draw actions `(…, A)`."""
        return one_hot(draw(mixed(self._logits)), self._logits.shape[-1])

    def log_prob(self, actions: torch.Tensor) -> torch.Tensor:
        """Return log probabilities `(…)`."""
        return (log_prob(self._logits) * actions).sum(-1)

    def entropy(self) -> torch.Tensor:
        """Return the exact entropy `(…)`."""
        return entropy(mixed(self._logits))

    def mode(self) -> torch.Tensor:
        """Return the likeliest action."""
        return one_hot(self._logits.argmax(-1), self._logits.shape[-1])


class DreamerHead(ActionHead):
    """Features `(…, D)` to a distribution over actions.

    Args:
        feature_dim: Of the world model.
        action_dim: A, components of an action, or actions to choose from.
        layers: Hidden layers.
        units: Their width; that of the world model's own layers, in the paper's sizes.
        is_discrete: Whether one of A actions is chosen, as a one-hot.
    """

    takes_discrete = True

    def __init__(
        self,
        *,
        feature_dim: int,
        action_dim: int,
        layers: int,
        units: int,
        is_discrete: bool = False,
    ) -> None:
        super().__init__()
        check_sizes(layers=layers, units=units)
        self._is_discrete = is_discrete
        out_dim = action_dim if is_discrete else 2 * action_dim
        self.layers = dense_head(feature_dim, units, layers, out_dim, _OUT_SCALE)

    def forward(self, features: torch.Tensor) -> ActionDistribution:
        """Return the distribution."""
        return self.distribution(self.layers(features))

    def distribution(self, parameters: torch.Tensor) -> ActionDistribution:
        """Return the distribution with these parameters, outputs of `layers`."""
        return OneHotActions(parameters) if self._is_discrete else BoundedNormalActions(parameters, self.noise)
