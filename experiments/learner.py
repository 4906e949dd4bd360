"""What our learners share: one fused optimiser step over all parameters, without RLlib's loops over tensors."""

from collections.abc import Iterable
from typing import Any

import torch
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.core.learner.training_data import TrainingData
from torch import nn

from experiments.allocation import keep_memory
from experiments.collective import Collective


class RacingLearner(TorchLearner):
    """A learner whose update is one explicit function, `learn`, of a subclass.

    RLlib's `update` runs every minibatch through connectors, per-parameter checks and a metrics logger. Ours keeps
    RLlib's module, optimiser registration and device, and replaces the loop.
    """

    # RLlib types these as optional; after `build` they are there.
    config: Any
    _device: Any
    _module: Any
    num_updates = 0
    collective: Collective | None = None  # the trial's other learners, where there are any
    _num_passed_over: Any

    def build(self) -> None:
        """Build module and optimiser."""
        super().build()
        keep_memory()
        self._num_passed_over = torch.zeros((), device=self._device)

    def update(self, training_data: TrainingData, **kwargs: Any) -> Any:  # type: ignore[override]
        """Learn from what `LearnerGroup.update(episodes=…)` or `(batch=…)` was given."""
        return self.learn(training_data.batch if training_data.episodes is None else training_data.episodes)

    def learn(self, data: Any) -> dict[str, Any]:
        """Learn from fragments or a batch, and return losses by name."""
        raise NotImplementedError

    def compute_loss_for_module(self, **kwargs: Any) -> Any:
        """Satisfy RLlib's interface; `update` computes the losses."""
        raise NotImplementedError(f"{type(self).__name__}.update computes its losses itself.")

    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """Register one fused Adam over everything that is trained."""
        params = [p for p in self._module[module_id].parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(params, lr=config.lr, fused=True)
        self.register_optimizer(module_id=module_id, optimizer=optimizer, params=params, lr_or_lr_schedule=config.lr)

    @property
    def net(self) -> Any:
        """The RLModule itself."""
        return self._module[DEFAULT_MODULE_ID].unwrapped()

    @property
    def policy(self) -> Any:
        """The `Actor` that is evaluated and saved."""
        return self.net.actor

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The one optimiser."""
        return self.get_optimizer(DEFAULT_MODULE_ID)

    @property
    def lr(self) -> float:
        """The learning rate of the next update."""
        return float(self.optimizer.param_groups[0]["lr"])

    def set_lr(self, lr: float) -> None:
        """Set the learning rate of the next update."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr

    @property
    def noise(self) -> float:
        """How wide the policy's distributions are, see `ActionHead`."""
        return float(self.net.actor.head.noise)

    def set_noise(self, noise: float) -> None:
        """Set how wide the policy's distributions are, for decisions that are asked for and for learning from them."""
        self.net.actor.head.noise = noise

    def descend(self, loss: torch.Tensor) -> torch.Tensor:
        """Take one clipped step down `loss` and return the gradient's norm before clipping.

        A gradient that is not finite is passed over, and `check_gradients` will say so: to ask here would let a GPU
        wait for every update.
        """
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parameters: Iterable[nn.Parameter] = self.optimizer.param_groups[0]["params"]
        if self.collective is not None:
            self.collective.average_gradients(parameters)
        norm = nn.utils.clip_grad_norm_(parameters, self.config.options.max_grad_norm, foreach=True)
        is_passed_over = torch.isfinite(norm).logical_not().float()
        self.optimizer.found_inf = is_passed_over  # type: ignore[attr-defined] # fused optimisers look for it
        self.optimizer.step()
        self._num_passed_over += is_passed_over
        self.num_updates += 1
        return norm.detach()

    def check_gradients(self) -> None:
        """Raise a FloatingPointError if a gradient was not finite since the start."""
        if self._num_passed_over > 0:
            raise FloatingPointError(
                f"{int(self._num_passed_over)} of the gradients up to update {self.num_updates} were not finite, so "
                "learning has diverged; the last checkpoint is from before. Try a smaller algo.training.lr, or look "
                "for non-finite rewards."
            )

    def training_state(self) -> dict[str, Any]:
        """Return all that learning goes on from, in types that load without unpickling code."""
        return {
            "module": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "num_updates": self.num_updates,
        }

    def restore_training_state(self, state: dict[str, Any]) -> None:
        """Take over what `training_state` returned."""
        self.net.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.num_updates = state["num_updates"]
