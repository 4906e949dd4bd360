"""PPO's RLModule: an actor and a value head."""

from typing import Any, NamedTuple

import torch
from ray.rllib.core.columns import Columns
from torch import nn
from torch.nn.functional import smooth_l1_loss

from models.actor_module import ActorModule
from models.encoder import Observation
from models.heads import ValueHead
from models.memory import Memory

# Errors about privileged vectors, whose components are about 1, count squared up to here and linearly beyond: what no
# picture shows, such as where a car is that is far off its track, must not drown the rest.
_SMALL_ERROR = 0.3


class Evaluation(NamedTuple):
    """What a policy and its critic make of `B` rows, each `(B,)`."""

    log_probs: torch.Tensor  # densities of their actions
    entropy: torch.Tensor
    values: torch.Tensor
    privileged_error: torch.Tensor | None  # mean over what the features are to tell; None: there is nothing


class PPOModule(ActorModule):
    """Actor and critic of PPO; `model_config` adds `critic_hidden`, the widths of the value head.

    The critic reads `privileged` vectors beside the features (Pinto et al., "Asymmetric Actor Critic for Image-Based
    Robot Learning", 2017), and a linear layer learns to tell them from the actor's features, which thereby come to hold
    what a picture shows of them.

    Runners tell what they think a state is worth: they have its features already, and drive with the weights that the
    learner would compute the values with.
    """

    drives_with_critic = True

    def setup_critic(self) -> None:
        """Build the value head, and what tells privileged vectors from features."""
        width, told = self.critic_encoder.feature_dim, sum(self.observation_space[n].shape[0] for n in self.privileged)
        self.critic = ValueHead(feature_dim=width + told, hidden=self.model_config["critic_hidden"])
        if told:
            self.privileged_head = nn.Linear(self.actor.encoder.feature_dim, told)

    @property
    def state_dim(self) -> int:
        """S; a critic with an encoder of its own has a state of its own, after the actor's."""
        return self.actor.encoder.state_dim * (1 if self.shared_encoder else 2)

    def values(self, observation: Observation, memory: Memory | None = None) -> torch.Tensor:
        """Return state values, one a row."""
        return self._judge(self._features(observation, memory)[1], observation)

    def _forward_exploration(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, torch.Tensor]:
        seen, judged, state = self._features(batch[Columns.OBS], batch.get(Columns.STATE_IN))
        driven = self.decide(seen) | {Columns.VF_PREDS: self._judge(judged, batch[Columns.OBS])}
        return driven | ({} if state is None else {Columns.STATE_OUT: state})

    def evaluate(self, observation: Observation, actions: torch.Tensor, memory: Memory | None = None) -> Evaluation:
        """Return log densities of `actions`, entropies, values and errors, in one pass of a shared encoder.

        Args:
            observation: Rows, of sequences as in `Encoder.encode` where there is a memory.
            actions: One a row.
            memory: Of the sequences.
        """
        seen, judged, _ = self._features(observation, memory)
        policy = self.actor.head(seen)
        error = None
        if self.privileged:
            told = self._told(observation)
            error = smooth_l1_loss(self.privileged_head(seen), told, beta=_SMALL_ERROR, reduction="none").mean(-1)
        return Evaluation(policy.log_prob(actions), policy.entropy(), self._judge(judged, observation), error)

    def _judge(self, judged: torch.Tensor, observation: Observation) -> torch.Tensor:
        """Return the values `(B,)` of rows with these features."""
        return self.critic(torch.cat([judged, self._told(observation)], dim=-1) if self.privileged else judged)

    def _told(self, observation: Observation) -> torch.Tensor:
        """Return the privileged vectors `(B, P)`."""
        return torch.cat([observation[name] for name in self.privileged], dim=-1)

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
