"""`python -m experiments.play run=latest env=roblox`: a trained policy drives and does not learn."""

import logging
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from envs.app import OK, plain, run_app
from envs.arguments import check_range, check_types
from envs.errors import ConfigError
from envs.factory import make_env, make_vector_env, played
from experiments.drive import Policy, drive_episode
from experiments.episode_accounts import EpisodeAccounts
from experiments.evaluate import check_spaces, in_other_env
from experiments.exported.formats import load_policy
from experiments.fragment import EpisodeOutcome
from experiments.runs import find_policy_folder


def play(
    policy: Policy,
    env_config: Mapping[str, Any],
    *,
    num_envs: int = 1,
    episodes: int | None = None,
    seconds: float | None = None,
    first_seed: int = 10000,
) -> list[EpisodeOutcome]:
    """Drive `num_envs` envs at the same time, in one process, and print how each episode ended.

    Args:
        policy: drives, and is not changed.
        env_config: plain; its rules of play apply, or those of evaluation where it has none.
        num_envs: envs, which step together: all cars of a Roblox game, say.
        episodes: after so many it ends; None: never.
        seconds: after so many it ends; None: never.
        first_seed: of the first env's first episode; those of the others follow.

    Returns:
        The episodes, in the order of their ends.
    """
    outcomes: list[EpisodeOutcome] = []
    until = None if seconds is None else time.monotonic() + seconds
    with closing(make_vector_env(played(env_config), num_envs=num_envs, training=False)) as envs:
        accounts = EpisodeAccounts(num_envs)
        policy.start(num_envs)
        observation, _ = envs.reset(seed=first_seed)
        is_first, done = np.ones(num_envs, np.bool_), np.zeros(num_envs, np.bool_)
        while (episodes is None or len(outcomes) < episodes) and (until is None or time.monotonic() < until):
            observation, rewards, terminated, truncated, infos = envs.step(policy.act(observation, is_first))
            is_first, done, resetting = done, terminated | truncated, done
            accounts.add(rewards, infos, ~resetting, done)
            for outcome in accounts.take()[1]:
                outcomes.append(outcome)
                print(f"Episode {len(outcomes)}: {describe(outcome)}.", flush=True)
    return outcomes


def show(policy: Policy, env_config: Mapping[str, Any], *, render: str, episodes: int | None, first_seed: int) -> int:
    """Drive one env that shows itself, episode after episode, and return how many there were."""
    driven = 0
    with closing(make_env(played(env_config), training=False, render_mode=render)) as env:
        while episodes is None or driven < episodes:
            episode = drive_episode(policy, env, first_seed + driven, lambda *_: _show(env))
            driven += 1
            print(f"Episode {driven}: return {episode.episode_return:.1f}, {episode.frames} frames.", flush=True)
    return driven


def _show(env: gym.Env[Any, Any]) -> None:
    env.render()


def describe(outcome: EpisodeOutcome) -> str:
    """Return an episode in words."""
    laps = ", ".join(f"{one:.2f} s" for one in outcome.lap_times_s)
    words = [f"return {outcome.episode_return:.1f}", f"{outcome.decisions} decisions"]
    words += [f"laps: {laps}"] if laps else []
    words += [f"lost: {outcome.fault.rstrip('.')}"] if outcome.fault else []
    return ", ".join(words)


def main(config: DictConfig) -> int:
    """Play what `run=` names, in its own env or another."""
    section = plain(config)
    logging.getLogger("envs").setLevel(logging.INFO)  # where games are waited for
    chosen = {name: section[name] for name in ("num_envs", "episodes", "seconds", "first_seed")}
    check_types(play, chosen)
    for name, least in (("num_envs", 1), ("episodes", 1), ("seconds", 0), ("first_seed", 0)):
        if chosen[name] is not None:
            check_range(name, chosen[name], least)
    paths, render = section["paths"], section["render"]
    policy_folder, _ = find_policy_folder(section["run"], Path(paths["outputs"]), paths["mlflow_uri"])
    policy = load_policy(policy_folder)
    env_config = policy.description.env
    if section.get("env") is not None:
        env_config = in_other_env(section["env"], policy.description)
        check_spaces(HydraConfig.get().runtime.choices["env"], env_config, policy.description)
    if render is None:
        play(policy, env_config, **chosen)
        return OK
    if chosen["num_envs"] != 1 or chosen["seconds"] is not None:
        raise ConfigError("render=… shows one env, episode by episode: leave out num_envs and seconds.")
    show(policy, env_config, render=render, episodes=chosen["episodes"], first_seed=chosen["first_seed"])
    return OK


if __name__ == "__main__":
    run_app(main, config_name="play")
