"""`python -m experiments.evaluate run=latest`: the score protocol, on a policy's files and nothing else."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium as gym
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from tqdm import tqdm

from envs.action_history import ACTION_HISTORY, action_history
from envs.app import OK, run_app
from envs.errors import ConfigError
from envs.factory import known_spaces, make_env
from envs.stacking import observation_parts
from envs.vector_stack import VECTOR_STACK, vector_stack
from experiments import folders
from experiments.commit import current_commit
from experiments.drive import Episode, Policy, drive_parallel
from experiments.exported.formats import load_policy
from experiments.machine import available_cores
from experiments.pictures import draw_curve, draw_returns
from experiments.policy_description import PolicyDescription
from experiments.racing_lines import draw_racing_lines
from experiments.runs import find_policy_folder
from experiments.schema import EvaluateConfig, register_schema, to_plain
from experiments.scores import format_score, summarise
from experiments.videos import record_best_median_worst


def evaluate(
    policy_folder: Path,
    results: Path,
    *,
    episodes: int,
    first_seed: int,
    video: bool,
    num_processes: int,
    other_env: tuple[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Drive the stock task on unseen tracks, and leave score, pictures and videos in `results`.

    Args:
        policy_folder: Where `policy.safetensors` and `policy.json` are; or an exported policy, which is one file.
        results: Gets `evaluation.json`, `returns.png`, `curve.png` (where there is a `progress.csv`); with `video` also
            `videos/` and, where the env tells positions, `racing_lines.png`.
        episodes: Number of tracks; their seeds are `first_seed`, `first_seed + 1`, …
        first_seed: Of the first track.
        video: Whether to film the best, the median and the worst episode, and draw where they led.
        num_processes: How many cores drive.
        other_env: Name and config of an env to drive in instead of the policy's own.

    Returns:
        The content of `evaluation.json`.

    Raises:
        ConfigError: The policy is not usable, or was trained on other spaces than the other env's.
    """
    policy = load_policy(policy_folder)
    name, env_config = other_env or (policy.description.training["env"], policy.description.env)
    if other_env is not None:
        env_config = in_other_env(env_config, policy.description)
        check_spaces(name, env_config, policy.description)
    began = time.perf_counter()
    with tqdm(total=episodes, unit="episode", desc="Evaluating", file=sys.stderr) as bar:
        driven = drive_parallel(
            load_policy,
            (policy_folder,),
            env_config,
            range(first_seed, first_seed + episodes),
            num_processes=num_processes,
            on_episode=lambda _: bar.update(),
        )
    evaluation = summarise(
        driven,
        env=name,
        checkpoint=os.path.relpath(policy_folder, results),
        commit=current_commit(),
        first_seed=first_seed,
        deterministic=True,
        wall_s=time.perf_counter() - began,
    )
    _leave_results(results, evaluation, policy.description.training)
    if video:
        _film(policy, env_config, driven, results)
    return evaluation


def _film(policy: Policy, env_config: dict[str, Any], driven: Sequence[Episode], results: Path) -> None:
    """Leave videos of the best, the median and the worst episode, and where they led, in place of earlier ones."""
    for earlier in [*(results / folders.VIDEOS).glob("*.mp4"), results / folders.RACING_LINES]:
        earlier.unlink(missing_ok=True)
    filmed = record_best_median_worst(policy, env_config, driven, results / folders.VIDEOS)
    worst_first = sorted(filmed.items(), key=lambda item: item[1].episode.episode_return)
    lines = [(word, film.episode, film.trace) for word, film in worst_first]
    draw_racing_lines(lines, results / folders.RACING_LINES)


def _leave_results(results: Path, evaluation: dict[str, Any], training: dict[str, Any]) -> None:
    """Write the score, and draw it."""
    results.mkdir(parents=True, exist_ok=True)
    folders.write_json(results / folders.EVALUATION, evaluation)
    draw_returns(evaluation, results / folders.RETURNS)
    if (results / folders.PROGRESS).is_file():
        draw_curve(results / folders.PROGRESS, results / folders.CURVE, title=_title(training))


def in_other_env(env_config: dict[str, Any], description: PolicyDescription) -> dict[str, Any]:
    """Return the config of another env for a policy: how far back it looks belongs to the policy, not to the env."""
    back = {ACTION_HISTORY: action_history(description.env), VECTOR_STACK: vector_stack(description.env)}
    return env_config | back


def check_spaces(name: str, env_config: dict[str, Any], description: PolicyDescription) -> None:
    """Raise a ConfigError unless the env shows all that the policy sees, and acts as it does."""
    observations, actions = known_spaces(env_config) or _spaces_of(env_config)
    shown, seen = (_parts(space) for space in (observations, description.observation_space))
    for fits, found, wanted in (
        (seen.items() <= shown.items(), observations, description.observation_space),
        (actions == description.action_space, actions, description.action_space),
    ):
        if not fits:
            raise ConfigError(
                f"env={name} has {found}, the policy was trained on {wanted}. Set the env's keys (image_size, "
                "grayscale, obs, actions …) as in the run's config.yaml."
            )


def _spaces_of(env_config: dict[str, Any]) -> tuple[gym.Space[Any], gym.Space[Any]]:
    with closing(make_env(env_config, training=False)) as env:
        return env.observation_space, env.action_space


def _parts(space: gym.Space[Any]) -> dict[str, gym.spaces.Box]:
    images, vectors = observation_parts(space)
    return images | vectors


def describe_results(results: Path, evaluation: dict[str, Any]) -> str:
    """Return the score and the files that came with it, for people."""
    made = [folders.EVALUATION, folders.CURVE, folders.RETURNS, folders.RACING_LINES]
    paths = [results / name for name in made] + sorted((results / folders.VIDEOS).glob("*.mp4"))
    paths += sorted((results / folders.DREAMS).glob("*.mp4"))[-1:]
    return "\n".join([format_score(evaluation), *(f"  {path}" for path in paths if path.exists())])


def _title(training: dict[str, Any]) -> str:
    return f"{training['algo']} on {training['env']} ({training['model']}), seed {training['seed']}"


def main(config: DictConfig) -> int:
    """Evaluate what `run=` names."""
    plain = to_plain(config, EvaluateConfig)
    for key, least in (("episodes", 1), ("num_processes", 1), ("first_seed", 0)):
        if plain[key] is not None and plain[key] < least:
            raise ConfigError(f"{key}={plain[key]}: expected at least {least}.")
    policy_folder, results = find_policy_folder(
        plain["run"], Path(plain["paths"]["outputs"]), plain["paths"]["mlflow_uri"]
    )
    other_env = None
    if plain["env"] is not None:
        name = HydraConfig.get().runtime.choices["env"]
        other_env, results = (name, plain["env"]), results / folders.EVALUATIONS / name
    evaluation = evaluate(
        policy_folder,
        results,
        episodes=plain["episodes"],
        first_seed=plain["first_seed"],
        video=plain["video"],
        num_processes=plain["num_processes"] or available_cores(),
        other_env=other_env,
    )
    print(describe_results(results, evaluation))
    return OK


if __name__ == "__main__":
    register_schema()
    run_app(main, config_name="evaluate")
