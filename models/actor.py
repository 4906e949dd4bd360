"""The part of every algorithm that drives: an encoder and an action head."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import torch
from torch import nn

from models.distributions import ActionDistribution
from models.encoder import Encoder, Observation, build, target_class
from models.heads import ActionHead
from models.memory import Memory


class Actor(nn.Module):
    """A policy over actions in [-1, 1], or over one-hots where one of A is chosen; what `policy.safetensors` holds.

    Args:
        observation_space: Images (stacked) and vectors by name.
        action_space: The env's box, or its choice; only its length counts here.
        encoder: `_target_` and sizes of the encoder.
        head: `_target_` and sizes of the action head.

    Attributes:
        action_dim: A, components of an action, or actions to choose from.

    Raises:
        ValueError: Encoder or head cannot be built so, or the head chooses no one of A.
    """

    def __init__(
        self,
        *,
        observation_space: gym.spaces.Dict,
        action_space: gym.spaces.Box | gym.spaces.Discrete,
        encoder: Mapping[str, Any],
        head: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.encoder: Encoder = build(encoder, Encoder, observation_space=observation_space)
        is_discrete = isinstance(action_space, gym.spaces.Discrete)
        self.action_dim = _count_actions(action_space)
        built: dict[str, Any] = {"feature_dim": self.encoder.feature_dim, "action_dim": self.action_dim}
        head_class: type[ActionHead] = target_class(head["_target_"], ActionHead)
        if head_class.takes_discrete:
            built["is_discrete"] = is_discrete
        elif is_discrete:
            raise ValueError(f"{head['_target_']} acts in boxes alone, and the env in {action_space}.")
        self.head = build(head, ActionHead, **built)

    def forward(self, observation: Observation) -> ActionDistribution:
        """Return the distribution over actions for a batch of observations, of an encoder without memory."""
        return self.head(self.encoder.encode(observation, None)[0])

    @torch.no_grad()
    def step(self, observation: Observation, memory: Memory | None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the deterministic actions `(B, A)`, in [-1, 1] or one-hot, and the state after them."""
        features, state = self.encoder.encode(observation, memory)
        return self.head(features).mode(), state


def _count_actions(space: gym.spaces.Box | gym.spaces.Discrete) -> int:
    """Return the components of a box's actions, or how many there are to choose from."""
    return int(space.n) if isinstance(space, gym.spaces.Discrete) else space.shape[0]
