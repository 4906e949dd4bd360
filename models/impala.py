"""IMPALA's residual convolutional encoder: an image, or an image and vectors, to normalised features."""

from collections.abc import Sequence

import gymnasium as gym
import torch
from torch import nn

from models.convolutions import one_image
from models.latent_encoder import LatentEncoder
from models.layers import PixelConv2d, check_sizes, orthogonal


class ImpalaEncoder(LatentEncoder):
    """Stages of convolution, pooling and residual blocks, then the latent of `LatentEncoder`.

    Each stage halves the image, rounded up, so that it may be of any size.

    Args:
        observation_space: One image `(H, W, C)` uint8 and any number of vectors.
        channels: Channels of each stage.
        num_blocks: Residual blocks of a stage.
        image_features: Width of the image's features.
        vector_features: Width of the vectors' features, where there are vectors.

    Raises:
        ValueError: A size is below 1, or there is no image or more than one.

    Source: Espeholt et al., "IMPALA" (2018), figure 3 right. It differs: the latent ends in LayerNorm and tanh, not
    ReLU; pooling pads both sides of an image, not the far one alone; orthogonal weights; no LSTM.
    """

    def __init__(
        self,
        *,
        observation_space: gym.spaces.Dict,
        channels: Sequence[int],
        num_blocks: int,
        image_features: int,
        vector_features: int,
    ) -> None:
        _, image, _ = one_image(observation_space, type(self).__name__)
        check_sizes(channels=channels, num_blocks=num_blocks)
        height, width, in_channels = image.shape
        stages: list[nn.Module] = []
        for out_channels in channels:
            layer = nn.Conv2d if stages else PixelConv2d
            stages += [orthogonal(layer(in_channels, out_channels, 3, padding=1)), nn.MaxPool2d(3, 2, padding=1)]
            stages += [ResidualBlock(out_channels) for _ in range(num_blocks)]
            height, width, in_channels = (height + 1) // 2, (width + 1) // 2, out_channels
        convolutions = nn.Sequential(*stages, nn.ReLU(), nn.Flatten())
        convolutions.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch lacks the stub
        super().__init__(
            observation_space=observation_space,
            convolutions=convolutions,
            width=in_channels * height * width,
            image_features=image_features,
            vector_features=vector_features,
        )


class ResidualBlock(nn.Module):
    """Two convolutions, each behind a ReLU, added to what came in: `(B, C, H, W)` to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second = (orthogonal(nn.Conv2d(channels, channels, 3, padding=1)) for _ in range(2))
        self.layers = nn.Sequential(nn.ReLU(), first, nn.ReLU(), second)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum."""
        return x + self.layers(x)
