"""PPO's update: advantages of the fragments, then epochs of clipped minibatch steps."""

from typing import Any

import numpy as np
import torch

from experiments.advantages import generalised_advantages
from experiments.fragment import Fragment
from experiments.frame_table import FrameTable
from experiments.learner import RacingLearner
from experiments.transfer import onto


class PPOLearner(RacingLearner):
    """Source: Schulman et al., "Proximal Policy Optimization Algorithms" (2017), equations 7 and 9."""

    def learn(self, data: list[Fragment]) -> dict[str, Any]:
        """Learn from fragments and return the mean losses, and the number of `updates`."""
        options = self.config.options
        table = FrameTable(data, self._device)
        slots, batch = self._batch(data)
        totals: dict[str, torch.Tensor] = {}
        num_steps = 0
        for _ in range(options.epochs):
            for chosen in torch.randperm(len(slots), device=self._device).split(options.minibatch_size):
                losses = self._step(table.read(slots[chosen]), {name: part[chosen] for name, part in batch.items()})
                for name, value in losses.items():
                    totals[name] = totals.get(name, 0.0) + value
                num_steps += 1
        means = {name: float(total) / num_steps for name, total in totals.items()}
        return means | {"updates": num_steps, "explained_variance": _explained(batch)}

    def _batch(self, fragments: list[Fragment]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the slots to learn from, and what goes with each."""
        options = self.config.options
        slots, columns, offset = [], [], 0
        for fragment in fragments:
            if fragment.values is None:
                raise ValueError("PPO learns from fragments with values; this one was driven without a critic.")
            advantages = generalised_advantages(
                fragment,
                fragment.values,
                gamma=options.gamma,
                gae_lambda=options.gae_lambda,
                reward_scale=options.reward_scale,
            )
            valid, values = fragment.valid, fragment.values[:-1][fragment.valid]
            slots.append(np.flatnonzero(valid) + offset)
            columns.append(
                {
                    "actions": fragment.actions[valid],
                    "log_probs": fragment.log_probs[valid],
                    "advantages": advantages[valid],
                    "values": values,
                    "returns": advantages[valid] + values,
                }
            )
            offset += fragment.age.size
        joined = {name: np.concatenate([part[name] for part in columns]) for name in columns[0]}
        advantages = joined["advantages"]
        joined["advantages"] = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        batch = {name: onto(self._device, part) for name, part in joined.items()}
        return onto(self._device, np.concatenate(slots)), batch

    def _step(self, observation: dict[str, torch.Tensor], batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        options = self.config.options
        log_probs, entropy, values = self.net.evaluate(observation, batch["actions"])
        log_ratio = log_probs - batch["log_probs"]
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1.0 - options.clip, 1.0 + options.clip)
        policy_loss = -torch.min(ratio * batch["advantages"], clipped * batch["advantages"]).mean()
        value_loss = 0.5 * (values - batch["returns"]).square().mean()
        loss = policy_loss + options.value_coeff * value_loss - options.entropy_coeff * entropy.mean()
        grad_norm = self.descend(loss)
        with torch.no_grad():
            return {
                "policy_loss": policy_loss.detach(),
                "value_loss": value_loss.detach(),
                "entropy": entropy.mean(),
                "kl": (ratio - 1.0 - log_ratio).mean(),  # Schulman's low-variance estimator
                "clip_share": ((ratio - 1.0).abs() > options.clip).float().mean(),
                "grad_norm": grad_norm,
            }


def _explained(batch: dict[str, torch.Tensor]) -> float:
    """Return the share of the returns' variance that the values explained before the update."""
    variance = float(batch["returns"].var())
    return 1.0 - float((batch["returns"] - batch["values"]).var()) / variance if variance > 0 else 0.0
