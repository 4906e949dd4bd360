"""PPO as an RLlib algorithm: all runners sample, then the learner learns, in turns."""

import time
from typing import Any

from pydantic import Field
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from envs.errors import ConfigError
from experiments import metrics
from experiments.config import ActorCriticOptions, RacingConfig
from experiments.plan import Plan
from experiments.ppo_learner import PPOLearner
from experiments.racing_algorithm import RacingAlgorithm
from models.ppo_module import PPOModule

_LR_STEP = 1.5
_LR_FACTORS = 0.03, 3.0  # least and greatest


class PPOOptions(ActorCriticOptions):
    """The keys of `algo.training` for PPO."""

    gae_lambda: float = Field(ge=0, le=1)
    clip: float = Field(gt=0)
    entropy_coeff: float = Field(ge=0)
    value_coeff: float = Field(ge=0)
    rollout_steps: int | None = Field(ge=1)  # decisions of each env between updates; null: as the next key says
    rollout_decisions: int | None = Field(None, ge=1)  # decisions of all envs; null: rollout_steps of each
    epochs: int = Field(ge=1)
    # The others' defaults are for runs that were begun before there were such keys, and are resumed.
    desired_kl: float | None = Field(None, gt=0)  # of an update; lr is adapted to it
    noise_end: float = Field(1.0, gt=0, le=1)  # share of the policy's deviation that is left in the end …
    noise_decay_frames: int | None = Field(None, gt=0)  # … after so many environment frames; null: lr_decay_frames
    privileged: list[str] = Field([])  # vectors of the observation for the critic alone
    privileged_coeff: float = Field(10.0, ge=0)  # of the loss by which the actor's features learn to tell them
    minibatch_size: int = Field(ge=1)
    sequence_length: int = Field(16, ge=1)  # slots in a row that a policy with a memory learns from


class PPOConfig(RacingConfig):
    """RLlib config of `PPO`."""

    options_class = PPOOptions
    overlaps_sampling = False

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class or PPO)

    @property
    def rollout_steps(self) -> int:
        """Decisions of each env between updates."""
        options = self.options
        if options.rollout_decisions is None:
            return int(options.rollout_steps)
        return int(options.rollout_decisions // (self.num_env_runners * self.num_envs_per_env_runner))

    @property
    def noise_decay_frames(self) -> int | None:
        """Environment frames after which the policy's noise has fallen to `noise_end`."""
        own = self.options.noise_decay_frames
        return self.options.lr_decay_frames if own is None else own

    def check(self, plan: Plan) -> None:
        """Raise a ConfigError unless the length of a rollout is said once and is the same for every env."""
        each, together = self.options.rollout_steps, self.options.rollout_decisions
        if (each is None) == (together is None):
            raise ConfigError(
                f"algo.training.rollout_steps={each} and rollout_decisions={together}: expected one of them, and null "
                "for the other."
            )
        num_envs = plan.num_env_runners * plan.envs_per_runner
        if together is not None and together % num_envs:
            raise ConfigError(
                f"algo.training.rollout_decisions={together} cannot be shared by {num_envs} envs alike. Choose a "
                "multiple, or other ray.num_env_runners and ray.envs_per_runner."
            )

        if self.options.noise_end < 1 and self.noise_decay_frames is None:
            raise ConfigError(
                f"algo.training.noise_end={self.options.noise_end} is reached after algo.training.noise_decay_frames, "
                "which is null, as is lr_decay_frames; say after how many frames."
            )
        if self.options.minibatch_size % plan.num_learners:
            raise ConfigError(
                f"algo.training.minibatch_size={self.options.minibatch_size}: {plan.num_learners} learners "
                "(ray.num_learners) take equal parts of it; expected a multiple."
            )

    def check_memory(self, plan: Plan) -> None:
        """Raise a ConfigError if rollouts and minibatches are not made of whole sequences."""
        options = self.options
        rollout = "rollout_steps" if options.rollout_decisions is None else "rollout_decisions over all envs"
        part = "minibatch_size" if plan.num_learners == 1 else "minibatch_size over all learners"
        for name, size in ((rollout, self.rollout_steps), (part, options.minibatch_size // plan.num_learners)):
            if size % options.sequence_length:
                raise ConfigError(
                    f"algo.training.{name}={size}: a policy with a memory learns from sequences of "
                    f"algo.training.sequence_length={options.sequence_length} slots; expected a multiple of it."
                )

    def module_options(self) -> dict[str, Any]:
        """Return the RLModule's `model_config`."""
        return super().module_options() | {"privileged": self.options.privileged}

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """Return the spec of our module."""
        return self.module_spec(PPOModule)

    def get_default_learner_class(self) -> type[PPOLearner]:
        """Return our learner."""
        return PPOLearner


class PPO(RacingAlgorithm):
    """Proximal policy optimisation."""

    @classmethod
    def get_default_config(cls) -> PPOConfig:
        """Return the config class that belongs to this algorithm."""
        return PPOConfig()

    def training_state(self) -> dict[str, Any]:
        """Return what every algorithm goes on from, and the factor."""
        return super().training_state() | {"lr_factor": self.lr_factor}

    def restore_training_state(self, state: dict[str, Any]) -> None:
        """Take over what `training_state` returned."""
        super().restore_training_state(state)
        self.lr_factor = state.get("lr_factor", 1.0)  # runs that were begun earlier had none

    def training_step(self) -> None:
        """Sample one rollout from every env with the current policy, and learn from it."""
        options = self.config.options
        self.learner.set_noise(options.noise_end ** self.progress(self.config.noise_decay_frames))  # geometrically
        self.request_fragments(self.config.rollout_steps, sequence_length=options.sequence_length)
        fragments = self.collect_fragments()
        if not fragments:
            return
        began = time.perf_counter()
        self.set_lr()
        data = list(fragments.values())
        losses = self.learner_group.update(episodes=data)[0] if self._peers is None else self._peers.learn(data)
        self.learner.check_gradients()
        self.lr_factor = adapted(self.lr_factor, losses["kl"], options.desired_kl)
        self.updates += int(losses.pop("updates"))
        self.losses = losses | {"noise": self.learner.noise}
        self.publish_weights()
        self.count_seconds(metrics.LEARN_S, began)


def adapted(factor: float, kl: float, desired_kl: float | None) -> float:
    """Return the factor on the learning rate after an update that moved the policy by `kl`.

    It shrinks after steps of more than twice the desired KL, and grows after steps of less than half of it: how far a
    learning rate moves a policy depends on how narrow its distributions are.

    Source: the adaptive schedule of RSL-RL (Rudin et al., "Learning to Walk in Minutes …", 2021, section 4.1); here it
    multiplies the scheduled rate.
    """
    if desired_kl is None:
        return 1.0
    if kl > 2.0 * desired_kl:
        return max(factor / _LR_STEP, _LR_FACTORS[0])
    if kl < 0.5 * desired_kl:
        return min(factor * _LR_STEP, _LR_FACTORS[1])
    return factor
