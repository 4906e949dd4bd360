"""From a plain config to an env: what every runner, evaluation and command calls."""

import functools
import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from envs.action_history import ACTION_HISTORY, ActionHistory, VectorActionHistory, action_history
from envs.arguments import check_names, check_range, check_types
from envs.capacity import Capacity
from envs.errors import ConfigError
from envs.findings import Finding
from envs.seeds import episode_seeds, training_range_from
from envs.vector_stack import VECTOR_STACK, VectorStack, VectorVectorStack, vector_stack
from envs.wrappers import TrainingSeeds

TARGET = "_target_"
FRAME_STACK = "frame_stack"
TRAIN_SEEDS = "train_seeds"
EVALUATION = "evaluation"
PLAY = "play"
_NOT_ARGUMENTS = (TARGET, FRAME_STACK, VECTOR_STACK, ACTION_HISTORY, TRAIN_SEEDS, EVALUATION, PLAY)
GIVEN = ("training", "render_mode")  # arguments of every env that the caller decides, not the config


def make_env(config: Mapping[str, Any], *, training: bool = False, render_mode: str | None = None) -> gym.Env[Any, Any]:
    """Build the env that `config` names.

    Args:
        config: `_target_` (the class, `envs.carracing.env.CarRacingEnv`) and its keyword arguments. `frame_stack` is
            left out: envs emit single frames, and whoever reads them stacks (`envs.stacking`). `vector_stack` shows
            as many vectors in a row (`envs.vector_stack`), `action_history` adds as many of the last actions to
            observations (`envs.action_history`). `evaluation` holds arguments that differ without `training`, `play`
            those that differ where a policy is used (`played`), `train_seeds` the tracks of training (`envs.seeds`).
        training: training rules (early ends, shaped rewards) apply; without it the env is the plain task.
        render_mode: Gymnasium's, `None`, `rgb_array` or `human`.

    Raises:
        ConfigError: the target is missing, does not import or is no env; or a key is unknown, missing or ill-typed.
    """
    depth, stacked = action_history(config), vector_stack(config)
    env = _bare_env(config, training, render_mode)
    env = VectorStack(env, stacked) if stacked > 1 else env
    return ActionHistory(env, depth) if depth else env


def make_vector_env(
    config: Mapping[str, Any],
    *,
    num_envs: int,
    training: bool,
    seed: int = 0,
    runner: int = 0,
    num_runners: int = 1,
    start: int = 0,
) -> VectorEnv[Any, Any, Any]:
    """Build `num_envs` envs that step together and reset themselves one step after an episode ends (NEXT_STEP).

    In training every episode gets its track from the env's own stream of seeds. Otherwise seeds come with `reset`.
    An env class may name a vector env of its own, `vector_env = "package.module.Class"`, that takes `num_envs`, `seeds`
    (a stream for each env, or None), `runner` if it wants to know, and the env's arguments; else Gymnasium's
    `SyncVectorEnv` steps them.

    Args:
        config: as for `make_env`.
        num_envs: how many.
        training: as for `make_env`.
        seed: the run's seed.
        runner: index of the runner that steps them.
        num_runners: number of runners.
        start: how many times training was started before, see `envs.seeds.episode_seeds`.

    Raises:
        ConfigError: as for `make_env`, `num_envs` is below 1, or there are fewer `train_seeds` than envs.
    """
    check_range("num_envs", num_envs, 1)
    check_range("runner", runner, 0, num_runners - 1)
    seeds = training_range_from(config.get(TRAIN_SEEDS))
    places = range(runner * num_envs, (runner + 1) * num_envs) if training else ()
    streams = [
        episode_seeds(seeds, seed=seed, stream=place, num_streams=num_runners * num_envs, start=start)
        for place in places
    ]
    env_class = _env_class(config)
    native = getattr(env_class, "vector_env", None)
    if native is not None:
        arguments = _arguments(env_class, config, training)
        vector_class: Callable[..., VectorEnv[Any, Any, Any]] = pkgutil.resolve_name(native)
        if "runner" in inspect.signature(vector_class).parameters:
            arguments = {**arguments, "runner": runner}
        envs = vector_class(num_envs, seeds=streams if training else None, training=training, **arguments)
        return _worn(envs, config)

    def build(index: int) -> gym.Env[Any, Any]:
        env = _bare_env(config, training, None)
        return TrainingSeeds(env, streams[index]) if training else env

    builders = [functools.partial(build, index) for index in range(num_envs)]
    envs = SyncVectorEnv(builders, autoreset_mode=AutoresetMode.NEXT_STEP)
    return _worn(envs, config)


