"""Imagined trajectories: the policy drives in the world model instead of the world."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from models.world_model.actor_head import DreamerHead
from models.world_model.categoricals import draw, one_hot
from models.world_model.encoder import WorldModelEncoder
from models.world_model.predictions import Predictions

Transition = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Dream:
    """`N` trajectories of `H + 1` states, time first; the first state is where they set in.

    Attributes:
        features: `(H + 1, N, D + L C)`, without gradient, in what products are computed in.
        actions: `(H + 1, N, A)`, taken in these states, without gradient.
        policy: `(H + 1, N, P)`, parameters of the distributions that they were drawn from, whose gradient goes to the
            head and nowhere else.
    """

    features: torch.Tensor
    actions: torch.Tensor
    policy: torch.Tensor


def imagine(
    encoder: WorldModelEncoder,
    predictions: Predictions,
    head: DreamerHead,
    deter: torch.Tensor,
    latent: torch.Tensor,
    horizon: int,
) -> Dream:
    """Drive `horizon` steps from states h `(N, D)` and z `(N, L C)`.

    No gradient passes through the dynamics: the actor learns by REINFORCE, from how likely its actions were.
    """
    deter, latent = deter.detach(), latent.detach()
    features, actions, policies = [], [], []
    dreamt = transitions(encoder, predictions)
    for step in range(horizon + 1):
        state = _lowered(torch.cat([deter, latent], -1))
        parameters = head.layers(state)
        action = head.distribution(parameters).sample()
        features.append(state)
        actions.append(action)
        policies.append(parameters)
        if step < horizon:
            deter, latent = dreamt(deter, latent, action)
    return Dream(torch.stack(features), torch.stack(actions), torch.stack(policies))


@torch.no_grad()
def transitions(encoder: WorldModelEncoder, predictions: Predictions) -> Transition:
    """Return one step as a function, for a loop of them.

    It returns h `(N, D)` and z `(N, L C)` after h, z and an action `(N, A)`, as the prior expects them, without a
    gradient.
    """
    move = encoder.sequence.steps()

    @torch.no_grad()
    def step(deter: torch.Tensor, latent: torch.Tensor, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        deter = move(deter, latent, encoder.sequence.prepare(action))
        index = draw(predictions.prior(deter))
        return deter, one_hot(index, encoder.sizes.classes).flatten(1)

    return step


def _lowered(features: torch.Tensor) -> torch.Tensor:
    """Cast features once to what products are computed in here: five heads would each cast all of them again."""
    device = features.device.type
    return features.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else features
