"""A policy as two plain files, and how it drives: all that evaluation, play and export need of a run."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from envs.contract import unsquash
from envs.errors import ConfigError
from envs.stacking import FrameStacker, as_parts, frame_stack, observation_parts
from experiments.spaces import module_space, space_from_json, space_to_json
from models.actor import Actor
from models.memory import Memory

WEIGHTS = "policy.safetensors"
DESCRIPTION = "policy.json"
POLICY_FILES = (WEIGHTS, DESCRIPTION)
_FORMAT = 1


@dataclass(frozen=True)
class PolicyDescription:
    """What a policy's weights mean.

    Attributes:
        env: The config of the env it was trained in; `frame_stack` is the policy's preprocessing.
        observation_space: Single frames, as the env gives them.
        action_space: The env's box; the policy's [-1, 1] is stretched over it.
        encoder: `_target_` and sizes.
        head: `_target_` and sizes.
        training: Where it comes from: algorithm, model, seed, frames, commit.
    """

    env: dict[str, Any]
    observation_space: gym.Space
    action_space: gym.spaces.Box
    encoder: dict[str, Any]
    head: dict[str, Any]
    training: dict[str, Any]

    def build_actor(self) -> Actor:
        """Build the actor, untrained."""
        return Actor(
            observation_space=module_space(self.observation_space, frame_stack(self.env)),
            action_space=self.action_space,
            encoder=self.encoder,
            head=self.head,
        )

    def to_json(self) -> str:
        """Write it down."""
        return json.dumps(
            {
                "format": _FORMAT,
                "env": self.env,
                "observation_space": space_to_json(self.observation_space),
                "action_space": space_to_json(self.action_space),
                "encoder": self.encoder,
                "head": self.head,
                "training": self.training,
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> "PolicyDescription":
        """Read what `to_json` wrote.

        Raises:
            ValueError: The text is not such a description.
        """
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("format") != _FORMAT:
            raise ValueError(f"it is not a policy description of format {_FORMAT}")
        missing = [name for name in cls.__dataclass_fields__ if name not in data]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
        spaces = {name: space_from_json(data[name]) for name in ("observation_space", "action_space")}
        return cls(**{name: data[name] for name in cls.__dataclass_fields__} | spaces)


def save_policy(folder: Path, weights: dict[str, torch.Tensor], description: PolicyDescription) -> None:
    """Write a policy's two files into `folder`."""
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, folder / WEIGHTS)
    (folder / DESCRIPTION).write_text(description.to_json(), encoding="utf-8")


class DrivingPolicy:
    """A policy that drives any number of envs at once, deterministically, from single frames."""

    def __init__(self, actor: Actor, description: PolicyDescription) -> None:
        self.description = description
        self._actor = actor.eval()
        self._images, self._vectors = observation_parts(description.observation_space)

    @classmethod
    def load(cls, folder: Path) -> "DrivingPolicy":
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

    def start(self, num_envs: int) -> None:
        """Prepare to drive `num_envs` envs side by side."""
        self._stacker = FrameStacker(num_envs, frame_stack(self.description.env), self._images)
        size = (num_envs, self._actor.encoder.state_dim)
        self._state = torch.zeros(size) if size[1] else None

    def act(self, observation: Any, is_first: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Return the envs' actions `(N, A)`, in the env's box, for their single-frame observations.

        Args:
            observation: Batch `(N, …)` as the env gives it.
            is_first: `(N,)`, whether an env's observation is the first of an episode.
        """
        parts = as_parts(observation)
        stacked = self._stacker.push({name: parts[name] for name in self._images}, is_first)
        self._view = next(iter(stacked.values()), None)
        batch = stacked | {name: np.asarray(parts[name], np.float32) for name in self._vectors}
        memory = None if self._state is None else Memory.of_one_step(self._state, torch.from_numpy(is_first))
        actions, self._state = self._actor.step({name: torch.from_numpy(p) for name, p in batch.items()}, memory)
        return unsquash(actions.numpy(), self.description.action_space.low, self.description.action_space.high)

    def view(self) -> npt.NDArray[np.uint8] | None:
        """Return the stack `(H, W, C * k)` that the first env's policy saw last, or None if it sees no image."""
        return None if self._view is None else self._view[0]
