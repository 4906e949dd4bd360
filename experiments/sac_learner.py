"""SAC's update: critics, actor and temperature in one backward pass and one fused step."""

from typing import Any

import torch

from experiments.frame_table import as_channels
from experiments.learner import RacingLearner
from experiments.transfer import onto

_YOUNG = 10  # updates


class SACLearner(RacingLearner):
    """Source: Haarnoja et al. (2018), equations 5, 7 and 18, with n-step targets; encoder as in DrQ-v2."""

    def learn(self, data: dict[str, Any]) -> dict[str, Any]:
        """Learn from one batch of the replay ring and return the losses, still on the device.

        A batch with `weights` (prioritised replay) weighs the critics' errors with them, and returns also `td_errors`
        `(B,)`: the mean over the critics of |TD error|.
        """
        options, net = self.config.options, self.net
        observation, next_observation = self._to_device(data["obs"]), self._to_device(data["next_obs"])
        actions, rewards, discounts = (onto(self._device, data[name]) for name in ("actions", "rewards", "discounts"))
        alpha = net.log_alpha.detach().exp()

        with torch.no_grad():
            next_features = net.critic_encoder(next_observation)
            seen = next_features if net.shared_encoder else net.actor.encoder(next_observation)
            next_actions, next_log_probs = net.actor.head(seen).reparameterised()
            next_values = net.target_critic(next_features, next_actions).amin(0) - alpha * next_log_probs
            targets = options.reward_scale * rewards + discounts * next_values

        features = net.critic_encoder(observation)
        values = net.critic(features, actions)
        errors = values - targets
        squares = errors.square()
        if "weights" in data:
            squares = onto(self._device, data["weights"]) * squares
        critic_loss = 0.5 * squares.mean(1).sum()

        seen = features.detach() if net.shared_encoder else net.actor.encoder(observation)
        new_actions, log_probs = net.actor.head(seen).reparameterised()
        net.critic.requires_grad_(False)  # the actor's loss moves the actor alone
        actor_loss = (alpha * log_probs - net.critic(features.detach(), new_actions).amin(0)).mean()
        net.critic.requires_grad_(True)
        alpha_loss = -(net.log_alpha * (log_probs.detach() + self._target_entropy).mean())

        grad_norm = self.descend(critic_loss + actor_loss + alpha_loss)
        self._move_targets()
        found = {"td_errors": errors.detach().abs().mean(0)} if "weights" in data else {}
        return found | {
            "critic_loss": critic_loss.detach(),
            "actor_loss": actor_loss.detach(),
            "alpha": alpha,
            "entropy": -log_probs.detach().mean(),
            "value": values.detach().mean(),
            "grad_norm": grad_norm,
        }

    @property
    def _target_entropy(self) -> float:
        per_action = self.config.options.target_entropy_per_action
        return per_action * self.net.action_space.shape[0]

    @property
    def policy(self) -> Any:
        """The averaged actor."""
        return self.net.average_actor

    @torch.no_grad()
    def _move_targets(self) -> None:
        net, options = self.net, self.config.options
        # A young average forgets faster, or it would still remember the untrained actor.
        average_rate = max(options.average_rate, _YOUNG / (_YOUNG + self.num_updates))
        for follower, leader, rate in (
            (net.target_critic, net.critic, options.target_rate),
            (net.average_actor, net.actor, average_rate),
        ):
            torch._foreach_lerp_(list(follower.parameters()), list(leader.parameters()), rate)

    def _to_device(self, observation: dict[str, Any]) -> dict[str, torch.Tensor]:
        parts = {name: onto(self._device, part) for name, part in observation.items()}
        return {name: as_channels(part) if part.dim() == 5 else part for name, part in parts.items()}
