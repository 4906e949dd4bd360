"""The part of every algorithm that drives: an encoder and an action head."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import torch
from torch import nn

from models.distributions import ActionDistribution
from models.encoder import Encoder, Observation, build
from models.heads import ActionHead
from models.memory import Memory


class Actor(nn.Module):
    """A policy over actions in [-1, 1]; what `policy.safetensors` holds.

    Args:
        observation_space: Images (stacked) and vectors by name.
        action_space: The env's box; only its length counts here.
        encoder: `_target_` and sizes of the encoder.
        head: `_target_` and sizes of the action head.
    """

    def __init__(
        self,
        *,
        observation_space: gym.spaces.Dict,
        action_space: gym.spaces.Box,
        encoder: Mapping[str, Any],
        head: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.encoder: Encoder = build(encoder, Encoder, observation_space=observation_space)
        self.head = build(head, ActionHead, feature_dim=self.encoder.feature_dim, action_dim=action_space.shape[0])

    def forward(self, observation: Observation) -> ActionDistribution:
        """Return the distribution over actions for a batch of observations, of an encoder without memory."""
        return self.head(self.encoder.encode(observation, None)[0])

    @torch.no_grad()
    def step(self, observation: Observation, memory: Memory | None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the deterministic actions `(B, A)` in [-1, 1] and the state after them, of any encoder."""
        features, state = self.encoder.encode(observation, memory)
        return self.head(features).mode(), state
