"""The keys of a run that are ours, with their types; Hydra refuses what does not fit them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue

from envs.errors import ConfigError


@dataclass
class Stop:
    """When a run ends; whichever comes first."""

    frames: int | None = None
    wall_s: float | None = None
    return_mean: float | None = None


@dataclass
class Checkpoint:
    """How often a run is saved, and how many checkpoints stay."""

    every_s: float = 120
    keep: int = 2


@dataclass
class Evaluation:
    """On which tracks a policy is driven, during training and at its end."""

    every_s: float = 180
    episodes: int = 5
    first_seed: int = 20_000
    final_episodes: int = 100
    final_first_seed: int = 10_000
    videos: bool = True


@dataclass
class RaySettings:
    """What Ray may use; null is derived in `experiments.cluster`."""

    num_cpus: int | None = None
    num_gpus: float = 0
    num_env_runners: int | None = None
    envs_per_runner: int = 8
    learner_threads: int | None = None


@dataclass
class Paths:
    """The only place that knows folders."""

    outputs: str = "outputs"
    mlflow_uri: str = ""
    mlflow_artifacts: str = ""


@dataclass
class Tuner:
    """How many trials a sweep has."""

    num_trials: int = 1


@dataclass
class RunConfig:
    """A run. `env`, `model`, `algo` and `tracking` belong to the classes that their `_target_` names."""

    env: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    algo: dict[str, Any] = field(default_factory=dict)
    tracking: dict[str, Any] = field(default_factory=dict)
    tuner: Tuner = field(default_factory=Tuner)
    ray: RaySettings = field(default_factory=RaySettings)
    paths: Paths = field(default_factory=Paths)
    name: str = "default"
    seed: int = 0
    resume: str | None = None
    stop: Stop = field(default_factory=Stop)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    evaluation: Evaluation = field(default_factory=Evaluation)


def register_schema() -> None:
    """Let Hydra find the schema as `schema`."""
    ConfigStore.instance().store(name="schema", node=RunConfig)


def to_plain(config: DictConfig) -> dict[str, Any]:
    """Resolve a composed config into plain dicts with absolute paths, as it may cross processes.

    Raises:
        ConfigError: A mandatory value is missing.
    """
    config = config.copy()
    config.paths.outputs = str(Path(config.paths.outputs).absolute())
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise ConfigError(
            f"{error.full_key} must be chosen: put {error.full_key}=VALUE on the command line."
        ) from error
    return cast(dict[str, Any], plain)
