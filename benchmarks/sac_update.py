"""`python -m benchmarks.sac_update`: what one SAC update costs, against RLlib's default and stable-baselines3's.

The same random batches for all: 4 stacked 64x64 grey frames, next ones, 2 actions; wall-clock, the same threads,
interleaved rounds. Ours is the learner that `python run.py env=carracing algo=sac model=cnn` trains with, its averaged
actor included, in both precisions. stable-baselines3 has the same encoder (shared by actor and critics) and heads, in
float32; its update draws its batch from its replay buffer, and what that costs is measured too. RLlib has the network
that its `SACConfig` builds for these images, in float32, because on uint8 it raises: it takes half a second, so it
makes one update in each of a few rounds. Peers that are not installed are left out (`pip install -e .[bench]`).
"""

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any, cast

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from ray.rllib.algorithms.sac import SACConfig as RLlibSACConfig
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.learner.training_data import TrainingData
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from tqdm import tqdm

from benchmarks.ours import plan_of
from benchmarks.setting import is_installed, run_config, spread, table
from experiments.algorithm import build_config
from experiments.machine import available_cores
from experiments.plan import PRECISIONS
from experiments.sac_learner import SACLearner
from experiments.spaces import module_space

SIZE, STACK, NUM_ACTIONS = 64, 4, 2
BATCHES = (128, 256)
NUM_BATCHES = 4  # different ones, in turns: one alone would lie in the caches
SB3_TRANSITIONS = 4000  # in its buffer: 130 MB
LEAST_PARAMETERS = 300_000  # of the encoder: smaller networks are no measure of this
OURS = {precision: f"ours, {precision}" for precision in PRECISIONS}
RLLIB, SB3, SB3_SAMPLING = "RLlib's default", "stable-baselines3", "stable-baselines3, sampling alone"

SINGLE_SPACE = gym.spaces.Box(0, 255, (SIZE, SIZE, 1), np.uint8)
ACTION_SPACE = gym.spaces.Box(-1.0, 1.0, (NUM_ACTIONS,), np.float32)
Frames = npt.NDArray[np.uint8]
Update = Callable[[], object]


def random_batches(size: int) -> list[dict[str, Any]]:
    """Return batches as the replay ring gives them: images `(B, k, H, W, 1)` uint8."""
    random = np.random.default_rng(0)

    def images() -> dict[str, Frames]:
        return {"image": random.integers(0, 256, (size, STACK, SIZE, SIZE, 1), np.uint8)}

    return [
        {
            "obs": images(),
            "next_obs": images(),
            "actions": random.uniform(-1, 1, (size, NUM_ACTIONS)).astype(np.float32),
            "rewards": random.normal(size=size).astype(np.float32),
            "discounts": np.full(size, 0.99**3, np.float32),
        }
        for _ in range(NUM_BATCHES)
    ]


def our_learner(config: dict[str, Any]) -> SACLearner:
    """Return the learner of a run with this config, in this process."""
    rllib = build_config(config, plan_of(config))
    learner = rllib.build_learner(spaces={DEFAULT_MODULE_ID: (module_space(SINGLE_SPACE, STACK), ACTION_SPACE)})
    learner.build()
    assert isinstance(learner, SACLearner)
    return learner


def our_update(learner: SACLearner, size: int) -> Update:
    """Return our update on batches of this size."""
    prepared = [TrainingData(batch=cast(Any, batch)) for batch in random_batches(size)]
    return in_turns([functools.partial(learner.update, data) for data in prepared])


def rllib_update(size: int) -> Update:
    """Return the update of RLlib's learner with RLlib's module; its batches are float32 and scaled beforehand."""
    space = gym.spaces.Box(0.0, 1.0, (SIZE, SIZE, STACK), np.float32)
    config = RLlibSACConfig().environment(observation_space=space, action_space=ACTION_SPACE)
    learner: Any = config.build_learner(spaces={DEFAULT_MODULE_ID: (space, ACTION_SPACE)})
    learner.build()

    def scaled(images: Frames) -> npt.NDArray[np.float32]:
        return np.moveaxis(images[..., 0], 1, -1).astype(np.float32) / 255.0

    prepared = [
        TrainingData(
            batch=MultiAgentBatch(
                {
                    DEFAULT_MODULE_ID: SampleBatch(
                        obs=scaled(batch["obs"]["image"]),
                        new_obs=scaled(batch["next_obs"]["image"]),
                        actions=batch["actions"],
                        rewards=batch["rewards"],
                        terminateds=np.zeros(size, np.bool_),
                        truncateds=np.zeros(size, np.bool_),
                        n_step=np.full(size, 3.0, np.float32),
                        weights=np.ones(size, np.float32),
                    )
                },
                size,
            )
        )
        for batch in random_batches(size)
    ]
    timesteps = {"num_env_steps_sampled_lifetime": 1}
    return in_turns([functools.partial(learner.update, training_data=data, timesteps=timesteps) for data in prepared])


