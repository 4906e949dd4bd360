"""The convolutional encoder: an image, or an image and vectors, to normalised features."""

from collections.abc import Sequence

import gymnasium as gym

from models.convolutions import one_image, strided_convolutions
from models.latent_encoder import LatentEncoder


class CNNEncoder(LatentEncoder):
    """Strided convolutions over a stack of frames, then the latent of `LatentEncoder`, joined by that of the vectors.

    Args:
        observation_space: One image `(H, W, C)` uint8 and any number of vectors.
        channels: Output channels of each convolution.
        kernels: Kernel size of each convolution, in pixels.
        strides: Stride of each convolution, in pixels.
        image_features: Width of the image's features.
        vector_features: Width of the vectors' features, where there are vectors.
        pad: Lay zeros around the image where strides would leave its edges unseen.

    Raises:
        ValueError: A size is below 1, the lists differ in length, there is no image or more than one, or it is too
            small for the convolutions.

    Source: convolutions of Mnih et al., "Human-level control …" (Nature 2015).
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
        pad: bool = False,
    ) -> None:
        _, image, _ = one_image(observation_space, type(self).__name__)
        convolutions, width = strided_convolutions(image, channels=channels, kernels=kernels, strides=strides, pad=pad)
        super().__init__(
            observation_space=observation_space,
            convolutions=convolutions,
            width=width,
            image_features=image_features,
            vector_features=vector_features,
        )
