"""The keys of a run that are ours, with their types; Hydra refuses what does not fit them."""

from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, cast

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from envs.errors import ConfigError
from envs.factory import with_absolute_files
from experiments.presets import expand_preset, with_head_units


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
    register: bool = True


@dataclass
class RaySettings:
    """What Ray may use; null is derived in `experiments.plan`."""

    address: str | None = None
    num_cpus: int | None = None
    cpus_per_trial: int | None = None
    num_gpus: float = 0
    num_learners: int = 1
    num_env_runners: int | None = None
    envs_per_runner: int = 8
    learner_threads: int | None = None
    precision: str | None = None
    runner_resources: Any = None  # a mapping; typed as one, a command line could not set its keys without a plus
    placement: str = "pack"
    start_timeout_s: float = 60


@dataclass
class Paths:
    """The only place that knows folders."""

    outputs: str = "outputs"
    storage: str | None = None
    mlflow_uri: str = ""
    mlflow_artifacts: str = ""


@dataclass
class Tuner:
    """What a sweep tries, how it chooses, and what it compares by."""

    space: Any = None  # a mapping; not typed as one, or a command line could not set keys with dots without a plus
    constraints: list[str] = field(default_factory=list)
    num_trials: int | None = None
    max_trials: int = 100
    metric: Any = "train/return_mean"
    mode: Any = "max"
    num_concurrent: int | None = None
    max_failures: int = 3
    proposer: dict[str, Any] = field(default_factory=dict)
    scheduler: dict[str, Any] | None = None


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
    profile: bool = False
    stop: Stop = field(default_factory=Stop)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    evaluation: Evaluation = field(default_factory=Evaluation)


@dataclass
class EvaluateConfig:
    """The keys of `python -m experiments.evaluate`."""

    run: str = "latest"
    episodes: int = 100
    first_seed: int = 10_000
    video: bool = True
    num_processes: int | None = None
    env: dict[str, Any] | None = None
    paths: Paths = field(default_factory=Paths)


@dataclass
class ExportConfig:
    """The keys of `python -m experiments.export`."""

    run: str = "latest"
    format: str = "onnx"
    output: str | None = None
    paths: Paths = field(default_factory=Paths)


def register_schema() -> None:
    """Let Hydra find the schemas by the names in the defaults of `config.yaml`, `evaluate.yaml` and `export.yaml`."""
    ConfigStore.instance().store(name="schema", node=RunConfig)
    ConfigStore.instance().store(name="evaluate_schema", node=EvaluateConfig)
    ConfigStore.instance().store(name="export_schema", node=ExportConfig)


def to_plain(config: DictConfig, schema: type = RunConfig) -> dict[str, Any]:
    """Resolve a composed config into plain dicts with absolute paths, the model's preset put in its place.

    Raises:
        ConfigError: A mandatory value is missing, `+KEY=VALUE` added a key to a section that is ours, or the model has
            no such preset.
    """
    missing = _first_missing("", OmegaConf.to_container(config, resolve=False))
    if missing is not None:
        raise ConfigError(f"{missing} must be chosen: put {missing}=VALUE on the command line.")
    config = config.copy()
    config.paths.outputs = str(Path(config.paths.outputs).absolute())
    plain = cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
    _check_keys("", plain, schema)
    if plain.get("env"):
        plain["env"] = with_absolute_files(plain["env"])
    if "model" in plain:
        plain["model"] = expand_preset(plain["model"])
        plain["algo"] = with_head_units(plain["algo"], plain["model"])
    return plain


def _first_missing(prefix: str, section: Any) -> str | None:
    for key, value in section.items():
        if value == MISSING:
            return f"{prefix}{key}"
        if isinstance(value, dict) and (found := _first_missing(f"{prefix}{key}.", value)):
            return found
    return None


def _check_keys(prefix: str, section: dict[str, Any], schema: type) -> None:
    known = {field.name: field for field in fields(schema)}
    for key, value in section.items():
        if key not in known:
            raise ConfigError(
                f"There is no key {prefix}{key}. {prefix.rstrip('.') or 'The config'} has {', '.join(known)}."
            )
        default = known[key].default_factory
        if is_dataclass(default):
            _check_keys(f"{key}.", value, cast(type, default))
