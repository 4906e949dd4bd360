"""PPO's RLModule: an actor and a value head."""

import torch

from models.actor_module import ActorModule
from models.encoder import Observation
from models.heads import ValueHead


class PPOModule(ActorModule):
    """Actor and critic of PPO; `model_config` adds `critic_hidden`, the widths of the value head."""

    def setup_critic(self) -> None:
        """Build the value head."""
        self.critic = ValueHead(feature_dim=self.critic_encoder.feature_dim, hidden=self.model_config["critic_hidden"])

    def values(self, observation: Observation) -> torch.Tensor:
        """Return state values `(B,)`."""
        return self.critic(self.critic_encoder(observation))

    def evaluate(
        self, observation: Observation, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return log densities of `actions`, entropies and values, each `(B,)`, in one pass of a shared encoder."""
        features = self.actor.encoder(observation)
        policy = self.actor.head(features)
        critic_features = features if self.shared_encoder else self.critic_encoder(observation)
        return policy.log_prob(actions), policy.entropy(), self.critic(critic_features)
