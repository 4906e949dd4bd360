"""The seam between observations and algorithms: what every encoder is, and how one is built from its YAML."""

import inspect
import pkgutil
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import gymnasium as gym
import torch
from torch import nn

from models.memory import Memory

# Parts by name: images `(B, H, W, C)` uint8, vectors `(B, D)` float32. A bare image is the part "image".
Observation = dict[str, torch.Tensor]


class Encoder(nn.Module):
    """Maps an observation, a dict of images and vectors, to features.

    A subclass takes `observation_space` (a dict space, images stacked) and its sizes as keyword-only arguments, sets
    `feature_dim` and implements `forward(observation) -> (B, feature_dim)`. Images come as `(B, H, W, C)` uint8,
    newest frame last among the channels; the encoder casts and scales them on its device. Vectors come as `(B, D)`
    float32, and features leave in float32.

    Attributes:
        feature_dim: D.
        state_dim: S, the numbers that a recurrent encoder carries from one decision to the next; 0: it has no memory.
        precision: What products over images are computed in, `torch.float32` or `torch.bfloat16`; a subclass that
            sees images computes them inside `in_precision`. Weights, their gradients and the optimiser stay float32.
    """

    feature_dim: int
    state_dim: int = 0
    precision: torch.dtype = torch.float32

    def in_precision(self, device: torch.device) -> AbstractContextManager[Any]:
        """Return a context in which convolutions and matrix products on this device are computed in `precision`."""
        if self.precision == torch.float32:
            return nullcontext()
        return torch.autocast(device.type, self.precision)

    def forward(self, observation: Observation) -> torch.Tensor:
        """Return features `(B, feature_dim)` of an image, a vector, or a dict of both."""
        raise NotImplementedError

    def encode(self, observation: Observation, memory: Memory | None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return features and the state after them, whether the encoder is recurrent or not.

        Args:
            observation: Rows; those of `B` sequences of `T` slots stand sequence after sequence, `(B * T, …)`.
            memory: Of the sequences; an encoder without memory ignores it.

        Returns:
            Features `(B * T, D)`; the state `(B, S)` after the last slots, or None.
        """
        return self(observation), None


class RecurrentEncoder(Encoder):
    """An encoder with a memory: its features depend on the slots of the episode so far.

    A subclass sets `state_dim` too, and implements `forward(observation, state, is_first)`: parts `(B, T, …)`, state
    `(B, S)` and `is_first` `(B, T)` as in `Memory` to features `(B, T, D)` and the state `(B, S)` after them. All of a
    state stands in one row of float32, so that whoever carries it need not know what it means.
    """

    def forward(  # type: ignore[override] # that it asks for more is the point
        self, observation: Observation, state: torch.Tensor, is_first: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features `(B, T, feature_dim)`, and the state `(B, S)` after the last slot."""
        raise NotImplementedError

    def encode(self, observation: Observation, memory: Memory | None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return features `(B * T, D)` and the state `(B, S)`.

        Raises:
            ValueError: There is no memory.
        """
        if memory is None:
            raise ValueError(f"{type(self).__name__} has a memory of {self.state_dim} numbers; none was given.")
        shape = memory.is_first.shape
        parts = {name: part.unflatten(0, shape) for name, part in observation.items()}
        features, state = self(parts, memory.state, memory.is_first)
        return features.flatten(0, 1), state


def build(target: Mapping[str, Any], base: type, **built: Any) -> Any:
    """Instantiate the class that `target["_target_"]` names with the rest of `target` and the objects in `built`.

    Args:
        target: `_target_` and keyword arguments.
        base: What the class must descend from. Descriptions of policies come from files that a stranger may have
            written: nothing else that can be imported may be called.
        **built: Arguments that are made at run time.

    Raises:
        ValueError: The name does not import or is not such a class, or a key is unknown or missing; the message
            lists what there is.
    """
    arguments = dict(target)
    name = arguments.pop("_target_")
    cls = target_class(name, base)
    accepted = [p for p in inspect.signature(cls).parameters if p not in built]
    unknown = sorted(set(arguments) - set(accepted))
    if unknown:
        raise ValueError(f"{name} has no argument {', '.join(unknown)}; it takes {', '.join(accepted)}.")
    try:
        return cls(**arguments, **built)
    except TypeError as error:
        raise ValueError(f"{name}: {error}; it takes {', '.join(accepted)}.") from error


def target_class(name: str, base: type) -> type:
    """Return the class that `name` imports; raise a ValueError unless it descends from `base`."""
    try:
        cls = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"_target_: {name} does not import ({error}).") from error
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise ValueError(f"_target_: {name} is not a subclass of {base.__module__}.{base.__name__}.")
    return cls


def split_space(space: gym.spaces.Dict) -> tuple[dict[str, gym.spaces.Box], dict[str, gym.spaces.Box]]:
    """Split an observation space into its images (`(H, W, C)` boxes) and its vectors (`(D,)` boxes), by name."""
    boxes = {name: box for name, box in space.spaces.items() if isinstance(box, gym.spaces.Box)}
    images = {name: box for name, box in boxes.items() if len(box.shape) == 3}
    vectors = {name: box for name, box in boxes.items() if len(box.shape) == 1}
    return images, vectors
