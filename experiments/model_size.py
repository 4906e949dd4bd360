"""How large a run's networks are: parameters, and the work of one decision; printed before training starts."""

import copy
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, Self

import gymnasium as gym
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from models.actor import Actor
from models.actor_module import ActorModule
from models.encoder import split_space
from models.memory import Memory


@dataclass(frozen=True)
class ModelSize:
    """What networks weigh and cost.

    Attributes:
        actor_parameters: Of the encoder and the action head that drive.
        trained_parameters: All that gradients reach: of actor and critics, without targets and averages.
        decision_flops: Of one decision of the actor: the products of convolutions, layers, LSTMs and attention, a
            multiplication and its addition counted as two; activations and normalisation are left out.
    """

    actor_parameters: int
    trained_parameters: int
    decision_flops: int

    @classmethod
    def of(cls, module: ActorModule, observation_space: gym.spaces.Dict) -> Self:
        """Measure an RLModule, with or without memory for its weights, that sees `observation_space`."""
        return cls(
            actor_parameters=sum(parameter.numel() for parameter in module.actor.parameters()),
            trained_parameters=sum(p.numel() for p in module.parameters() if p.requires_grad),
            decision_flops=decision_flops(module.actor, observation_space),
        )

    def __str__(self) -> str:
        """Say it in one line."""
        return (
            f"{_short(self.actor_parameters)} parameters in the actor, {_short(self.trained_parameters)} trained; "
            f"{_short(self.decision_flops, 'FLOP')} a decision"
        )

    def tags(self) -> dict[str, str]:
        """Return the numbers by name, as a tracker takes them."""
        return {name: str(value) for name, value in asdict(self).items()}


def decision_flops(actor: Actor, observation_space: gym.spaces.Dict) -> int:
    """Return the floating-point operations of one decision: an actor's step with a batch of one.

    Args:
        actor: With or without a memory; it is copied, and may be on torch's device `meta`.
        observation_space: As the actor sees it, images stacked.
    """
    actor = copy.deepcopy(actor).to_empty(device="cpu").eval()
    with torch.no_grad():
        for tensor in chain(actor.parameters(), actor.buffers()):
            tensor.zero_()  # what memory happens to hold may be no number
    images, vectors = split_space(observation_space)
    observation = {name: torch.zeros(1, *box.shape, dtype=torch.uint8) for name, box in images.items()}
    observation |= {name: torch.zeros(1, *box.shape) for name, box in vectors.items()}
    memory = Memory.of_one_step(torch.zeros(1, actor.encoder.state_dim), torch.ones(1, dtype=torch.bool))
    # Of attention, the counter knows the products of the plain form, but not the kernel that CPUs fuse them in.
    with (
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False, custom_mapping={torch.ops.aten.mkldnn_rnn_layer: _lstm_flops}) as counter,
    ):
        actor.step(observation, memory if actor.encoder.state_dim else None)
    return int(counter.get_total_flops())


def _lstm_flops(input_shape: torch.Size, from_input: torch.Size, from_state: torch.Size, *_: Any, **__: Any) -> int:
    """Count one layer of an LSTM, in the kernel that CPUs fuse it in: `(T, B, D)` times `(4 H, D)` and `(4 H, H)`."""
    length, batch, _width = input_shape
    return 2 * length * batch * (from_input.numel() + from_state.numel())


def _short(count: int, unit: str = "") -> str:
    """Return a count with three digits and its size's letter: 12.3 M, 678 k, 12.3 MFLOP."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= 0.9995 * size:
            return f"{f'{count / size:#.3g}'.rstrip('.')} {letter}{unit}"
    return f"{count} {unit}".rstrip()
