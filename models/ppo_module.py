"""PPO's RLModule: an actor and a value head."""

from typing import Any

import torch
from ray.rllib.core.columns import Columns

from models.actor_module import ActorModule
from models.encoder import Observation
from models.heads import ValueHead
from models.memory import Memory


class PPOModule(ActorModule):
    """Actor and critic of PPO; `model_config` adds `critic_hidden`, the widths of the value head.

    Runners tell what they think a state is worth: they have its features already, and drive with the weights that the
    learner would compute the values with.
    """

    drives_with_critic = True

    def setup_critic(self) -> None:
        """Build the value head."""
        self.critic = ValueHead(feature_dim=self.critic_encoder.feature_dim, hidden=self.model_config["critic_hidden"])

    @property
    def state_dim(self) -> int:
        """S; a critic with an encoder of its own has a state of its own, after the actor's."""
        return self.actor.encoder.state_dim * (1 if self.shared_encoder else 2)

    def values(self, observation: Observation, memory: Memory | None = None) -> torch.Tensor:
        """Return state values, one a row."""
        return self.critic(self._features(observation, memory)[1])

    def _forward_exploration(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, torch.Tensor]:
        seen, judged, state = self._features(batch[Columns.OBS], batch.get(Columns.STATE_IN))
        driven = self.decide(seen) | {Columns.VF_PREDS: self.critic(judged)}
        return driven | ({} if state is None else {Columns.STATE_OUT: state})

    def evaluate(
        self, observation: Observation, actions: torch.Tensor, memory: Memory | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return log densities of `actions`, entropies and values, one a row, in one pass of a shared encoder.

        Args:
            observation: Rows, of sequences as in `Encoder.encode` where there is a memory.
            actions: One a row.
            memory: Of the sequences.
        """
        seen, judged, _ = self._features(observation, memory)
        policy = self.actor.head(seen)
        return policy.log_prob(actions), policy.entropy(), self.critic(judged)

    def _features(
        self, observation: Observation, memory: Memory | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return what the actor's head and what the critic reads, and the state `(B, S)` after it."""
        if self.shared_encoder:
            features, state = self.actor.encoder.encode(observation, memory)
            return features, features, state
        halves: list[Memory | None] = [None, None]
        if memory is not None:
            halves = [Memory(state, memory.is_first) for state in memory.state.chunk(2, dim=-1)]
        seen, actor_state = self.actor.encoder.encode(observation, halves[0])
        judged, critic_state = self.critic_encoder.encode(observation, halves[1])
        if actor_state is None or critic_state is None:
            return seen, judged, None
        return seen, judged, torch.cat([actor_state, critic_state], dim=-1)
