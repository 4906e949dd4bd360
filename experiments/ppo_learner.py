"""PPO's update: epochs of clipped minibatch steps over the decisions, or the sequences, of a rollout."""

from typing import Any

import torch

from experiments.fragment import Fragment
from experiments.frame_table import FrameTable
from experiments.learner import RacingLearner
from experiments.rollout import rollout_of
from experiments.transfer import onto
from models.memory import Memory


class PPOLearner(RacingLearner):
    """Source: Schulman et al., "Proximal Policy Optimization Algorithms" (2017), equations 7 and 9.

    A policy with a memory learns from sequences of slots in a row, each from the state that the runner had before it.
    """

    def learn(self, data: list[Fragment]) -> dict[str, Any]:
        """Learn from fragments and return the mean losses, and the number of `updates`."""
        options, others = self.config.options, self.collective
        table = FrameTable(data, self._device)
        columns = rollout_of(
            data,
            gamma=options.gamma,
            gae_lambda=options.gae_lambda,
            reward_scale=options.reward_scale,
            sequence_length=options.sequence_length if self.net.state_dim else None,
            moments=None if others is None else others.moments,
        )
        rollout = {name: onto(self._device, column) for name, column in columns.items()}
        num_sequences, length = rollout["slots"].shape
        # Learners take their steps together: each as many, with its part of the minibatch.
        num_used = num_sequences if others is None else others.least(num_sequences)
        size = options.minibatch_size // length // (1 if others is None else others.size)
        totals: dict[str, torch.Tensor] = {}
        num_steps = 0
        for _ in range(options.epochs):
            for chosen in torch.randperm(num_sequences, device=self._device)[:num_used].split(size):
                part = {name: column[chosen] for name, column in rollout.items()}
                memory = Memory(part.pop("state"), part["is_first"]) if self.net.state_dim else None
                batch = {name: column.flatten(0, 1) for name, column in part.items()}
                losses = self._step(table.read(batch["slots"]), batch, memory)
                for name, value in losses.items():
                    totals[name] = totals.get(name, 0.0) + value
                num_steps += 1
        means = {name: float(total) / num_steps for name, total in totals.items()}
        return means | {"updates": num_steps, "explained_variance": _explained(rollout)}

    def _step(
        self, observation: dict[str, torch.Tensor], batch: dict[str, torch.Tensor], memory: Memory | None = None
    ) -> dict[str, torch.Tensor]:
        options = self.config.options
        log_probs, entropy, values, privileged_error = self.net.evaluate(observation, batch["actions"], memory)
        if memory is not None:  # slots that only reset their env have passed the state on, and count for nothing else
            counts = batch["is_decision"]
            log_probs, entropy, values = log_probs[counts], entropy[counts], values[counts]
            privileged_error = None if privileged_error is None else privileged_error[counts]
            batch = {name: column[counts] for name, column in batch.items()}
        log_ratio = log_probs - batch["log_probs"]
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1.0 - options.clip, 1.0 + options.clip)
        policy_loss = -torch.min(ratio * batch["advantages"], clipped * batch["advantages"]).mean()
        value_loss = 0.5 * (values - batch["returns"]).square().mean()
        loss = policy_loss + options.value_coeff * value_loss - options.entropy_coeff * entropy.mean()
        more = {}
        if privileged_error is not None:
            more["privileged_error"] = privileged_error.mean()
            loss = loss + options.privileged_coeff * more["privileged_error"]
        grad_norm = self.descend(loss)
        with torch.no_grad():
            return {
                "policy_loss": policy_loss.detach(),
                "value_loss": value_loss.detach(),
                "entropy": entropy.mean(),
                "kl": (ratio - 1.0 - log_ratio).mean(),  # Schulman's low-variance estimator
                "clip_share": ((ratio - 1.0).abs() > options.clip).float().mean(),
                "grad_norm": grad_norm,
                **{name: value.detach() for name, value in more.items()},
            }


def _explained(rollout: dict[str, torch.Tensor]) -> float:
    """Return the share of the returns' variance that the values explained before the update."""
    counts = rollout.get("is_decision", slice(None))
    returns, values = rollout["returns"][counts], rollout["values"][counts]
    variance = float(returns.var())
    return 1.0 - float((returns - values).var()) / variance if variance > 0 else 0.0
