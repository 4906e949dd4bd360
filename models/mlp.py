"""The encoder of observations without a picture: vectors to normalised features."""

from collections.abc import Sequence

import gymnasium as gym
import torch
from torch import nn

from models.encoder import Encoder, Observation, split_space
from models.layers import check_sizes, mlp


class MLPEncoder(Encoder):
    """Fully connected layers over all vectors of an observation, joined, then LayerNorm and tanh.

    Args:
        observation_space: Any number of vectors, no image.
        hidden: Widths of the hidden layers.
        features: Width of the features.

    Raises:
        ValueError: A size is below 1, or there is an image or no vector.
    """

    def __init__(self, *, observation_space: gym.spaces.Dict, hidden: Sequence[int], features: int) -> None:
        super().__init__()
        images, vectors = split_space(observation_space)
        if images or not vectors:
            found = ", ".join([*images, *vectors]) or "nothing"
            raise ValueError(
                f"MLPEncoder expects vectors and no image in the observation, got {found}. "
                "Choose an encoder that sees, model=cnn, or an observation without an image, such as env.obs=telemetry."
            )
        check_sizes(features=features)
        self._names = sorted(vectors)
        width = sum(box.shape[0] for box in vectors.values())
        self.layers = nn.Sequential(mlp(width, hidden, features), nn.LayerNorm(features), nn.Tanh())
        self.feature_dim = features

    def forward(self, observation: Observation) -> torch.Tensor:
        """Return features `(B, feature_dim)`."""
        features: torch.Tensor = self.layers(torch.cat([observation[name] for name in self._names], dim=-1))
        return features
