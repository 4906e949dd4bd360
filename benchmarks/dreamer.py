"""`python -m benchmarks.dreamer`: what one update of DreamerV3 costs, against RLlib's at equal sizes.

16 sequences of 64 colour images of 64x64, dreams of 15 decisions from all 1,024 slots, 2 continuous actions. RLlib has
its XS; ours has as wide layers, as many latent variables, and a recurrent state that makes the parameters as many. All
learn from random batches, in turns, on as many threads. RLlib's images are float32 and scaled beforehand, as it asks;
it runs in processes of its own, once as it comes and once with our allocator's settings.

Times are the process's own (`time.process_time`, over all its threads): on a machine that others use too, wall-clock
says more of them. The arithmetic floor is what our update multiplies (torch's counter: matrix products and
convolutions alone) at the speed of one large matrix product here. Rows with dreams from fewer slots stand apart: the
algorithm is another one then.
"""

import argparse
import functools
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any, cast

import gymnasium as gym
import numpy as np
import torch
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.learner.training_data import TrainingData
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.dreamer_peer import Peer, timed, trained
from benchmarks.ours import plan_of
from benchmarks.setting import run_config, spread, table
from experiments.algorithm import build_config
from experiments.allocation import keep_memory
from experiments.dreamer_learner import DreamerLearner
from experiments.plan import PRECISIONS

SIZE, NUM_ACTIONS, NUM_BATCHES = 64, 2, 2
WARM_UP = 3  # rounds: the first compile, the next find their memory
ACTION_SPACE = gym.spaces.Box(-1.0, 1.0, (NUM_ACTIONS,), np.float32)
WORDS = ("env=carracing", "algo=dreamerv3")
RLLIB, RLLIB_KEEPING = "RLlib's XS, float32", "RLlib's XS, float32, with our allocator's settings"
RLLIB_SIZES = ("model.units=256", "model.hidden=256", "model.latents=32", "model.classes=32", "model.depth=16")
_DETERS = range(256, 4097, 64)
Update = Callable[[], object]


def our_space() -> gym.spaces.Dict:
    """Return what the policy sees: one frame in colour and the last action."""
    return gym.spaces.Dict(
        {
            "image": gym.spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8),
            "action_history": gym.spaces.Box(-1.0, 1.0, (NUM_ACTIONS,), np.float32),
        }
    )


def our_learner(*words: str) -> DreamerLearner:
    """Return the learner of a run with these words, in this process."""
    config = run_config(*WORDS, *words)
    rllib = build_config(config, plan_of(config))
    learner = rllib.build_learner(spaces={DEFAULT_MODULE_ID: (our_space(), ACTION_SPACE)})
    learner.build()
    assert isinstance(learner, DreamerLearner)
    return learner


def our_batch(learner: DreamerLearner, seed: int) -> dict[str, Any]:
    """Return a batch as `SequenceReplay` gives it."""
    options, random = learner.config.options, np.random.default_rng(seed)
    rows = (options.batch_size, options.sequence_length)
    return {
        "obs": {
            "image": random.integers(0, 256, (*rows, SIZE, SIZE, 3), np.uint8),
            "action_history": random.uniform(-1, 1, (*rows, NUM_ACTIONS)).astype(np.float32),
        },
        "state": np.zeros((rows[0], learner.net.state_dim), np.float32),
        "is_first": random.random(rows) < 0.01,
        "is_last": random.random(rows) < 0.01,
        "rewards": random.normal(size=rows).astype(np.float32),
        "terminated": random.random(rows) < 0.005,
    }


def our_update(learner: DreamerLearner) -> Update:
    """Return our update."""
    prepared = [TrainingData(batch=cast(Any, our_batch(learner, seed))) for seed in range(NUM_BATCHES)]
    return in_turns([functools.partial(learner.update, data) for data in prepared])


def in_turns(updates: list[Update]) -> Update:
    """Return a function that calls the next of `updates` at each call."""
    turn = 0

    def update() -> object:
        nonlocal turn
        turn += 1
        return updates[turn % len(updates)]()

    return update


