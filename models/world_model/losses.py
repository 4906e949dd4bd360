"""The losses of DreamerV3: of the world model on what was seen, of actor and critic on what was imagined."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from models.encoder import Observation
from models.world_model.actor_head import DreamerHead
from models.world_model.categoricals import balanced_kl, entropy
from models.world_model.dreaming import Dream
from models.world_model.encoder import Unrolled, WorldModelEncoder
from models.world_model.predictions import Predictions, SymexpHead
from models.world_model.returns import ReturnRange, lambda_returns

Losses = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Experience:
    """`B` sequences of `T` slots out of replay; what a decision brought arrives with the slot after it.

    Attributes:
        observation: Parts `(B, T, …)`.
        state: `(B, S)`, stored when the slot before the first was driven or last learnt from.
        is_first: `(B, T)` bool, where episodes begin.
        is_last: `(B, T)` bool, last observations of episodes: the next slot belongs to another one.
        rewards: `(B, T)`, 0 at first slots.
        terminated: `(B, T)` bool, where the task ended.
    """

    observation: Observation
    state: torch.Tensor
    is_first: torch.Tensor
    is_last: torch.Tensor
    rewards: torch.Tensor
    terminated: torch.Tensor


def world_model_losses(
    encoder: WorldModelEncoder, predictions: Predictions, seen: Experience, free_nats: float
) -> tuple[Losses, Losses, Unrolled]:
    """Return the losses `(B, T)` by name, unweighted, what is worth reporting, and the states that they came from.

    Reported are the mean entropies in nats of a state's latent variables: whether they are in use.

    Source: Hafner et al. (arXiv 2301.04104v2), "World model learning".
    """
    unrolled = encoder.observe(seen.observation, seen.state, seen.is_first)
    features = unrolled.features
    posterior, prior = unrolled.posterior, predictions.prior(unrolled.deter)
    dynamics, representation = balanced_kl(posterior, prior, free_nats)
    goes_on = predictions.goes_on(features).squeeze(-1).float()
    losses = {
        **predictions.reconstruction_losses(encoder, features, seen.observation),
        "reward": predictions.reward(features).loss(seen.rewards),
        "continue": F.binary_cross_entropy_with_logits(goes_on, (~seen.terminated).float(), reduction="none"),
        "dynamics": dynamics,
        "representation": representation,
    }
    told = {"posterior_entropy": posterior, "prior_entropy": prior}
    report = {name: entropy(probabilities.detach()).sum(-1).mean() for name, probabilities in told.items()}
    return losses, report, unrolled


def behaviour_losses(
    dream: Dream,
    predictions: Predictions,
    head: DreamerHead,
    critic: SymexpHead,
    slow_critic: SymexpHead,
    return_range: ReturnRange,
    *,
    gamma: float,
    lambda_: float,
    entropy_coeff: float,
) -> tuple[Losses, torch.Tensor, dict[str, torch.Tensor]]:
    """Return the losses `(H, N)` of actor and critic, the λ-returns `(H, N)`, and what is worth reporting.

    States count by how likely the task still goes on there. The critic learns the returns' distribution, and to stay
    near its own slow average.

    Source: Hafner et al. (arXiv 2301.04104v2), "Critic learning" and "Actor learning".
    """
    with torch.no_grad():
        rewards = predictions.reward(dream.features).mean()
        discounts = gamma * predictions.continue_probability(dream.features)
        weights = (discounts.cumprod(0) / gamma)[:-1]
        slow = slow_critic(dream.features[:-1]).mean()
    # The last state only lends its value to the returns.
    judged = critic(dream.features)
    with torch.no_grad():
        values = judged.mean()
        returns = lambda_returns(rewards, discounts, torch.ones_like(discounts), values, lambda_)
        divisor = return_range.update(returns)
        advantages = (returns - values[:-1]) / divisor
    policy = head.distribution(dream.policy[:-1])
    entropies = policy.entropy()
    learns = judged.of(slice(None, -1))
    losses = {
        "actor": -weights * (policy.log_prob(dream.actions[:-1]) * advantages + entropy_coeff * entropies),
        "critic": weights * learns.loss(returns, slow),
    }
    report = {
        "entropy": entropies.detach().mean(),
        "imagined_return": returns.mean(),
        "imagined_reward": rewards[1:].mean(),
        "return_range": divisor,
        "advantage": advantages.abs().mean(),
    }
    return losses, returns, report


def replay_value_loss(
    features: torch.Tensor,
    seen: Experience,
    bootstraps: torch.Tensor,
    critic: SymexpHead,
    slow_critic: SymexpHead,
    *,
    gamma: float,
    lambda_: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the critic's loss `(B, K - 1)` on real trajectories, and their λ-returns `(B, K - 1)`.

    Args:
        features: `(B, K, D)` of the last K slots of each sequence.
        seen: The sequences.
        bootstraps: `(B, K)`, imagined λ-returns from these slots on.
        critic: Learns.
        slow_critic: Its average.
        gamma: Discount of a step.
        lambda_: λ.

    Source: Hafner et al. (arXiv 2301.04104v2), "Critic learning", and the authors' `repl_loss`.
    """
    taken = slice(-features.shape[1], None)
    is_last = seen.is_last[:, taken].T
    with torch.no_grad():
        returns = lambda_returns(
            seen.rewards[:, taken].T,
            gamma * (~seen.terminated[:, taken]).float().T,
            (~is_last).float(),
            bootstraps.T,
            lambda_,
        ).T
        slow = slow_critic(features[:, :-1].detach()).mean()
    judged = critic(features[:, :-1])
    counts = (~is_last[:-1]).float().T  # after an episode's last observation comes another episode
    return counts * judged.loss(returns, slow), returns


def weighted_sum(losses: Losses, weights: dict[str, Any]) -> torch.Tensor:
    """Return the sum of the losses' means, each with its weight, 1 where it has none."""
    return torch.stack([weights.get(name, 1.0) * loss.mean() for name, loss in losses.items()]).sum()
