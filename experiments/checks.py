"""Refuses impossible runs in words, in the driver, before anything heavy starts."""

import logging
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envs.errors import ConfigError
from envs.factory import EVALUATION, TRAIN_SEEDS, capacity, known_spaces, leave, make_env
from envs.seeds import check_enough_seeds, training_range_from
from envs.stacking import frame_stack
from experiments.logs import silence_chatter
from experiments.machine import Machine
from experiments.plan import Plan, make_plan, with_memory
from experiments.storage import check_storage

if TYPE_CHECKING:
    from experiments.model_size import ModelSize

logger = logging.getLogger(__name__)


def check_run(
    config: dict[str, Any], machine: Machine | None = None, share: float | None = None
) -> tuple[Plan, "ModelSize"]:
    """Check a trial's plain config, and return how it will use its share of cores and how large its networks are.

    One env is built and stepped and one policy built here: a worker that fails at either would be restarted by Ray
    again and again, out of sight.

    Raises:
        ConfigError: It cannot work; the message says why and what to do.
    """
    _check_numbers(config)
    _check_outputs(Path(config["paths"]["outputs"]))
    if config["paths"].get("storage"):
        check_storage(config["paths"]["storage"])
    silence_chatter()
    from experiments.algorithm import build_config, config_class  # RLlib: 3 s, spared to those who mistyped a number

    plan = make_plan(config["ray"], config_class(config["algo"]).overlaps_sampling, machine, share)
    rllib = build_config(config, plan)
    rllib.check(plan)
    training = training_range_from(config["env"].get(TRAIN_SEEDS))
    check_enough_seeds(training, plan.num_env_runners * plan.envs_per_runner)
    _check_capacity(config["env"], plan)
    _try_tracking(config["tracking"])
    spaces = _try_env(config["env"])
    rllib.check_actions(spaces[1], config["choices"])
    weight_bytes, size = _try_module(config, rllib, spaces, plan)
    plan = with_memory(
        plan,
        fragment_bytes=rllib.fragment_bytes(spaces[0]),
        weight_bytes=weight_bytes,
        replay_bytes=rllib.replay_bytes(spaces[0]),
        available=None if machine is None else machine.memory_bytes,
    )
    return plan, size


def _check_numbers(config: dict[str, Any]) -> None:
    if config["name"] != Path(config["name"]).name or config["name"] in (".", ".."):
        raise ConfigError(f"name={config['name']}: expected one word; it becomes a folder below paths.outputs.")
    stop = config["stop"]
    if all(value is None for value in stop.values()):
        raise ConfigError(f"A run needs an end: set one of {', '.join(f'stop.{name}' for name in stop)}.")
    positive = {f"stop.{name}": value for name, value in stop.items() if name != "return_mean" and value is not None}
    positive |= {"checkpoint.every_s": config["checkpoint"]["every_s"], "checkpoint.keep": config["checkpoint"]["keep"]}
    positive |= {f"evaluation.{name}": config["evaluation"][name] for name in ("every_s", "episodes")}
    for name, value in positive.items():
        if not 0 < value < math.inf:
            raise ConfigError(f"{name}={value}: expected more than 0.")
    if math.isnan(stop["return_mean"] or 0.0):
        raise ConfigError(f"stop.return_mean={stop['return_mean']}: expected a number.")
    _check_tracks(config["evaluation"], training_range_from(config["env"].get(TRAIN_SEEDS)))
    if config["seed"] < 0:
        raise ConfigError(f"seed={config['seed']}: expected 0 or more.")


def _check_tracks(evaluation: dict[str, Any], training: range) -> None:
    if evaluation["final_episodes"] < 0:
        raise ConfigError(f"evaluation.final_episodes={evaluation['final_episodes']}: expected 0 (none) or more.")
    for first, number in (("first_seed", "episodes"), ("final_first_seed", "final_episodes")):
        begin, end = evaluation[first], evaluation[first] + evaluation[number]
        if begin < 0 or (begin < training.stop and training.start < end):
            raise ConfigError(
                f"evaluation.{first}={begin} with {number}={evaluation[number]}: expected tracks from 0 on, none of "
                f"{training.start} … {training.stop - 1}, on which training drives (env.train_seeds)."
            )


