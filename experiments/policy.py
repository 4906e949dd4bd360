"""A policy as the two plain files of a checkpoint, and the actor that drives from them."""

from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from envs.action_coding import action_coding
from envs.errors import ConfigError
from experiments.described_policy import Batch, DescribedPolicy
from experiments.policy_description import DESCRIPTION, WEIGHTS, PolicyDescription
from models.actor import Actor
from models.memory import Memory


def save_policy(folder: Path, weights: dict[str, torch.Tensor], description: PolicyDescription) -> None:
    """Write a policy's two files into `folder`."""
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, folder / WEIGHTS)
    (folder / DESCRIPTION).write_text(description.to_json(), encoding="utf-8")


class DrivingPolicy(DescribedPolicy):
    """Drives with an actor, which may go on learning or be given other weights in between.

    Args:
        actor: The policy, on the CPU; put into evaluation mode.
        description: What it was built from.
    """

    def __init__(self, actor: Actor, description: PolicyDescription) -> None:
        super().__init__(description, state_dim=actor.encoder.state_dim)
        self._actor = actor.eval()
        self._coding = action_coding(description.action_space)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a policy from the folder of its two files; nothing is unpickled.

        Raises:
            ConfigError: A file is missing or does not hold what it should.
        """
        try:
            description = PolicyDescription.from_json((folder / DESCRIPTION).read_text(encoding="utf-8"))
            actor = description.build_actor()
            actor.load_state_dict(load_file(folder / WEIGHTS))
        except (OSError, ValueError, LookupError, TypeError, RuntimeError, SafetensorError) as error:
            raise ConfigError(
                f"{folder} holds no usable policy ({WEIGHTS} and {DESCRIPTION}): {error}. "
                "Choose a checkpoint folder of a run, or run=latest."
            ) from error
        return cls(actor, description)

    def decide(
        self, batch: Batch, state: npt.NDArray[np.float32], is_first: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]:
        """Take the actor's step, and turn its numbers into the env's actions."""
        memory = Memory.of_one_step(torch.from_numpy(state), torch.from_numpy(is_first)) if self._state_dim else None
        actions, after = self._actor.step({name: torch.from_numpy(part) for name, part in batch.items()}, memory)
        return self._coding.to_env(actions.numpy()), state if after is None else after.numpy()
