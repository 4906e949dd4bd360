"""What the weights of a policy mean: a checkpoint keeps it beside them, an exported file within."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import gymnasium as gym

from envs.stacking import frame_stack
from experiments.spaces import actions_from_json, actions_to_json, module_space, space_from_json, space_to_json

if TYPE_CHECKING:
    from models.actor import Actor

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
        action_space: The env's box, over which the policy's [-1, 1] is stretched; or its choice, of which the policy
            gives one-hots.
        encoder: `_target_` and sizes.
        head: `_target_` and sizes.
        training: Where it comes from: algorithm, model, seed, frames, commit.
    """

    env: dict[str, Any]
    observation_space: gym.Space
    action_space: gym.spaces.Box | gym.spaces.Discrete
    encoder: dict[str, Any]
    head: dict[str, Any]
    training: dict[str, Any]

    def build_actor(self) -> "Actor":
        """Build the actor, untrained."""
        from models.actor import Actor  # brings torch: policies that run elsewhere do without

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
                "action_space": actions_to_json(self.action_space),
                "encoder": self.encoder,
                "head": self.head,
                "training": self.training,
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
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
        spaces = {
            "observation_space": space_from_json(data["observation_space"]),
            "action_space": actions_from_json(data["action_space"]),
        }
        return cls(**{name: data[name] for name in cls.__dataclass_fields__} | spaces)
