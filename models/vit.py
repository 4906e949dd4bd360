"""The vision transformer: patches of an image, and the vectors as the token that reads them, to features."""

from collections.abc import Sequence

import gymnasium as gym
import torch
from torch import nn
from torch.nn import functional as F

from models.convolutions import as_planes, one_image
from models.encoder import Encoder, Observation
from models.layers import PixelConv2d, check_sizes, fully_connected, orthogonal

_POSITION_STD = 0.02  # Dosovitskiy et al., their published code


class ViTEncoder(Encoder):
    """Tokens of patches and one that reads them out, through pre-norm attention blocks.

    All vectors of the observation, joined, are embedded as the read-out token; where there are none, it is learned.
    What it has become after the blocks and a LayerNorm, and after the layers of `head`, are the features.

    Args:
        observation_space: One image `(H, W, C)` uint8 and any number of vectors.
        patch: Side of a patch, in pixels.
        width: Of a token.
        depth: Number of blocks.
        heads: Attention heads of a block.
        mlp_ratio: Width of a block's hidden layer, in widths of a token.
        head: Widths of fully connected ReLU layers on the read-out token; the last is that of the features. Empty:
            the token itself is the feature vector.

    Raises:
        ValueError: A size is below 1, there is no image or more than one, patches do not divide it or heads the width.

    Source: Dosovitskiy et al., "An Image is Worth 16x16 Words" (2021), equations 1 to 4. It differs: no dropout, the
    vectors in the place of the class token, and the last block computes the row of the read-out token alone.
    """

    def __init__(
        self,
        *,
        observation_space: gym.spaces.Dict,
        patch: int,
        width: int,
        depth: int,
        heads: int,
        mlp_ratio: int,
        head: Sequence[int],
    ) -> None:
        super().__init__()
        self._image_name, image, vectors = one_image(observation_space, type(self).__name__)
        self._vector_names = sorted(vectors)
        check_sizes(patch=patch, width=width, depth=depth, heads=heads, mlp_ratio=mlp_ratio, head=head)
        num_patches = _count_patches(image, patch)
        if width % heads:
            raise ValueError(f"heads={heads} do not divide width={width}: each head sees an equal share of a token.")
        self.patches = orthogonal(PixelConv2d(image.shape[-1], width, patch, patch), 1.0)
        if vectors:
            self.telemetry = orthogonal(nn.Linear(sum(box.shape[0] for box in vectors.values()), width), 1.0)
        else:
            self.class_token = nn.Parameter(torch.zeros(width))
        self.positions = nn.Parameter(nn.init.trunc_normal_(torch.empty(1 + num_patches, width), std=_POSITION_STD))
        self.blocks = nn.ModuleList(Block(width=width, heads=heads, hidden=mlp_ratio * width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = fully_connected(width, head)
        self.feature_dim = head[-1] if head else width

    def forward(self, observation: Observation) -> torch.Tensor:
        """Return features `(B, feature_dim)`."""
        pixels = observation[self._image_name]
        reader = self._reader(observation, pixels.shape[0])
        with self.in_precision(pixels.device):
            patches = self.patches(as_planes(pixels)).flatten(2).transpose(1, 2)
            tokens = torch.cat([reader, patches.float()], dim=1) + self.positions  # float32: what blocks add to
            for index, block in enumerate(self.blocks, start=1):
                tokens = block(tokens, num_out=1 if index == len(self.blocks) else tokens.shape[1])
        features: torch.Tensor = self.head(self.norm(tokens[:, 0]))
        return features

    def _reader(self, observation: Observation, batch: int) -> torch.Tensor:
        """Return the read-out token `(B, 1, width)`."""
        if not self._vector_names:
            return self.class_token.expand(batch, 1, -1)
        vectors = torch.cat([observation[name] for name in self._vector_names], dim=-1)
        token: torch.Tensor = self.telemetry(vectors).unsqueeze(1)
        return token


class Block(nn.Module):
    """Self-attention and a GELU layer, each behind a LayerNorm and added to what came in."""

    def __init__(self, *, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self._heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query = orthogonal(nn.Linear(width, width), 1.0)
        self.key_value = orthogonal(nn.Linear(width, 2 * width), 1.0)
        self.attention_out = orthogonal(nn.Linear(width, width), 1.0)
        self.layers_norm = nn.LayerNorm(width)
        layers = orthogonal(nn.Linear(width, hidden)), nn.GELU(), orthogonal(nn.Linear(hidden, width), 1.0)
        self.layers = nn.Sequential(*layers)

    def forward(self, tokens: torch.Tensor, num_out: int) -> torch.Tensor:
        """Return what the first `num_out` of the tokens `(B, T, width)` become: `(B, num_out, width)`."""
        normed = self.attention_norm(tokens)
        tokens = tokens[:, :num_out] + self._attend(normed[:, :num_out], normed)
        mixed: torch.Tensor = tokens + self.layers(self.layers_norm(tokens))
        return mixed

    def _attend(self, asking: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
        query = self._by_head(self.query(asking))
        key, value = (self._by_head(part) for part in self.key_value(asked).chunk(2, dim=-1))
        seen = _attention(query, key, value)
        out: torch.Tensor = self.attention_out(seen.transpose(1, 2).flatten(2))
        return out

    def _by_head(self, x: torch.Tensor) -> torch.Tensor:
        """Return `(B, T, width)` as `(B, heads, T, width / heads)`."""
        return x.unflatten(-1, (self._heads, -1)).transpose(1, 2)


def _attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Attend; on a CPU in float32: there the backward pass in bfloat16 takes four times as long (torch 2.13)."""
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value)
    with torch.autocast("cpu", enabled=False):
        return F.scaled_dot_product_attention(query.float(), key.float(), value.float())


def _count_patches(image: gym.spaces.Box, patch: int) -> int:
    height, width, _ = image.shape
    if height % patch or width % patch:
        fitting = [size for size in range(2, min(height, width) + 1) if not (height % size or width % size)]
        raise ValueError(
            f"patch={patch} does not divide an image of {height}x{width}. Set the env's image_size to a multiple of "
            f"{patch}, or patch to one of {', '.join(map(str, fitting)) or 1}."
        )
    return (height // patch) * (width // patch)