def _check_outputs(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"paths.outputs={folder} cannot be written to ({error.strerror}). Choose another: paths.outputs=FOLDER."
        ) from error


def _check_capacity(env: dict[str, Any], plan: Plan) -> None:
    """Refuse more envs than there are games, where games are elsewhere."""
    limit = capacity(env, training=True)
    wanted = plan.num_env_runners * plan.envs_per_runner
    if limit is None:
        return
    if limit.total is None:
        if not env.get(EVALUATION):
            logger.warning(
                "Runners listen at env.listen: evaluations in between find no port, and are left out. Give them one of "
                "their own that a server dials too: env.evaluation={listen: HOST:PORT}."
            )
        return
    if wanted > limit.total:
        raise ConfigError(
            f"The run wants {wanted} envs ({plan.num_env_runners} runners of {plan.envs_per_runner}), and "
            f"{limit.total} games are served at {env.get('hosts') or env.get('host')}. Set ray.num_env_runners and "
            "ray.envs_per_runner, or serve more (num_games)."
        )
    if wanted == limit.total and not env.get(EVALUATION):
        logger.warning(
            "Training takes all %d games: evaluations in between find none, and are left out. Serve one game more, or "
            "name other servers: env.evaluation={hosts: [...]}.",
            limit.total,
        )


def _try_tracking(section: dict[str, Any]) -> None:
    """Build the tracker, which connects to nothing yet."""
    from experiments.tracker import Tracker
    from models.encoder import build

    try:
        build(section, Tracker)
    except ValueError as error:
        raise ConfigError(f"tracking: {error}") from error


def _try_env(section: dict[str, Any]) -> tuple[Any, Any]:
    """Build an env, reset and step it once, and return its spaces; where its games tell them, nothing is built."""
    told = known_spaces(section)
    if told is not None:
        return told
    env = None
    try:
        env = make_env(section, training=True)
        env.reset(seed=0)
        env.step(env.action_space.sample())
    except ConfigError:
        raise
    except Exception as error:
        when = "could not be built" if env is None else "failed in its first step"
        raise ConfigError(f"The env {section['_target_']} {when}: {type(error).__name__}: {error}") from error
    finally:
        if env is not None:
            env.close()
            leave(section)  # runners are other processes
    return env.observation_space, env.action_space


def _try_module(config: dict[str, Any], rllib: Any, spaces: tuple[Any, Any], plan: Plan) -> tuple[int, "ModelSize"]:
    """Build the networks without memory for their weights: sizes that do not fit show here; return these sizes."""
    import torch
    from ray.rllib.core import DEFAULT_MODULE_ID

    from experiments.model_size import ModelSize
    from experiments.spaces import module_space

    stacked = module_space(spaces[0], frame_stack(config["env"]))
    try:
        with torch.device("meta"):
            spec = rllib.get_rl_module_spec(spaces={DEFAULT_MODULE_ID: (stacked, spaces[1])}, inference_only=False)
            module = spec.build()
        size = ModelSize.of(module, stacked)
    except ValueError as error:
        choices = config["choices"]
        raise ConfigError(
            f"model={choices['model']} does not fit env={choices['env']} with algo={choices['algo']}: {error}"
        ) from error
    if module.state_dim:
        rllib.check_memory(plan)
        if frame_stack(config["env"]) > 1:
            logger.warning(
                "model=%s remembers earlier frames by itself; env.frame_stack=%d makes its input %d times as large "
                "and tells it nothing new. Leave env.frame_stack at 1.",
                config["choices"]["model"],
                *[frame_stack(config["env"])] * 2,
            )
    return sum(parameter.nbytes for parameter in module.parameters()), size
