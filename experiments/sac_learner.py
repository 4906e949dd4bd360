"""SAC's update: critics, actor and temperature in one backward pass and one fused step."""

from dataclasses import dataclass
from typing import Any

import torch

from experiments.frame_table import as_channels
from experiments.learner import RacingLearner
from experiments.transfer import onto
from models.encoder import Encoder
from models.memory import Memory

_YOUNG = 10  # updates


@dataclass(frozen=True)
class _Batch:
    """Decisions, one a row: what critics (`judged`) and actor (`seen`) read of them and of the observation ahead."""

    judged: torch.Tensor
    seen: torch.Tensor
    judged_ahead: torch.Tensor
    seen_ahead: torch.Tensor
    actions: torch.Tensor
    rewards: torch.Tensor
    discounts: torch.Tensor


class SACLearner(RacingLearner):
    """Source: Haarnoja et al. (2018), equations 5, 7 and 18, with n-step targets; encoder as in DrQ-v2.

    A policy with a memory learns from sequences: a run-up of some slots fills the memory from zeros, the others
    are learnt from (Kapturowski et al., "Recurrent Experience Replay in Distributed RL", 2019).
    """

    def learn(self, data: dict[str, Any]) -> dict[str, Any]:
        """Learn from one batch of the replay ring and return the losses, still on the device.

        A batch with `weights` (prioritised replay) weighs the critics' errors with them, and returns also `td_errors`
        `(B,)`: the mean over the critics of |TD error|.
        """
        options, net = self.config.options, self.net
        batch = self._sequences(data) if "is_first" in data else self._transitions(data)
        alpha = net.log_alpha.detach().exp()

        with torch.no_grad():
            next_actions, next_log_probs = net.actor.head(batch.seen_ahead).reparameterised()
            next_values = net.target_critic(batch.judged_ahead, next_actions).amin(0) - alpha * next_log_probs
            targets = options.reward_scale * batch.rewards + batch.discounts * next_values

        values = net.critic(batch.judged, batch.actions)
        errors = values - targets
        squares = errors.square()
        if "weights" in data:
            squares = onto(self._device, data["weights"]) * squares
        critic_loss = 0.5 * squares.mean(1).sum()

        new_actions, log_probs = net.actor.head(batch.seen).reparameterised()
        net.critic.requires_grad_(False)  # the actor's loss moves the actor alone
        actor_loss = (alpha * log_probs - net.critic(batch.judged.detach(), new_actions).amin(0)).mean()
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

    def _transitions(self, data: dict[str, Any]) -> _Batch:
        """Encode single transitions; both sides of the Bellman equation see the online encoders."""
        net = self.net
        observation, ahead = self._to_device(data["obs"]), self._to_device(data["next_obs"])
        with torch.no_grad():
            judged_ahead, _ = net.critic_encoder.encode(ahead, None)
            seen_ahead = judged_ahead if net.shared_encoder else net.actor.encoder.encode(ahead, None)[0]
        judged, _ = net.critic_encoder.encode(observation, None)
        seen = judged.detach() if net.shared_encoder else net.actor.encoder.encode(observation, None)[0]
        columns = {name: onto(self._device, data[name]) for name in ("actions", "rewards", "discounts")}
        return _Batch(judged=judged, seen=seen, judged_ahead=judged_ahead, seen_ahead=seen_ahead, **columns)

    def _sequences(self, data: dict[str, Any]) -> _Batch:
        """Encode sequences, each slot once: what is ahead of a decision is a later slot of the same pass."""
        net, run_up = self.net, data["run_up"]
        judged = self._unrolled(net.critic_encoder, data)
        seen = judged.detach() if net.shared_encoder else self._unrolled(net.actor.encoder, data)
        counts = onto(self._device, data["valid"][:, run_up:])
        ahead = onto(self._device, data["ahead"][:, run_up:] - run_up)[..., None]
        columns = {
            name: onto(self._device, data[name][:, run_up:])[counts] for name in ("actions", "rewards", "discounts")
        }
        return _Batch(
            judged=judged[:, :-1][counts],
            seen=seen[:, :-1][counts],
            judged_ahead=judged.detach().take_along_dim(ahead, 1)[counts],
            seen_ahead=seen.detach().take_along_dim(ahead, 1)[counts],
            **columns,
        )

    def _unrolled(self, encoder: Encoder, data: dict[str, Any]) -> torch.Tensor:
        """Return features `(B, L + 1, D)` of the slots after the run-up, through which no gradient flows."""
        run_up = data["run_up"]
        observation = {name: onto(self._device, part) for name, part in data["obs"].items()}
        is_first = onto(self._device, data["is_first"])
        state: torch.Tensor | None = torch.zeros(len(is_first), encoder.state_dim, device=self._device)
        if run_up:
            with torch.no_grad():
                _, state = encoder.encode(*_slots(observation, state, is_first, slice(0, run_up)))
        features, _ = encoder.encode(*_slots(observation, state, is_first, slice(run_up, None)))
        return features.unflatten(0, (len(is_first), -1))

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


def _slots(
    observation: dict[str, torch.Tensor], state: torch.Tensor | None, is_first: torch.Tensor, taken: slice
) -> tuple[dict[str, torch.Tensor], Memory]:
    """Return the rows of some slots of sequences, and the memory that belongs before them."""
    assert state is not None
    rows = {name: part[:, taken].flatten(0, 1) for name, part in observation.items()}
    return rows, Memory(state, is_first[:, taken])
