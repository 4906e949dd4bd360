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


class PPOOptions(ActorCriticOptions):
    """The keys of `algo.training` for PPO."""

    gae_lambda: float = Field(ge=0, le=1)
    clip: float = Field(gt=0)
    entropy_coeff: float = Field(ge=0)
    value_coeff: float = Field(ge=0)
    rollout_steps: int = Field(ge=1)  # decisions of each env between updates
    epochs: int = Field(ge=1)
    minibatch_size: int = Field(ge=1)
    # It has a default for runs that were begun before there was such a key, and are resumed.
    sequence_length: int = Field(16, ge=1)  # slots in a row that a policy with a memory learns from


class PPOConfig(RacingConfig):
    """RLlib config of `PPO`."""

    options_class = PPOOptions
    overlaps_sampling = False

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class or PPO)

    def check_memory(self, plan: Plan) -> None:
        """Raise a ConfigError if rollouts and minibatches are not made of whole sequences."""
        options = self.options
        for name in ("rollout_steps", "minibatch_size"):
            if getattr(options, name) % options.sequence_length:
                raise ConfigError(
                    f"algo.training.{name}={getattr(options, name)}: a policy with a memory learns from sequences of "
                    f"algo.training.sequence_length={options.sequence_length} slots; expected a multiple of it."
                )

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

    def training_step(self) -> None:
        """Sample one rollout from every env with the current policy, and learn from it."""
        options = self.config.options
        self.request_fragments(options.rollout_steps, sequence_length=options.sequence_length)
        fragments = self.collect_fragments()
        if not fragments:
            return
        began = time.perf_counter()
        self.set_lr()
        results: list[dict[str, Any]] = self.learner_group.update(episodes=list(fragments.values()))
        self.learner.check_gradients()
        self.updates += int(results[0].pop("updates"))
        self.losses = results[0]
        self.publish_weights()
        self.count_seconds(metrics.LEARN_S, began)
