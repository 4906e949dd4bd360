"""What encoders of one image have in common that differ in their convolutions alone."""

import gymnasium as gym
import torch
from torch import nn

from models.convolutions import as_planes, one_image
from models.encoder import Encoder, Observation
from models.layers import Latent, check_sizes


class LatentEncoder(Encoder):
    """Convolutions over a stack of frames, then one linear layer, LayerNorm and tanh.

    Vectors of the observation go through a linear layer of their own with the same normalisation and are joined to
    the image's features, so that neither drowns the other. A subclass builds the convolutions.

    Args:
        observation_space: One image `(H, W, C)` uint8 and any number of vectors.
        convolutions: From planes `(B, C, H, W)` of pixels 0 … 255 to `(B, width)`.
        width: What the convolutions give.
        image_features: Width of the image's features.
        vector_features: Width of the vectors' features, where there are vectors.

    Raises:
        ValueError: A size is below 1, or there is no image or more than one.

    Source: the latent of Yarats et al., SAC-AE (2019) and DrQ-v2 (2021).
    """

    def __init__(
        self,
        *,
        observation_space: gym.spaces.Dict,
        convolutions: nn.Module,
        width: int,
        image_features: int,
        vector_features: int,
    ) -> None:
        super().__init__()
        self._image_name, _, vectors = one_image(observation_space, type(self).__name__)
        self._vector_names = sorted(vectors)
        check_sizes(image_features=image_features, vector_features=vector_features)
        self.convolutions = convolutions
        self.image_latent = Latent(width, image_features)
        self.feature_dim = image_features
        if vectors:
            self.vector_latent = Latent(sum(box.shape[0] for box in vectors.values()), vector_features)
            self.feature_dim += vector_features

    def forward(self, observation: Observation) -> torch.Tensor:
        """Return features `(B, feature_dim)`, the image's first."""
        pixels = observation[self._image_name]
        with self.in_precision(pixels.device):
            features: torch.Tensor = self.image_latent(self.convolutions(as_planes(pixels)))
        if not self._vector_names:
            return features
        vectors = torch.cat([observation[name] for name in self._vector_names], dim=-1)
        return torch.cat([features, self.vector_latent(vectors)], dim=-1)
