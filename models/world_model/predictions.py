"""What the world model predicts from the features of a state: the observation, the reward, whether the task goes on."""

import torch
from torch import nn

from models.encoder import Observation
from models.world_model.encoder import WorldModelEncoder
from models.world_model.images import ImageDecoder
from models.world_model.layers import dense_head
from models.world_model.rssm import Prior
from models.world_model.symlog import symlog
from models.world_model.two_hot import NUM_BINS, TwoHot, symexp_bins


class SymexpHead(nn.Module):
    """Features `(…, D)` to a distribution over numbers of any scale; untrained it says exactly 0.

    Source: Hafner et al. (arXiv 2301.04104v2), "Robust predictions".
    """

    bins: torch.Tensor

    def __init__(self, feature_dim: int, units: int, num_layers: int) -> None:
        super().__init__()
        self.layers = dense_head(feature_dim, units, num_layers, NUM_BINS, 0.0)
        self.register_buffer("bins", symexp_bins(), persistent=False)

    def forward(self, features: torch.Tensor) -> TwoHot:
        """Return the distribution."""
        return TwoHot(self.layers(features), self.bins)


class Predictions(nn.Module):
    """Prior, decoder, reward and continue heads beside a `WorldModelEncoder`; runners need none of them.

    Source: Hafner et al. (arXiv 2301.04104v2), "World model learning".
    """

    def __init__(self, encoder: WorldModelEncoder) -> None:
        super().__init__()
        sizes, units = encoder.sizes, encoder.units
        self.prior = Prior(sizes)
        self.reward = SymexpHead(sizes.feature_dim, units, num_layers=1)
        self.goes_on = dense_head(sizes.feature_dim, units, 1, 1, 1.0)
        if encoder.image is not None:
            self.image_decoder = ImageDecoder(
                encoder.image[1],
                encoder.depth,
                deter=sizes.deter,
                latent_dim=sizes.latent_dim,
                units=units,
                num_blocks=sizes.blocks,
            )
        if encoder.vectors:
            width = sum(encoder.vectors.values())
            self.vector_decoder = dense_head(sizes.feature_dim, units, encoder.num_layers, width, 1.0)

    def continue_probability(self, features: torch.Tensor) -> torch.Tensor:
        """Return how likely the task goes on after states with these features `(…, D)`."""
        return self.goes_on(features).squeeze(-1).float().sigmoid()

    def reconstruction_losses(
        self, encoder: WorldModelEncoder, features: torch.Tensor, observation: Observation
    ) -> dict[str, torch.Tensor]:
        """Return squared errors `(B, T)`, summed over pixels of 0 … 1 and over vectors after symlog.

        Args:
            encoder: What they were seen by.
            features: `(B, T, D)`.
            observation: Parts `(B, T, …)`.
        """
        losses = {}
        if encoder.image is not None:
            pixels = observation[encoder.image[0]]
            error = self.image_decoder(features.flatten(0, 1)) - pixels.flatten(0, 1).float() / 255.0
            losses["image"] = error.square().sum((1, 2, 3)).unflatten(0, pixels.shape[:2])
        if encoder.vectors:
            told = self.vector_decoder(features).float()
            losses["vectors"] = (told - symlog(encoder.joined_vectors(observation))).square().sum(-1)
        return losses
