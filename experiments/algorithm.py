"""From a run's plain config to an RLlib `AlgorithmConfig`."""

import inspect
import pkgutil
from typing import Any

from envs.errors import ConfigError
from envs.factory import known_spaces, longest_wait_s
from experiments.config import RacingConfig
from experiments.plan import Plan

# RLlib's builder methods that an algorithm's YAML may call.
_SECTIONS = ("training", "env_runners", "learners", "fault_tolerance", "debugging", "reporting", "rl_module")
# A lost runner is replaced so often; an env that keeps crashing must not be restarted for ever.
_MAX_RUNNER_RESTARTS = 10
_RUNNER_RETURN_S = 60.0
_SAMPLE_TIMEOUT_S = 120.0  # for a fragment, beside what its env says that it may wait for a game


def config_class(section: dict[str, Any]) -> type[RacingConfig]:
    """Return the config class that `algo._target_` names.

    Raises:
        ConfigError: It does not import, or is no such class.
    """
    name = section.get("_target_")
    try:
        found = pkgutil.resolve_name(str(name))
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"algo._target_={name} does not import: {error}.") from error
    if not (isinstance(found, type) and issubclass(found, RacingConfig)):
        raise ConfigError(f"algo._target_={name} is not a subclass of experiments.config.RacingConfig.")
    return found


def build_config(config: dict[str, Any], plan: Plan) -> RacingConfig:
    """Build the RLlib config of one trial.

    The keys of `algo` beside `_target_` are the names of RLlib's builder methods, and their content the arguments:
    builder methods refuse unknown names, assignments do not.

    Raises:
        ConfigError: An unknown section, key or value.
    """
    section = config["algo"]
    wait_s = longest_wait_s(config["env"])
    looks_first = wait_s > 0.0 and known_spaces(config["env"]) is None  # a runner is only built with its game there
    rllib = config_class(section)()
    rllib.environment(env="chicane", env_config=config["env"])
    rllib.use_encoder(config["model"], plan.precision)
    rllib.env_runners(
        num_env_runners=plan.num_env_runners,
        num_envs_per_env_runner=plan.envs_per_runner,
        num_cpus_per_env_runner=plan.process_cpus,  # type: ignore[arg-type] # fractions work, and are needed
        custom_resources_per_env_runner=plan.runner_resources,
        sample_timeout_s=_SAMPLE_TIMEOUT_S + wait_s,
    )
    rllib.learners(num_learners=0, num_gpus_per_learner=plan.num_gpus)
    rllib.fault_tolerance(
        restart_failed_env_runners=True,
        max_num_env_runner_restarts=_MAX_RUNNER_RESTARTS,
        delay_between_env_runner_restarts_s=1.0,
        env_runner_restore_timeout_s=_RUNNER_RETURN_S + (wait_s if looks_first else 0.0),
    )
    rllib.debugging(seed=config["seed"], log_level="ERROR")
    for name, arguments in section.items():
        if name != "_target_":
            _call_builder(rllib, name, arguments)
    if rllib.options is None:
        raise ConfigError(f"algo.training is missing; it has {', '.join(rllib.options_class.model_fields)}.")
    return rllib


def _call_builder(rllib: RacingConfig, name: str, arguments: dict[str, Any]) -> None:
    if name not in _SECTIONS:
        raise ConfigError(f"algo has no section {name}; it has {', '.join(_SECTIONS)}.")
    builder = getattr(rllib, name)
    try:
        builder(**arguments)
    except TypeError as error:
        known = ", ".join(parameter for parameter in inspect.signature(builder).parameters)
        raise ConfigError(f"algo.{name}: {error}; it takes {known}.") from error
