"""The recurrent state-space model: how a state follows from the last one, and what an observation says about it."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from models.world_model.categoricals import mixed
from models.world_model.layers import BlockLinear, Dense, dense_head, initialise, linear
from models.world_model.norm_silu import NormSiLU


@dataclass(frozen=True)
class StateSizes:
    """How large a state is, and what computes it.

    Attributes:
        deter: D, the recurrent part h.
        latents: L, categorical variables of the random part z.
        classes: C, values of each.
        hidden: Width of the layers around the recurrence.
        blocks: G, into which the recurrence is cut; it must divide D.
    """

    deter: int
    latents: int
    classes: int
    hidden: int
    blocks: int

    def __post_init__(self) -> None:
        """Raise a ValueError for sizes that cannot be."""
        if self.deter % self.blocks:
            raise ValueError(f"deter={self.deter} cannot be cut into blocks={self.blocks}: expected a multiple of it.")
        if self.latents and not 2 <= self.classes <= 2047:  # stored states are float16, which counts to 2048
            raise ValueError(f"classes={self.classes}: expected 2 to 2047.")

    @property
    def latent_dim(self) -> int:
        """Width of z as one-hots."""
        return self.latents * self.classes

    @property
    def feature_dim(self) -> int:
        """Width of h and z side by side, which everything is predicted from."""
        return self.deter + self.latent_dim


class SequenceModel(nn.Module):
    """h_t = f(h_{t-1}, z_{t-1}, a_{t-1}): a GRU whose recurrent weights are cut into blocks.

    Source: Hafner et al. (arXiv 2301.04104v2), "World model learning"; gates as in the authors' code: the reset gate
    acts on the candidate, the update gate begins nearly shut (-1).
    """

    def __init__(self, sizes: StateSizes, action_dim: int) -> None:
        super().__init__()
        deter, hidden, blocks = sizes.deter, sizes.hidden, sizes.blocks
        self._blocks, self._hidden = blocks, hidden
        self.from_deter = Dense(deter, hidden)
        self.from_latent = Dense(sizes.latent_dim, hidden)
        self.from_action = Dense(action_dim, hidden)
        # One block-wise layer over a share of h and all of the three above, as the sum of two products: what is common
        # to all blocks need not be repeated for each.
        fan_in = deter + 3 * hidden * blocks  # as many as if it were repeated, as in the authors' code
        self.mix_deter = BlockLinear(deter, deter, blocks, fan_in=fan_in, has_bias=False)
        self.mix_inputs = linear(3 * hidden, deter)
        initialise(self.mix_inputs.weight, fan_in)
        self.mix_norm = NormSiLU(deter)
        self.gates = BlockLinear(deter, 3 * deter, blocks)

    def prepare(self, actions: torch.Tensor) -> torch.Tensor:
        """Return what actions `(…, A)` contribute, for all steps at once; they count as at most 1 in size."""
        known = self.from_action(actions.clamp(-1.0, 1.0))
        return F.linear(known, self.mix_inputs.weight[:, 2 * self._hidden :], self.mix_inputs.bias)

    def forward(self, deter: torch.Tensor, latent: torch.Tensor, prepared: torch.Tensor) -> torch.Tensor:
        """Return h `(B, D)` after h `(B, D)` and z `(B, L C)`, with the prepared action `(B, D)` taken in between."""
        inputs = torch.cat([self.from_deter(deter), self.from_latent(latent)], -1)
        mixed_inputs = F.linear(inputs, self.mix_inputs.weight[:, : 2 * self._hidden])
        hidden = self.mix_norm(self.mix_deter(deter) + mixed_inputs + prepared)
        gates = self.gates(hidden).float().unflatten(-1, (self._blocks, 3, -1))
        reset, candidate, update = (gate.flatten(1) for gate in gates.unbind(2))
        update = torch.sigmoid(update - 1.0)
        return torch.lerp(deter, torch.tanh(torch.sigmoid(reset) * candidate), update)


class Posterior(nn.Module):
    """z_t ~ q(z_t | h_t, x_t): what an observation's tokens and the recurrent state say about the random one.

    Source: Hafner et al. (arXiv 2301.04104v2), "World model learning", the encoder.
    """

    def __init__(self, sizes: StateSizes, token_dim: int) -> None:
        super().__init__()
        self._deter, self._sizes = sizes.deter, sizes
        self.linear = linear(sizes.deter + token_dim, sizes.hidden)
        self.norm = NormSiLU(sizes.hidden)
        self.logits = linear(sizes.hidden, sizes.latent_dim)

    def prepare(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return what tokens `(…, E)` contribute, for all steps at once."""
        return F.linear(tokens, self.linear.weight[:, self._deter :], self.linear.bias)

    def forward(self, deter: torch.Tensor, prepared: torch.Tensor) -> torch.Tensor:
        """Return probabilities `(B, L, C)` for h `(B, D)` and prepared tokens `(B, hidden)`."""
        hidden = self.norm(F.linear(deter, self.linear.weight[:, : self._deter]) + prepared)
        return mixed(self.logits(hidden).unflatten(-1, (self._sizes.latents, self._sizes.classes)))


class Prior(nn.Module):
    """z_t ~ p(z_t | h_t): what the recurrent state alone expects.

    Source: Hafner et al. (arXiv 2301.04104v2), "World model learning", the dynamics predictor.
    """

    def __init__(self, sizes: StateSizes, num_layers: int = 2) -> None:
        super().__init__()
        self._sizes = sizes
        self.layers = dense_head(sizes.deter, sizes.hidden, num_layers, sizes.latent_dim, 1.0)

    def forward(self, deter: torch.Tensor) -> torch.Tensor:
        """Return probabilities `(…, L, C)` for h `(…, D)`."""
        return mixed(self.layers(deter).unflatten(-1, (self._sizes.latents, self._sizes.classes)))