class OnlySpaces(gym.Env[Any, Any]):
    """An env that is never stepped."""

    observation_space = gym.spaces.Box(0, 255, (STACK, SIZE, SIZE), np.uint8)
    action_space = ACTION_SPACE


def sb3_updates(config: dict[str, Any], size: int) -> dict[str, Update]:
    """Return stable-baselines3's update, which draws its batch, and the drawing alone."""
    from stable_baselines3.common.logger import Logger

    from benchmarks.peers import sb3_sac

    options = config["algo"]["training"]
    model = sb3_sac(config, OnlySpaces(), buffer_size=SB3_TRANSITIONS, n_steps=options["n_step"])
    model.set_logger(Logger(None, []))
    buffer = model.replay_buffer
    assert buffer is not None
    added = 0
    while added < SB3_TRANSITIONS:
        for batch in random_batches(128):
            rows = zip(
                batch["obs"]["image"], batch["next_obs"]["image"], batch["actions"], batch["rewards"], strict=True
            )
            for observation, following, action, reward in rows:
                images = observation[np.newaxis, ..., 0], following[np.newaxis, ..., 0]
                buffer.add(*images, action, reward, np.zeros(1, np.bool_), [{}])
                added += 1
    return {
        SB3: lambda: model.train(gradient_steps=1, batch_size=size),
        SB3_SAMPLING: lambda: buffer.sample(size),
    }


def in_turns(updates: list[Update]) -> Update:
    """Return a function that calls the next of `updates` at each call."""
    turn = 0

    def update() -> object:
        nonlocal turn
        turn += 1
        return updates[turn % len(updates)]()

    return update


def median_ms(update: Update, repeats: int) -> float:
    """Return the median time of some updates in a row."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        update()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e3


def measure(sides: dict[tuple[str, int], Update], options: argparse.Namespace) -> dict[tuple[str, int], list[float]]:
    """Return the median milliseconds of an update of each side and batch in each round."""
    for (name, _), update in tqdm(sides.items(), desc="warming up"):
        median_ms(update, 1 if name == RLLIB else 3)
    times: dict[tuple[str, int], list[float]] = {side: [] for side in sides}
    for round_ in tqdm(range(options.rounds), desc="rounds"):
        for (name, size), update in sides.items():
            if name != RLLIB:
                times[name, size].append(median_ms(update, options.updates))
            elif round_ < options.rllib_updates:
                times[name, size].append(median_ms(update, 1))
    return times


def results(times: dict[tuple[str, int], list[float]], precision: str) -> str:
    """Return a Markdown table; the ratio, of medians, is to ours in this precision."""
    rows = []
    for (name, size), values in times.items():
        ratio = statistics.median(values) / statistics.median(times[OURS[precision], size])
        rows.append([name, str(size), spread(values, 1), f"{ratio:.2f}"])
    return table(["update", "batch", "ms (median)", "lowest … highest", "it / ours as a run here computes"], rows)


def main() -> None:
    """Build, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=available_cores(), help="of torch, for all sides")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--updates", type=int, default=20, help="of each side in a round")
    parser.add_argument("--rllib-updates", type=int, default=3, help="in all; 0 leaves RLlib out")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    words = ("env=carracing", "model=cnn", "algo=sac")
    config = run_config(*words)
    learners = {precision: our_learner(run_config(*words, f"ray.precision={precision}")) for precision in PRECISIONS}
    parameters = sum(parameter.numel() for parameter in learners["float32"].net.critic_encoder.parameters())
    if parameters < LEAST_PARAMETERS:
        parser.error(
            f"conf/model/cnn.yaml makes an encoder of {parameters:,} parameters, expected {LEAST_PARAMETERS:,}."
        )
    has_sb3 = is_installed("stable_baselines3")
    sides: dict[tuple[str, int], Update] = {}
    for size in BATCHES:
        sides |= {(OURS[precision], size): our_update(learner, size) for precision, learner in learners.items()}
        if has_sb3:
            sides |= {(name, size): update for name, update in sb3_updates(config, size).items()}
        if options.rllib_updates:
            sides[RLLIB, size] = rllib_update(size)
    print(results(measure(sides, options), plan_of(config).precision))
    print(f"\n{parameters:,} parameters in the encoder; threads: {options.threads}")


if __name__ == "__main__":
    main()
