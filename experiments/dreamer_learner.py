"""DreamerV3's update: world model, actor and critic in one backward pass and one step."""

from typing import Any

import torch

from experiments.learner import RacingLearner
from experiments.transfer import onto
from models.world_model.dreaming import Dream, imagine
from models.world_model.encoder import Unrolled
from models.world_model.laprop import LaProp
from models.world_model.losses import (
    Experience,
    Losses,
    behaviour_losses,
    replay_value_loss,
    weighted_sum,
    world_model_losses,
)

_REPLAY_VALUE = "replay_critic"


class DreamerLearner(RacingLearner):
    """Source: Hafner et al. (Nature 2025; arXiv 2301.04104v2), and the authors' code where the paper is silent."""

    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """Register one LaProp over everything that is trained."""
        params = [p for p in self._module[module_id].parameters() if p.requires_grad]
        optimizer = LaProp(params, lr=config.lr, clip=config.options.agc)
        self.register_optimizer(module_id=module_id, optimizer=optimizer, params=params, lr_or_lr_schedule=config.lr)

    def learn(self, data: dict[str, Any]) -> dict[str, Any]:
        """Learn from one batch of `SequenceReplay` and return the losses, still on the device.

        Also returns `states` `(B, T, S)` float16: what replay is to keep for the slots that were learnt from.
        """
        seen = self._experience(data)
        losses, report, unrolled = self._world_model(seen)
        self._behaviour(seen, unrolled, losses, report)
        options = self.config.options
        weights = {
            "dynamics": options.dynamics_coeff,
            "representation": options.representation_coeff,
            _REPLAY_VALUE: options.replay_value_coeff,
        }
        report["grad_norm"] = self.descend(weighted_sum(losses, weights))
        self._move_slow_critic()
        report |= {f"{name}_loss": loss.detach().mean() for name, loss in losses.items()}
        states = self.net.actor.encoder.packed(unrolled.deter.detach(), unrolled.index)
        return report | {"states": states.half()}

    def _world_model(self, seen: Experience) -> tuple[Losses, Losses, Unrolled]:
        net = self.net
        with self._in_precision():
            return world_model_losses(net.actor.encoder, net.predictions, seen, self.config.options.free_nats)

    def _behaviour(self, seen: Experience, unrolled: Unrolled, losses: Losses, report: Losses) -> None:
        """Dream from the last slots of each sequence, and add what actor and critic learn from it."""
        net, options = self.net, self.config.options
        numbers = {"gamma": options.gamma, "lambda_": options.return_lambda}
        last = slice(-(options.imagine_last or unrolled.deter.shape[1]), None)
        dream = self._dream(unrolled, last)
        with self._in_precision():
            behaviour, returns, found = behaviour_losses(
                dream,
                net.predictions,
                net.actor.head,
                net.critic,
                net.slow_critic,
                net.return_range,
                entropy_coeff=options.entropy_coeff,
                **numbers,
            )
            features = unrolled.features[:, last]
            losses[_REPLAY_VALUE], replayed = replay_value_loss(
                features if options.replay_value_gradient else features.detach(),
                seen,
                returns[0].unflatten(0, features.shape[:2]),
                net.critic,
                net.slow_critic,
                **numbers,
            )
        losses |= behaviour
        report |= found | {"replayed_return": replayed.mean(), "replayed_reward": seen.rewards.mean()}

    def _dream(self, unrolled: Unrolled, last: slice) -> Dream:
        net = self.net
        starts = unrolled.deter[:, last].flatten(0, 1), unrolled.latent[:, last].flatten(0, 1)
        with self._in_precision():
            return imagine(net.actor.encoder, net.predictions, net.actor.head, *starts, self.config.options.horizon)

    def _in_precision(self) -> Any:
        """Return a context for one phase: weights first cast without gradients would stay so within it."""
        return self.net.actor.encoder.in_precision(self._device)

    def _experience(self, data: dict[str, Any]) -> Experience:
        columns = {name: onto(self._device, part) for name, part in data.items() if name not in ("obs", "places")}
        return Experience(observation={n: onto(self._device, part) for n, part in data["obs"].items()}, **columns)

    def descend(self, loss: torch.Tensor) -> torch.Tensor:
        """Take one step down `loss` and return the gradient's norm before clipping, see `LaProp`."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        assert isinstance(self.optimizer, LaProp)
        norm = self.optimizer.norm
        self._num_passed_over += (~torch.isfinite(norm)).float()
        self.num_updates += 1
        return norm

    @torch.no_grad()
    def _move_slow_critic(self) -> None:
        net = self.net
        pairs = list(net.slow_critic.parameters()), list(net.critic.parameters())
        torch._foreach_lerp_(*pairs, self.config.options.slow_rate)
