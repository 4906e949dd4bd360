"""The recurrent state-space model: how a state follows from the last one, and what an observation says about it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from models.world_model.categoricals import mixed
from models.world_model.gates import gated
from models.world_model.layers import BlockLinear, Dense, dense_head, initialise, linear
from models.world_model.norm_silu import NormSiLU
from models.world_model.step_product import StepProduct

SequenceStep = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
PosteriorStep = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


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

    Source: Hafner et al. (arXiv 2301.04104v2), "World model learning"; see `gated`.
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

    def steps(self) -> SequenceStep:
        """Return one step as a function, for a loop of them.

        It returns h `(B, D)` after h `(B, D)` and z `(B, L C)`, with a prepared action `(B, D)` taken in between.
        """
        from_deter, from_latent = _product(self.from_deter.linear), _product(self.from_latent.linear)
        mix_inputs = StepProduct(self.mix_inputs.weight[:, : 2 * self._hidden].T)
        mix_deter, gates, bias = StepProduct(self.mix_deter.weight), StepProduct(self.gates.weight), self.gates.bias
        assert bias is not None

        def step(deter: torch.Tensor, latent: torch.Tensor, prepared: torch.Tensor) -> torch.Tensor:
            known = [self.from_deter.norm(from_deter(deter)), self.from_latent.norm(from_latent(latent))]
            mixed_inputs = mix_inputs(torch.cat(known, -1))
            mixed_deter = mix_deter(self._in_blocks(deter)).transpose(0, 1).flatten(1)
            hidden = self.mix_norm(mixed_deter + mixed_inputs + prepared)
            return gated(gates(self._in_blocks(hidden)), bias, deter)

        return step

    def _in_blocks(self, x: torch.Tensor) -> torch.Tensor:
        """Return `(G, B, D / G)` of `(B, D)`."""
        return x.unflatten(-1, (self._blocks, -1)).transpose(0, 1)


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

    def steps(self) -> PosteriorStep:
        """Return one step as a function, for a loop of them.

        It returns probabilities `(B, L, C)` for h `(B, D)` and prepared tokens `(B, hidden)`.
        """
        linear, logits = StepProduct(self.linear.weight[:, : self._deter].T), _product(self.logits)

        def step(deter: torch.Tensor, prepared: torch.Tensor) -> torch.Tensor:
            told = logits(self.norm(linear(deter) + prepared))
            return mixed(told.unflatten(-1, (self._sizes.latents, self._sizes.classes)))

        return step


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


def _product(layer: nn.Linear) -> StepProduct:
    return StepProduct(layer.weight.T, layer.bias)
