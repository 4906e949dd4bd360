"""What the encoders of one image share: which image it is, its pixels as planes, and strided convolutions over them."""

from collections.abc import Sequence

import gymnasium as gym
import torch
from torch import nn

from models.encoder import split_space
from models.layers import PixelConv2d, check_sizes, floats, orthogonal


def one_image(space: gym.spaces.Dict, encoder: str) -> tuple[str, gym.spaces.Box, dict[str, gym.spaces.Box]]:
    """Return the name and the box `(H, W, C)` of the one image of an observation, and its vectors by name.

    Args:
        space: Any number of vectors beside the image.
        encoder: The class that asks, for the message.

    Raises:
        ValueError: There is no image, or more than one.
    """
    images, vectors = split_space(space)
    if len(images) != 1:
        found = ", ".join([*images, *vectors])
        raise ValueError(
            f"{encoder} expects exactly one image in the observation, got {found}. "
            "For vectors without an image choose model=mlp."
        )
    ((name, image),) = images.items()
    return name, image, vectors


def as_planes(pixels: torch.Tensor) -> torch.Tensor:
    """Return pixels `(B, H, W, C)` uint8 as planes `(B, C, H, W)`, unscaled floats that lie channels-last in memory."""
    return floats(pixels).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def strided_convolutions(
    image: gym.spaces.Box, *, channels: Sequence[int], kernels: Sequence[int], strides: Sequence[int], pad: bool
) -> tuple[nn.Sequential, int]:
    """Build convolutions with ReLU from planes `(B, C, H, W)` of pixels to a flat vector.

    Where strides do not fit, the last rows and columns are never seen: of 48 pixels the nature network sees 44, of 64
    it sees 60, and CarRacing tells the car's speed at the lower edge.

    Args:
        image: `(H, W, C)`.
        channels: Output channels of each convolution.
        kernels: Kernel size of each convolution, in pixels.
        strides: Stride of each convolution, in pixels.
        pad: Lay zeros around the image so that all of it is seen; policies saved before this was possible do not.

    Returns:
        The layers, and the width of what they give.

    Raises:
        ValueError: A size is below 1, the lists differ in length, or the image is too small.
    """
    check_sizes(channels=channels, kernels=kernels, strides=strides)
    if not len(channels) == len(kernels) == len(strides):
        raise ValueError(
            f"channels, kernels and strides must be of one length, got {len(channels)}, {len(kernels)}, {len(strides)}."
        )
    height, width, in_channels = image.shape
    smallest = _smallest_image(kernels, strides)
    if min(height, width) < smallest:
        raise ValueError(
            f"An image of {height}x{width} is too small for kernels {list(kernels)} and strides {list(strides)}; the "
            f"smallest is {smallest} pixels a side."
        )
    padding = (padding_of(height, kernels, strides), padding_of(width, kernels, strides)) if pad else (0, 0)
    height, width = height + 2 * padding[0], width + 2 * padding[1]
    layers: list[nn.Module] = []
    for out_channels, kernel, stride in zip(channels, kernels, strides, strict=True):
        height, width = ((size - kernel) // stride + 1 for size in (height, width))
        convolution = (
            nn.Conv2d(in_channels, out_channels, kernel, stride)
            if layers
            else PixelConv2d(in_channels, out_channels, kernel, stride, padding)
        )
        layers += [orthogonal(convolution), nn.ReLU()]
        in_channels = out_channels
    convolutions = nn.Sequential(*layers, nn.Flatten())
    # Channels-last weights and images: a quarter less time for a training pass on a CPU.
    convolutions.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch lacks the stub
    return convolutions, in_channels * height * width


def padding_of(size: int, kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Return the zeros on each side with which convolutions see all of `size` pixels."""
    enough = size
    while not _fits(enough, kernels, strides):
        enough += 1
    return -(-(enough - size) // 2)


def _fits(size: int, kernels: Sequence[int], strides: Sequence[int]) -> bool:
    for kernel, stride in zip(kernels, strides, strict=True):
        if size < kernel or (size - kernel) % stride:
            return False
        size = (size - kernel) // stride + 1
    return True


def _smallest_image(kernels: Sequence[int], strides: Sequence[int]) -> int:
    size = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        size = (size - 1) * stride + kernel
    return size
