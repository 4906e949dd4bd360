"""DreamerV3's RLModule: a policy that drives from a world model's states, and what only learning needs beside it."""

import copy
from typing import Any

import torch
from ray.rllib.core.columns import Columns

from models.actor_module import ActorModule
from models.encoder import target_class
from models.world_model.actor_head import DreamerHead
from models.world_model.encoder import LAST_ACTION, WorldModelEncoder
from models.world_model.predictions import Predictions, SymexpHead
from models.world_model.returns import ReturnRange

_CRITIC_LAYERS = 3


class DreamerModule(ActorModule):
    """World model, actor and critic of DreamerV3.

    The actor is the world model's encoder (with its recurrence and posterior) and the policy; runners and saved
    policies hold no more. `predictions`, `critic`, its average `slow_critic` and `return_range` are the learner's.

    `model_config` is `ActorModule`'s.

    Source: Hafner et al., "Mastering diverse control tasks through world models" (Nature 2025; arXiv 2301.04104v2).
    """

    def setup(self) -> None:
        """Build the networks.

        Raises:
            ValueError: The encoder is no world model, or the last action is not what the policy does.
        """
        try:
            target_class(self.model_config["encoder"]["_target_"], WorldModelEncoder)
        except ValueError as error:
            raise ValueError(
                f"DreamerV3 learns a world model and brings its own; choose no model, or model=world_model ({error})"
            ) from error
        target_class(self.model_config["head"]["_target_"], DreamerHead)
        super().setup()
        depth, left = divmod(self.world_model.action_dim, self.actor.action_dim)
        if depth != 1 or left:
            raise ValueError(
                f"the part {LAST_ACTION} holds {self.world_model.action_dim} numbers and an action has "
                f"{self.actor.action_dim}: the world model wants the last action and no more, env.action_history=1"
            )

    @property
    def world_model(self) -> WorldModelEncoder:
        """The part of the world model that drives."""
        encoder = self.actor.encoder
        assert isinstance(encoder, WorldModelEncoder)
        return encoder

    def setup_critic(self) -> None:
        """Build predictions, critic and its average."""
        encoder = self.world_model
        self.predictions = Predictions(encoder)
        self.critic = SymexpHead(encoder.feature_dim, encoder.units, _CRITIC_LAYERS)
        self.slow_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.return_range = ReturnRange()

    def _forward_exploration(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, torch.Tensor]:
        """Drive: as the actor does, but with a state that is drawn, which is what the world model learns from."""
        encoder, memory = self.world_model, batch[Columns.STATE_IN]
        observation = {name: part[:, None] for name, part in batch[Columns.OBS].items()}
        unrolled = encoder.observe(observation, memory.state, memory.is_first)
        driven = self.decide(unrolled.features[:, 0])
        # What lies beyond counts as the bound, for the env and for the world model.
        driven[Columns.ACTIONS] = driven[Columns.ACTIONS].clamp(-1.0, 1.0)
        return driven | {Columns.STATE_OUT: encoder.packed(unrolled.deter[:, 0], unrolled.index[:, 0])}
