"""PPO's RLModule: an actor and a value head."""

from typing import Any

import torch
from ray.rllib.core.columns import Columns

from models.actor_module import ActorModule
from models.encoder import Observation
from models.heads import ValueHead


class PPOModule(ActorModule):
    """Actor and critic of PPO; `model_config` adds `critic_hidden`, the widths of the value head.

    Runners tell what they think a state is worth: they have its features already, and drive with the weights that the
    learner would compute the values with.
    """

    drives_with_critic = True

    def setup_critic(self) -> None:
        """Build the value head."""
        self.critic = ValueHead(feature_dim=self.critic_encoder.feature_dim, hidden=self.model_config["critic_hidden"])

    def values(self, observation: Observation) -> torch.Tensor:
        """Return state values `(B,)`."""
        return self.critic(self.critic_encoder(observation))

    def _forward_exploration(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, torch.Tensor]:
        features = self.actor.encoder(batch[Columns.OBS])
        policy = self.actor.head(features)
        actions = policy.sample()
        values = self._values(features, batch[Columns.OBS])
        return {Columns.ACTIONS: actions, Columns.ACTION_LOGP: policy.log_prob(actions), Columns.VF_PREDS: values}

    def _values(self, features: torch.Tensor, observation: Observation) -> torch.Tensor:
        return self.critic(features if self.shared_encoder else self.critic_encoder(observation))

    def evaluate(
        self, observation: Observation, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return log densities of `actions`, entropies and values, each `(B,)`, in one pass of a shared encoder."""
        features = self.actor.encoder(observation)
        policy = self.actor.head(features)
        return policy.log_prob(actions), policy.entropy(), self._values(features, observation)
