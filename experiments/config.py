"""What our algorithms' RLlib configs share: strict options, our runner, and an RLModule around the chosen encoder."""

from typing import Any, Self

from gymnasium import Space
from gymnasium.spaces import Discrete
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from envs.action_coding import action_coding
from envs.errors import ConfigError
from envs.stacking import observation_bytes
from experiments.plan import Plan
from experiments.runner import RacingEnvRunner


class StrictOptions(BaseModel):
    """Keys of `algo.training`: unknown ones, missing ones and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ScheduledOptions(StrictOptions):
    """The keys of `algo.training` that all algorithms share: the learning rate and how it falls."""

    lr: float = Field(gt=0)
    lr_end: float = Field(ge=0)  # the learning rate falls linearly to this …
    lr_decay_frames: int | None = Field(gt=0)  # … over so many environment frames; null keeps it constant


class ActorCriticOptions(ScheduledOptions):
    """The keys of `algo.training` that model-free actor-critic algorithms share."""

    gamma: float = Field(gt=0, le=1)  # discount per decision
    reward_scale: float = Field(gt=0)  # multiplies rewards in the learner; reported returns stay unscaled
    max_grad_norm: float = Field(gt=0)
    shared_encoder: bool | None  # null: unless the encoder has a memory
    head: dict[str, Any]  # `_target_` and sizes of the action head
    critic_hidden: list[int]


class RacingConfig(AlgorithmConfig):
    """An `AlgorithmConfig` whose `training` section is one strict options class.

    Subclasses name `options_class`, whether sampling and learning run at the same time (`overlaps_sampling`), which
    decides how cores are shared, and whether their policies choose one of n actions too (`takes_discrete`).
    """

    options_class: type[StrictOptions]
    overlaps_sampling: bool
    takes_discrete = False

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class)
        self.options: Any = None
        self.encoder: dict[str, Any] = {}
        self.precision = "float32"
        self.log_file: str | None = None  # where runners log
        self.env_runner_cls: type | None = RacingEnvRunner  # type: ignore[assignment] # RLlib types it as None
        self.create_local_env_runner = False
        self._dont_auto_sync_env_runner_states = True  # our runners have no connectors whose states could differ

    def training(self, **options: Any) -> Self:
        """Set the algorithm's options.

        Raises:
            ConfigError: A key is unknown or missing, or a value is of the wrong type or out of range.
        """
        try:
            self.options = self.options_class(**options)
        except ValidationError as error:
            raise ConfigError(describe(error, "algo.training", self.options_class)) from error
        self.lr, self.gamma = self.options.lr, self.options.gamma
        return self

    def use_encoder(self, encoder: dict[str, Any], precision: str) -> Self:
        """Set the encoder, its `_target_` and sizes, and what it computes in (`Plan.precision`)."""
        self.encoder, self.precision = encoder, precision
        return self

    def use_log(self, path: str) -> Self:
        """Set the file that runners log to."""
        self.log_file = path
        return self

    def check(self, plan: Plan) -> None:
        """Raise a ConfigError if the options do not go with so many runners and envs; most do with any."""

    def check_actions(self, space: Space, choices: dict[str, str]) -> None:
        """Raise a ConfigError if no policy takes such actions, or none of this algorithm; `choices` as composed."""
        action_coding(space)
        if isinstance(space, Discrete) and not self.takes_discrete:
            raise ConfigError(
                f"env={choices['env']} acts in {space}, one of {space.n} actions, and algo={choices['algo']} in a Box "
                "alone. Choose algo=dreamerv3, which takes both, or continuous actions of the env."
            )

    def check_memory(self, plan: Plan) -> None:
        """Raise a ConfigError if the options do not go with a policy that has a memory and with so many envs."""

    @property
    def rollout_steps(self) -> int:
        """Decisions of each env that a runner sends at a time."""
        return int(self.options.rollout_steps)

    def fragment_bytes(self, space: Space) -> int:
        """Return the size of what a runner sends at a time, in envs with this observation space."""
        num_slots = (self.rollout_steps + 1) * self.num_envs_per_env_runner
        return num_slots * observation_bytes(space)

    def replay_bytes(self, space: Space) -> int:
        """Return the size of the replay on disk; most algorithms have none."""
        return 0

    def module_options(self) -> dict[str, Any]:
        """Return the RLModule's `model_config`."""
        options = self.options
        return {
            "encoder": self.encoder,
            "precision": self.precision,
            "head": options.head,
            "critic_hidden": options.critic_hidden,
            "shared_encoder": options.shared_encoder,
        }

    def module_spec(self, module_class: type) -> RLModuleSpec:
        """Return the spec of an RLModule of ours."""
        return RLModuleSpec(module_class=module_class, model_config=self.module_options())


def describe(error: ValidationError, section: str, options: type[BaseModel]) -> str:
    """Say in words what is wrong with a section of the config."""
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = ", ".join(options.model_fields)
            lines.append(f"{section} has no key {key}; it has {known}.")
        elif problem["type"] == "missing":
            lines.append(f"{section}.{key} is missing.")
        else:
            lines.append(f"{section}.{key}={problem['input']!r}: {problem['msg']}.")
    return " ".join(lines)
