"""TMRL's convolutional encoder: an image's convolutions joined late with raw vectors, then fully connected layers."""

from collections.abc import Sequence

import gymnasium as gym
import torch

from models.convolutions import as_planes, one_image, strided_convolutions
from models.encoder import Encoder, Observation
from models.layers import check_sizes, fully_connected


class TMRLEncoder(Encoder):
    """Strided convolutions over a stack of frames, flattened, joined with the vectors as they are, then ReLU layers.

    Args:
        observation_space: One image `(H, W, C)` uint8 and any number of vectors: speed, gear, rpm, past actions.
        channels: Output channels of each convolution.
        kernels: Kernel size of each convolution, in pixels.
        strides: Stride of each convolution, in pixels.
        hidden: Widths of the fully connected layers; the last is that of the features.

    Raises:
        ValueError: A size is below 1 or `hidden` is empty, the lists differ in length, there is no image or more than
            one, or it is too small for the convolutions.

    Source: `VanillaCNN` of TMRL 0.7 (tmrl/custom/custom_models.py). It differs: images of any size and number of
    frames, any vectors; pixels are divided by 255, not 256; a ReLU after the last layer too, because our heads have
    layers of their own; orthogonal weights.
    """

    def __init__(
        self,
        *,
        observation_space: gym.spaces.Dict,
        channels: Sequence[int],
        kernels: Sequence[int],
        strides: Sequence[int],
        hidden: Sequence[int],
    ) -> None:
        super().__init__()
        self._image_name, image, vectors = one_image(observation_space, type(self).__name__)
        self._vector_names = sorted(vectors)
        check_sizes(hidden=hidden)
        if not hidden:
            raise ValueError("hidden=[]: expected at least one width, that of the features.")
        self.convolutions, width = strided_convolutions(
            image, channels=channels, kernels=kernels, strides=strides, pad=False
        )
        self.layers = fully_connected(width + sum(box.shape[0] for box in vectors.values()), hidden)
        self.feature_dim = hidden[-1]

    def forward(self, observation: Observation) -> torch.Tensor:
        """Return features `(B, feature_dim)`, none below 0."""
        pixels = observation[self._image_name]
        with self.in_precision(pixels.device):
            seen = self.convolutions(as_planes(pixels))
        vectors = [observation[name] for name in self._vector_names]
        features: torch.Tensor = self.layers(torch.cat([seen.float(), *vectors], dim=-1))
        return features