def with_absolute_files(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config with the paths of its files absolute, as seen from the current folder: runners have another.

    An env class that is given files names those arguments in `files`; `section.name` is a key of an argument.

    Raises:
        ConfigError: as for `make_env`, of the target alone.
    """
    names: tuple[str, ...] = getattr(_env_class(config), "files", ())
    chosen = _with_absolute(config, names)
    for section in (EVALUATION, PLAY):
        if config.get(section):
            chosen[section] = _with_absolute(config[section], names)
    return chosen


def played(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of an env in which a policy is used: neither trained nor scored.

    What differs without `training` is then `play`, if the config has it, and else `evaluation`.
    """
    return {**config, EVALUATION: config[PLAY]} if PLAY in config else dict(config)


def _with_absolute(section: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    chosen = dict(section)
    for name in names:
        first, _, rest = name.partition(".")
        value = chosen.get(first)
        if rest and isinstance(value, Mapping):
            chosen[first] = _with_absolute(value, [rest])
        elif not rest and isinstance(value, str):
            chosen[first] = str(Path(value).expanduser().absolute())
    return chosen


def capacity(config: Mapping[str, Any], *, training: bool) -> Capacity | None:
    """Return how many envs there can be at the same time; None: as many as anybody wants.

    An env whose games are elsewhere says so with a class method, `capacity(arguments)`.

    Raises:
        ConfigError: as for `make_env`, or the games do not answer.
    """
    env_class = _env_class(config)
    count: Callable[[Mapping[str, Any]], Capacity] | None = getattr(env_class, "capacity", None)
    return None if count is None else count(_arguments(env_class, config, training))


def longest_wait_s(config: Mapping[str, Any]) -> float:
    """Return how long the env that a runner drives may wait, in real seconds: for a game that somebody has to start.

    An env with such a wait says so with a class method, `longest_wait_s(arguments)`; the others wait for no one.

    Raises:
        ConfigError: as for `make_env`.
    """
    env_class = _env_class(config)
    tell: Callable[[Mapping[str, Any]], float] | None = getattr(env_class, "longest_wait_s", None)
    return 0.0 if tell is None else tell(_arguments(env_class, config, True))


def leave(config: Mapping[str, Any]) -> None:
    """Let go of what closed envs of this process keep for those that may follow: another process wants it.

    An env that keeps something, such as a port for its game, says so with a class method, `leave()`.

    Raises:
        ConfigError: as for `make_env`.
    """
    let_go: Callable[[], None] | None = getattr(_env_class(config), "leave", None)
    if let_go is not None:
        let_go()


def diagnose(config: Mapping[str, Any], seconds: float) -> list[Finding]:
    """Look at the games of an env that are elsewhere; its class has a method `diagnose(arguments, seconds)` for it.

    Raises:
        ConfigError: as for `make_env`, or the env has no games elsewhere.
    """
    env_class = _env_class(config)
    look: Callable[[Mapping[str, Any], float], list[Finding]] | None = getattr(env_class, "diagnose", None)
    if look is None:
        raise ConfigError(f"{env_class.__name__} runs in this process: there is no link to look at.")
    return look(_arguments(env_class, config, False), seconds)


def record(config: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    """Record in a game of an env; its class has a method `record(arguments, request)` for it.

    Args:
        config: as for `make_env`.
        request: what `envs.record` was asked for.

    Returns:
        What was recorded, in words.

    Raises:
        ConfigError: as for `make_env`, or the env has nothing to record.
    """
    env_class = _env_class(config)
    method: Callable[[Mapping[str, Any], Mapping[str, Any]], str] | None = getattr(env_class, "record", None)
    if method is None:
        raise ConfigError(f"{env_class.__name__} records nothing. env=trackmania and env=assetto_corsa do.")
    return method(_arguments(env_class, config, False), request)


def known_spaces(config: Mapping[str, Any]) -> tuple[gym.Space[Any], gym.Space[Any]] | None:
    """Return the spaces of an env whose games cannot be asked just to look; None: build one, and look.

    Its class has a method `known_spaces(arguments)` for it, which returns those of the bare env, or None.

    Raises:
        ConfigError: as for `make_env`.
    """
    env_class = _env_class(config)
    tell: Callable[..., tuple[gym.Space[Any], gym.Space[Any]] | None] | None
    tell = getattr(env_class, "known_spaces", None)
    told = None if tell is None else tell(_arguments(env_class, config, True))
    if told is None:
        return None
    env: gym.Env[Any, Any] = _Spaces(*told)
    stacked, depth = vector_stack(config), action_history(config)
    env = VectorStack(env, stacked) if stacked > 1 else env
    env = ActionHistory(env, depth) if depth else env
    return env.observation_space, env.action_space


class _Spaces(gym.Env[Any, Any]):
    """Nothing but spaces."""

    def __init__(self, observations: gym.Space[Any], actions: gym.Space[Any]) -> None:
        self.observation_space, self.action_space = observations, actions


def _worn(envs: VectorEnv[Any, Any, Any], config: Mapping[str, Any]) -> VectorEnv[Any, Any, Any]:
    """Return a vector env with what the config adds to observations."""
    stacked, depth = vector_stack(config), action_history(config)
    envs = VectorVectorStack(envs, stacked) if stacked > 1 else envs
    return VectorActionHistory(envs, depth) if depth else envs


def _bare_env(config: Mapping[str, Any], training: bool, render_mode: str | None) -> gym.Env[Any, Any]:
    env_class = _env_class(config)
    return env_class(**_arguments(env_class, config, training), training=training, render_mode=render_mode)


def _arguments(env_class: Callable[..., Any], config: Mapping[str, Any], training: bool) -> dict[str, Any]:
    """Return the keyword arguments that `config` has for the env, checked; those of evaluation are checked always."""
    arguments = {name: value for name, value in config.items() if name not in _NOT_ARGUMENTS}
    evaluation = config.get(EVALUATION) or {}
    play = config.get(PLAY) or {}
    for choice in (arguments, evaluation, play):
        check_types(env_class, choice, given=GIVEN)
    check_names(env_class, {**play, **evaluation, **arguments}, given=GIVEN)
    return arguments if training else {**arguments, **evaluation}


def _env_class(config: Mapping[str, Any]) -> Callable[..., gym.Env[Any, Any]]:
    target = config.get(TARGET)
    if not isinstance(target, str):
        raise ConfigError(
            f"Expected env.{TARGET} to name a class, such as envs.carracing.env.CarRacingEnv, got {target!r}. "
            "Every file in conf/env has this key."
        )
    try:
        found = pkgutil.resolve_name(target)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"env.{TARGET} is {target!r}, which does not import: {error}. "
            "Expected package.module.Class; is it spelled as in envs/, and is what it needs installed?"
        ) from error
    if not (isinstance(found, type) and issubclass(found, gym.Env)):
        raise ConfigError(f"env.{TARGET} is {target!r}, which is {found!r}. Expected a subclass of gymnasium.Env.")
    return found
