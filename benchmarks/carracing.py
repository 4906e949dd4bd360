"""`python -m benchmarks.carracing`: frames a second of every way to run CarRacing, against Gymnasium's own.

Each figure is environment frames per CPU second of one process pinned to one core, without threads, after warm-up,
resets included, with the same random driving everywhere. Rounds are interleaved and the median counts. EnvPool takes
part where it is installed (`pip install -e .[bench]`). `--profile` shows where the time of `fast` goes instead.
"""

import argparse
import cProfile
import importlib.util
import itertools
import os
import pstats
import statistics
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from tqdm import tqdm

import envs.carracing

SMALL = {"image_size": 64, "grayscale": True}
CASES: dict[str, dict[str, Any]] = {
    "exact, 96x96 RGB": {"renderer": "exact"},
    "exact, 64x64 grey": {"renderer": "exact", **SMALL},
    "fast, 96x96 RGB": {"renderer": "fast"},
    "fast, 64x64 grey": {"renderer": "fast", **SMALL},
    "telemetry": {"obs": "telemetry"},
}
REPEATS = (1, 4, 8)
NUMS_OF_ENVS = (1, 16)
_HOLD = 8  # frames for which a random action is held, whatever the action repeat
Drive = Callable[[float], float]  # CPU seconds to spend -> frames per CPU second


class RandomDriver:
    """Smooth enough random driving to see the road, wild enough to leave it."""

    def __init__(self, num_envs: int, repeat: int) -> None:
        self._random = np.random.default_rng(0)
        self._size, self._steps = num_envs, max(1, _HOLD // repeat)
        self._count = itertools.count()

    def actions(self) -> np.ndarray:
        """Return `(N, 3)` float32."""
        if next(self._count) % self._steps == 0:
            low, high = [-0.3, 0.0, 0.0], [0.3, 0.5, 0.1]
            self._held = self._random.uniform(low, high, (self._size, 3)).astype(np.float32)
        return self._held


def drive_vector(vector: Any, num_envs: int, repeat: int, frames_of: Callable[[Any, dict[str, Any]], int]) -> Drive:
    """Return how to measure a vector env."""
    driver = RandomDriver(num_envs, repeat)
    vector.reset(seed=0) if isinstance(vector, gym.vector.VectorEnv) else vector.reset()

    def measure(seconds: float) -> float:
        began, frames = time.process_time(), 0
        while (spent := time.process_time() - began) < seconds:
            *_, info = step = vector.step(driver.actions())
            frames += frames_of(step, info)
        return frames / spent

    return measure


def ours(repeat: int, num_envs: int, arguments: dict[str, Any]) -> Drive:
    """Return how to measure the suite's env."""
    vector = gym.make_vec(
        envs.carracing.ENV_ID, num_envs, vectorization_mode="vector_entry_point", action_repeat=repeat, **arguments
    )
    return drive_vector(vector, num_envs, repeat, lambda _, info: int(info["frames"].sum()))


def gymnasiums(num_envs: int) -> Drive:
    """Return how to measure Gymnasium's own; it has no action repeat, each frame is drawn."""
    vector = gym.make_vec("CarRacing-v3", num_envs, vectorization_mode="sync")
    return drive_vector(vector, num_envs, 1, lambda step, _: num_envs)


def envpools(num_envs: int) -> Drive:
    """Return how to measure EnvPool's C++ port on one thread."""
    import envpool

    pool = envpool.make("CarRacing-v3", env_type="gymnasium", num_envs=num_envs, num_threads=1)
    return drive_vector(pool, num_envs, 1, lambda step, _: num_envs)


def cases() -> dict[tuple[str, int, int], Drive]:
    """Return every way to run the game: name, action repeat, number of envs."""
    found: dict[tuple[str, int, int], Drive] = {}
    for num_envs in NUMS_OF_ENVS:
        found["Gymnasium, 96x96 RGB", 1, num_envs] = gymnasiums(num_envs)
        if importlib.util.find_spec("envpool"):
            found["EnvPool, 96x96 RGB", 1, num_envs] = envpools(num_envs)
        for (name, arguments), repeat in itertools.product(CASES.items(), REPEATS):
            found[name, repeat, num_envs] = ours(repeat, num_envs, arguments)
    return found


def measure_all(rounds: int, seconds: float) -> dict[tuple[str, int, int], list[float]]:
    """Return the frames per CPU second of each case in each round."""
    drives = cases()
    for drive in tqdm(drives.values(), desc="warming up"):
        drive(seconds / 2)
    rates: dict[tuple[str, int, int], list[float]] = {case: [] for case in drives}
    for _ in tqdm(range(rounds), desc="rounds"):
        for case, drive in drives.items():
            rates[case].append(drive(seconds))
    return rates


def table(rates: dict[tuple[str, int, int], list[float]]) -> str:
    """Return a Markdown table of medians, ranges and ratios to Gymnasium's own with as many envs."""
    rows = [
        "| env | action repeat | envs | frames/s a core (median) | lowest … highest | times Gymnasium |",
        "|---|---|---|---|---|---|",
    ]
    for (name, repeat, num_envs), values in rates.items():
        middle = statistics.median(values)
        peer = statistics.median(rates["Gymnasium, 96x96 RGB", 1, num_envs])
        spread = f"{min(values):,.0f} … {max(values):,.0f}"
        rows.append(f"| {name} | {repeat} | {num_envs} | {middle:,.0f} | {spread} | {middle / peer:.1f} |")
    return "\n".join(rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU seconds of each case in each round")
    parser.add_argument("--profile", action="store_true", help="where the time of fast, 64x64 grey, repeat 4 goes")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if options.profile:
        drive = ours(4, 16, CASES["fast, 64x64 grey"])
        drive(options.seconds)
        with cProfile.Profile() as profile:
            drive(options.seconds * options.rounds)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    print(table(measure_all(options.rounds, options.seconds)))


if __name__ == "__main__":
    main()
