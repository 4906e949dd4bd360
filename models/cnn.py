"""The convolutional encoder: an image, or an image and vectors, to normalised features."""

from collections.abc import Sequence

import gymnasium as gym
import torch
from torch import nn

from models.encoder import Encoder, Observation, split_space
from models.layers import PixelConv2d, check_sizes, floats, orthogonal


class CNNEncoder(Encoder):
    """Strided convolutions over a stack of frames, then one linear layer, LayerNorm and tanh.

    Vectors of the observation go through a linear layer of their own with the same normalisation and are joined to
    the image's features, so that neither drowns the other.

    Args:
        observation_space: One image `(H, W, C)` uint8 and any number of vectors.
        channels: Output channels of each convolution.
        kernels: Kernel size of each convolution, in pixels.
        strides: Stride of each convolution, in pixels.
        image_features: Width of the image's features.
        vector_features: Width of the vectors' features, where there are vectors.

    Raises:
        ValueError: A size is below 1, the lists differ in length, there is no image or more than one, or it is too
            small for the convolutions.

    Source: convolutions of Mnih et al., "Human-level control …" (Nature 2015); the LayerNorm-tanh latent of
    Yarats et al., SAC-AE (2019) and DrQ-v2 (2021).
    """

    def __init__(
        self,
        *,
        observation_space: gym.spaces.Dict,
        channels: Sequence[int],
        kernels: Sequence[int],
        strides: Sequence[int],
        image_features: int,
        vector_features: int,
    ) -> None:
        super().__init__()
        images, vectors = split_space(observation_space)
        if len(images) != 1:
            found = ", ".join([*images, *vectors])
            raise ValueError(
                f"CNNEncoder expects exactly one image in the observation, got {found}. "
                "For vectors without an image choose model=mlp."
            )
        check_sizes(channels=channels, kernels=kernels, strides=strides)
        check_sizes(image_features=image_features, vector_features=vector_features)
        if not len(channels) == len(kernels) == len(strides):
            raise ValueError(
                f"channels, kernels and strides must be of one length, got {len(channels)}, {len(kernels)}, "
                f"{len(strides)}."
            )
        (self._image_name, image), self._vector_names = next(iter(images.items())), sorted(vectors)
        height, width, in_channels = image.shape
        layers: list[nn.Module] = []
        for out_channels, kernel, stride in zip(channels, kernels, strides, strict=True):
            height, width = ((size - kernel) // stride + 1 for size in (height, width))
            if height < 1 or width < 1:
                raise ValueError(
                    f"An image of {image.shape[0]}x{image.shape[1]} is too small for kernels {list(kernels)} and "
                    f"strides {list(strides)}; the smallest is {_smallest_image(kernels, strides)} pixels a side."
                )
            layer = nn.Conv2d if layers else PixelConv2d
            layers += [orthogonal(layer(in_channels, out_channels, kernel, stride)), nn.ReLU()]
            in_channels = out_channels
        # Channels-last weights and images: a quarter less time for a training pass on a CPU.
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        self.convolutions.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch lacks the stub
        self.image_latent = _Latent(in_channels * height * width, image_features)
        self.feature_dim = image_features
        if vectors:
            self.vector_latent = _Latent(sum(box.shape[0] for box in vectors.values()), vector_features)
            self.feature_dim += vector_features

    def forward(self, observation: Observation) -> torch.Tensor:
        """Return features `(B, feature_dim)`, the image's first."""
        pixels = observation[self._image_name]
        with self.in_precision(pixels.device):
            image = floats(pixels).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
            features = self.image_latent(self.convolutions(image))
        if not self._vector_names:
            return features
        vectors = torch.cat([observation[name] for name in self._vector_names], dim=-1)
        return torch.cat([features, self.vector_latent(vectors)], dim=-1)


class _Latent(nn.Sequential):
    """A linear layer, LayerNorm and tanh; what follows the product is computed in float32."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__(orthogonal(nn.Linear(in_dim, out_dim), 1.0), nn.LayerNorm(out_dim), nn.Tanh())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        linear, normalise, squash = self
        features: torch.Tensor = squash(normalise(linear(x).float()))
        return features


def _smallest_image(kernels: Sequence[int], strides: Sequence[int]) -> int:
    size = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        size = (size - 1) * stride + kernel
    return size
