"""Vectors of categorical variables: what a latent state is drawn from, and how far two such distributions are apart."""

import torch
from torch.nn import functional as F

UNIMIX = 0.01  # share of the uniform distribution: nothing is ever impossible, so no KL is infinite
_NARROW = 16  # torch's softmax on a CPU takes five times as long over fewer values than a vector unit holds


def mixed(logits: torch.Tensor, unimix: float = UNIMIX) -> torch.Tensor:
    """Return probabilities `(…, C)`: 99 % the softmax of the logits, 1 % uniform, in float32.

    Source: Hafner et al. (arXiv 2301.04104v2), "World model learning".
    """
    return (1.0 - unimix) * _softmax(logits.float()) + unimix / logits.shape[-1]


def _softmax(logits: torch.Tensor) -> torch.Tensor:
    if logits.shape[-1] >= _NARROW or logits.device.type != "cpu":
        return logits.softmax(-1)
    exponentials = (logits - logits.detach().amax(-1, keepdim=True)).exp()
    return exponentials / exponentials.sum(-1, keepdim=True)


def draw(probabilities: torch.Tensor) -> torch.Tensor:
    """Draw an index `(…)` from each distribution `(…, C)`, by inverting its cumulative sum."""
    cumulative = probabilities.detach().cumsum(-1)
    place = torch.rand(*probabilities.shape[:-1], 1, device=probabilities.device)
    # The sum may end a rounding error below 1.
    return (cumulative < place).sum(-1).clamp_(max=probabilities.shape[-1] - 1)


def one_hot(index: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Return `(…, C)` float32, 1 at `index` `(…)`; a row of zeros where the index is -1: nothing is known."""
    return (index[..., None] == torch.arange(num_classes, device=index.device)).float()


def straight_through(index: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
    """Return the one-hot `(…, C)` of `index` `(…)`, whose gradient goes to the probabilities.

    Source: Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons …" (2013).
    """
    return one_hot(index, probabilities.shape[-1]) + (probabilities - probabilities.detach())


def kl(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return KL(left || right) `(…)` of vectors of categorical variables, given by probabilities `(…, L, C)`."""
    return (left * (left.log() - right.log())).sum((-2, -1))


def balanced_kl(
    posterior: torch.Tensor, prior: torch.Tensor, free_nats: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the dynamics loss and the representation loss `(…)`, each at least `free_nats`.

    The first trains the prior towards the posterior, the second the posterior towards the prior; below `free_nats`
    neither has a gradient.

    Args:
        posterior: Probabilities `(…, L, C)`.
        prior: Probabilities `(…, L, C)`.
        free_nats: Of the sum over the variables.

    Source: Hafner et al. (arXiv 2301.04104v2), the dynamics and representation losses of "World model learning".
    """
    dynamics = kl(posterior.detach(), prior).clamp(min=free_nats)
    representation = kl(posterior, prior.detach()).clamp(min=free_nats)
    return dynamics, representation


def entropy(probabilities: torch.Tensor) -> torch.Tensor:
    """Return the entropy `(…)` in nats of distributions `(…, C)`."""
    return torch.special.entr(probabilities).sum(-1)


def log_prob(logits: torch.Tensor, unimix: float = UNIMIX) -> torch.Tensor:
    """Return log probabilities `(…, C)` of `mixed`, in float32."""
    return mixed(logits, unimix).log() if unimix else F.log_softmax(logits.float(), -1)