def equal_deter(parameters: int) -> int:
    """Return the width of our recurrent state at which we train about so many parameters."""

    def distance(deter: int) -> int:
        with torch.device("meta"):
            config = run_config(*WORDS, *RLLIB_SIZES, f"model.deter={deter}", "algo.training.head.units=256")
            spec = build_config(config, plan_of(config)).get_rl_module_spec(
                spaces={DEFAULT_MODULE_ID: (our_space(), ACTION_SPACE)}, inference_only=False
            )
            return abs(trained(spec.build()) - parameters)

    return min(_DETERS, key=distance)


def flops(update: Update) -> int:
    """Return the floating-point operations of an update's products and convolutions."""
    with FlopCounterMode(display=False) as counter:
        update()
    return int(counter.get_total_flops())


def product_speed(dtype: torch.dtype) -> float:
    """Return the operations a second of a large matrix product in this precision."""
    a, b = (torch.randn(2048, 2048).to(dtype) for _ in range(2))
    a @ b
    times = []
    for _ in range(5):
        began = time.process_time()
        a @ b
        times.append(time.process_time() - began)
    return 2 * 2048**3 / min(times)


def measured(sides: dict[str, Callable[[], float]], rounds: int, rllib_rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each side in each round, all sides in turns; the first ones warm up."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for round_ in range(-WARM_UP, rounds):
        for name, seconds in sides.items():
            if name in (RLLIB, RLLIB_KEEPING) and (round_ >= rllib_rounds or not rllib_rounds):
                continue
            took = seconds()
            if round_ >= 0:
                times[name].append(took)
            print(f"round {round_ + 1}: {name}: {took:.2f} s", flush=True)
    return times


def main() -> None:
    """Build, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="of torch, for all sides")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rllib-rounds", type=int, default=3, help="0 leaves RLlib out")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_memory()
    peers = {
        name: Peer(threads=options.threads, size=SIZE, num_actions=NUM_ACTIONS, keeps_memory=name == RLLIB_KEEPING)
        for name in (RLLIB, RLLIB_KEEPING)
    }
    with peers[RLLIB], peers[RLLIB_KEEPING]:
        theirs = peers[RLLIB].num_trained
        sizes = (*RLLIB_SIZES, f"model.deter={equal_deter(theirs)}", "algo.training.head.units=256")
        learners = {f"ours, {name}": our_learner(*sizes, f"ray.precision={name}") for name in PRECISIONS}
        sub_sampled = our_learner(*sizes, f"ray.precision={PRECISIONS[1]}", "algo.training.imagine_last=16")
        updates = {name: our_update(learner) for name, learner in learners.items()}
        updates[f"ours, {PRECISIONS[1]}, dreams from 16 of 64 slots"] = our_update(sub_sampled)
        sides = {name: functools.partial(timed, update) for name, update in updates.items()}
        sides |= {name: peer.seconds for name, peer in peers.items()}
        times = measured(sides, options.rounds, options.rllib_rounds)
    work = flops(updates[f"ours, {PRECISIONS[0]}"])
    reference = statistics.median(times.get(RLLIB) or [float("nan")])
    rows = [
        [name, spread(values, 2), f"{reference / statistics.median(values):.2f}"]
        for name, values in times.items()
        if values
    ]
    print(table(["update", "s (median)", "lowest … highest", "times as fast as RLlib's"], rows))
    ours = trained(next(iter(learners.values())).net)
    print(f"\nparameters: {ours:,} ours, {theirs:,} RLlib's; deter of ours: {sizes[-2]}; threads: {options.threads}")
    for dtype in (torch.float32, torch.bfloat16):
        speed = product_speed(dtype)
        print(
            f"arithmetic floor of ours: {work / 1e9:.0f} GFLOP at {speed / 1e9:.0f} GFLOP/s ({dtype}) = "
            f"{work / speed:.2f} s"
        )
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"largest memory of the process with all of ours: {largest:.2f} GB")


if __name__ == "__main__":
    main()
