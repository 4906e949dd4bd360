"""What the RLModules of all actor-critic algorithms have in common: the actor, and how it drives a runner's envs."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import torch
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis import InferenceOnlyAPI
from ray.rllib.core.rl_module.torch import TorchRLModule

from models.actor import Actor
from models.encoder import Encoder, build, split_space


class ActorModule(TorchRLModule, InferenceOnlyAPI):
    """An RLModule around an `Actor`; a subclass adds its critics in `setup_critic`.

    Attributes:
        drives_with_critic: Whether runners need the critics too, because the learner wants to know what they thought.

    `model_config`: `encoder` and `head` (each with its `_target_`), `shared_encoder` (False gives the critics an
    encoder of their own; None does so where the encoder has a memory), `precision` of the encoders (`float32` or
    `bfloat16`, see `Encoder`), and what the subclass names. Runners and learner compute in the same precision, so that
    PPO compares like with like.

    `model_config` may also have `privileged`, names of vectors that the actor does not see: its policy drives where
    there are none. What critics make of them is the subclass's.
    """

    # RLlib types these as optional; in `setup` they are there.
    action_space: Any
    model_config: Any
    observation_space: Any
    drives_with_critic = False

    def setup(self) -> None:
        """Build the networks; the critics only where they are needed."""
        config = self.model_config
        self.privileged: list[str] = list(config.get("privileged", ()))
        self.policy_space = policy_space(self.observation_space, self.privileged)
        self.actor = Actor(
            observation_space=self.policy_space,
            action_space=self.action_space,
            encoder=config["encoder"],
            head=config["head"],
        )
        self.actor.encoder.precision = getattr(torch, config["precision"])
        shared = config["shared_encoder"]
        self.shared_encoder: bool = not self.actor.encoder.state_dim if shared is None else shared
        if self.inference_only and not self.drives_with_critic:
            return
        if not self.shared_encoder:
            self.own_critic_encoder = build(config["encoder"], Encoder, observation_space=self.policy_space)
            self.own_critic_encoder.precision = self.actor.encoder.precision
        self.setup_critic()

    def setup_critic(self) -> None:
        """Build the critics."""
        raise NotImplementedError

    @property
    def state_dim(self) -> int:
        """S, the numbers that a runner carries from decision to decision; 0: there is no memory."""
        return self.actor.encoder.state_dim

    @property
    def critic_encoder(self) -> Encoder:
        """The encoder whose features the critics see."""
        return self.actor.encoder if self.shared_encoder else self.own_critic_encoder

    def get_non_inference_attributes(self) -> list[str]:
        """Name what runners do not need: all but the actor, or nothing."""
        if self.drives_with_critic:
            return []
        return sorted({name.partition(".")[0] for name in self.state_dict()} - {"actor"})

    def _forward_exploration(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, torch.Tensor]:
        """Drive: `STATE_IN` is the `Memory` of one step, `STATE_OUT` the state after it, where there is a memory."""
        features, state = self.actor.encoder.encode(batch[Columns.OBS], batch.get(Columns.STATE_IN))
        return self.decide(features) | ({} if state is None else {Columns.STATE_OUT: state})

    def decide(self, features: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return actions that explore, and their log densities, from the actor's features."""
        policy = self.actor.head(features)
        actions = policy.sample()
        return {Columns.ACTIONS: actions, Columns.ACTION_LOGP: policy.log_prob(actions)}


def policy_space(space: gym.spaces.Dict, privileged: Sequence[str]) -> gym.spaces.Dict:
    """Return an observation space without the vectors of these names.

    Raises:
        ValueError: There is no such vector, or nothing else.
    """
    _, vectors = split_space(space)
    for name in privileged:
        if name not in vectors:
            raise ValueError(
                f"algo.training.privileged names {name}, which is none of the vectors of the observation "
                f"({', '.join(vectors) or 'it has none'})."
            )
    left = {name: part for name, part in space.spaces.items() if name not in privileged}
    if not left:
        raise ValueError(f"algo.training.privileged={list(privileged)} leaves the policy nothing to see.")
    return gym.spaces.Dict(left)
