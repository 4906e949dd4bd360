"""PPO as an RLlib algorithm: all runners sample, then the learner learns, in turns."""

import time

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
    rollout_steps: int | None = Field(ge=1)  # decisions of each env between updates; null: as the next key says
    rollout_decisions: int | None = Field(None, ge=1)  # decisions of all envs; null: rollout_steps of each
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

    @property
    def rollout_steps(self) -> int:
        """Decisions of each env between updates."""
        options = self.options
        if options.rollout_decisions is None:
            return int(options.rollout_steps)
        return int(options.rollout_decisions // (self.num_env_runners * self.num_envs_per_env_runner))

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
        self.request_fragments(self.config.rollout_steps, sequence_length=options.sequence_length)
        fragments = self.collect_fragments()
        if not fragments:
            return
        began = time.perf_counter()
        self.set_lr()
        data = list(fragments.values())
        losses = self.learner_group.update(episodes=data)[0] if self._peers is None else self._peers.learn(data)
        self.learner.check_gradients()
        self.updates += int(losses.pop("updates"))
        self.losses = losses
        self.publish_weights()
        self.count_seconds(metrics.LEARN_S, began)
