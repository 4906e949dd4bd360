"""The part of the world model that drives: observations and actions to a state, as an encoder with a memory."""

from dataclasses import dataclass

import gymnasium as gym
import torch

from models.encoder import Observation, RecurrentEncoder, split_space
from models.layers import check_sizes
from models.world_model.categoricals import draw, one_hot, straight_through
from models.world_model.images import ImageEncoder
from models.world_model.layers import dense_stack
from models.world_model.rssm import Posterior, SequenceModel, StateSizes
from models.world_model.symlog import symlog

LAST_ACTION = "action_history"  # the part of observations that is the action before them


@dataclass(frozen=True)
class Unrolled:
    """The states of `B` sequences of `T` slots.

    Attributes:
        deter: h `(B, T, D)`.
        latent: z `(B, T, L C)` one-hots, whose gradient goes to the posterior.
        index: z `(B, T, L)` int64.
        posterior: Probabilities `(B, T, L, C)`.
    """

    deter: torch.Tensor
    latent: torch.Tensor
    index: torch.Tensor
    posterior: torch.Tensor

    @property
    def features(self) -> torch.Tensor:
        """States as heads see them: h and z side by side, `(B, T, D + L C)`."""
        return torch.cat([self.deter, self.latent], -1)


class WorldModelEncoder(RecurrentEncoder):
    """Encoder, sequence model and posterior of DreamerV3.

    Features are h and z side by side. A state is a row of h and, for each variable of z, its value counted from 1; a
    row of zeros is the state before an episode, in which z has no value. The last action comes with the observation
    (`env.action_history=1`), so that whoever drives carries nothing but the state.

    As an encoder it takes the likeliest z, so that a policy does the same at every replay of the same episode; for
    exploring and learning, `observe` draws it.

    Args:
        observation_space: At most one image, any number of vectors, and the part `action_history`.
        deter, latents, classes, hidden, blocks: See `StateSizes`.
        depth: Channels of the convolutions, of which the first has twice as many and the later ones up to four times.
        units: Width of the fully connected layers here and in everything that predicts from features.
        layers: Fully connected layers over vectors.

    Raises:
        ValueError: A size does not fit, there is no last action, nothing to see, or more than one image.

    Source: Hafner et al. (Nature 2025; arXiv 2301.04104v2), "World model learning".
    """

    def __init__(
        self,
        *,
        observation_space: gym.spaces.Dict,
        deter: int,
        latents: int,
        classes: int,
        hidden: int,
        blocks: int,
        depth: int,
        units: int,
        layers: int,
    ) -> None:
        super().__init__()
        check_sizes(
            deter=deter,
            latents=latents,
            classes=classes,
            hidden=hidden,
            blocks=blocks,
            depth=depth,
            units=units,
            layers=layers,
        )
        self.sizes = StateSizes(deter=deter, latents=latents, classes=classes, hidden=hidden, blocks=blocks)
        self.depth, self.units, self.num_layers = depth, units, layers
        self.image, self.vectors, self.action_dim = _parts(observation_space)
        token_dim = 0
        if self.image is not None:
            self.image_encoder = ImageEncoder(self.image[1], depth)
            token_dim += self.image_encoder.token_dim
        if self.vectors:
            self.vector_encoder = dense_stack(sum(self.vectors.values()), units, layers)
            token_dim += units
        self.sequence = SequenceModel(self.sizes, self.action_dim)
        self.posterior = Posterior(self.sizes, token_dim)
        self.feature_dim = self.sizes.feature_dim
        self.state_dim = deter + latents

    def forward(  # type: ignore[override] # as RecurrentEncoder says
        self, observation: Observation, state: torch.Tensor, is_first: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features `(B, T, D + L C)` of the likeliest states, and the state `(B, S)` after the last slot."""
        unrolled = self.observe(observation, state, is_first, is_random=False)
        return unrolled.features, self.packed(unrolled.deter[:, -1], unrolled.index[:, -1])

    def observe(
        self, observation: Observation, state: torch.Tensor, is_first: torch.Tensor, *, is_random: bool = True
    ) -> Unrolled:
        """Return the states of sequences.

        Args:
            observation: Parts `(B, T, …)`.
            state: `(B, S)`, before the first slot.
            is_first: `(B, T)` bool, where episodes begin: states and actions before such a slot count for nothing.
            is_random: Whether z is drawn, or the likeliest.
        """
        with self.in_precision(state.device):
            return self._unroll(observation, state, is_first, is_random)

    def _unroll(
        self, observation: Observation, state: torch.Tensor, is_first: torch.Tensor, is_random: bool
    ) -> Unrolled:
        goes_on = (~is_first).float()[..., None]
        tokens = self.posterior.prepare(self._tokens(observation))
        actions = self.sequence.prepare(observation[LAST_ACTION] * goes_on)
        deter, latent = self.unpacked(state)
        move, see = self.sequence.steps(), self.posterior.steps()
        steps = zip(tokens.unbind(1), actions.unbind(1), goes_on.unbind(1), strict=True)
        rows: list[tuple[torch.Tensor, ...]] = []
        for token, action, keep in steps:
            deter = move(deter * keep, latent * keep, action)
            probabilities = see(deter, token)
            index = draw(probabilities) if is_random else probabilities.argmax(-1)
            latent = straight_through(index, probabilities).flatten(1)
            rows.append((deter, latent, index, probabilities))
        deters, latents, indices, posteriors = (torch.stack(column, 1) for column in zip(*rows, strict=True))
        return Unrolled(deters, latents, indices, posteriors)

    def packed(self, deter: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """Return states `(…, S)` of h `(…, D)` and z `(…, L)`."""
        return torch.cat([deter.float(), index.float() + 1.0], -1)

    def unpacked(self, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return h `(B, D)` and z `(B, L C)` one-hot of states `(B, S)`; of a row of zeros, zeros."""
        deter, index = state[:, : self.sizes.deter], state[:, self.sizes.deter :]
        return deter, one_hot(index.round().long() - 1, self.sizes.classes).flatten(1)

    def _tokens(self, observation: Observation) -> torch.Tensor:
        tokens = []
        if self.image is not None:
            pixels = observation[self.image[0]]
            tokens.append(self.image_encoder(pixels.flatten(0, 1)).unflatten(0, pixels.shape[:2]))
        if self.vectors:
            tokens.append(self.vector_encoder(symlog(self.joined_vectors(observation))))
        return torch.cat(tokens, -1)

    def joined_vectors(self, observation: Observation) -> torch.Tensor:
        """Return all vectors but the last action side by side, `(B, T, V)`."""
        return torch.cat([observation[name] for name in self.vectors], -1)


def _parts(space: gym.spaces.Dict) -> tuple[tuple[str, tuple[int, ...]] | None, dict[str, int], int]:
    """Return the image's name and shape, the widths of vectors by name, and that of the last action."""
    images, boxes = split_space(space)
    vectors = {name: box.shape[0] for name, box in sorted(boxes.items())}
    if len(images) > 1:
        raise ValueError(f"The world model sees at most one image, got {', '.join(images)}.")
    if LAST_ACTION not in vectors:
        raise ValueError("The world model needs the last action in the observation: set env.action_history=1.")
    action_dim = vectors.pop(LAST_ACTION)
    if not images and not vectors:
        raise ValueError("The observation holds nothing but the last action: there is nothing to model.")
    image = next(((name, box.shape) for name, box in images.items()), None)
    return image, vectors, action_dim
