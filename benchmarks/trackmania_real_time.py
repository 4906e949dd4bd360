"""`python -m benchmarks.trackmania_real_time`: how well 20 decisions a second are kept, and how old what is seen is.

The twin runs in a process of its own, in real time at 100 frames/s, and is driven through its sockets as the game is,
by an agent that takes 5 ms for each decision. Each kind of observation is driven alone, then with a learner beside it:
a process that makes one SAC update after the other (`algo=sac`, batches of 256 pictures) on one thread. A step's time
is from one return of `step` to the next; an overrun is a step that ended a whole step late or more; ages are those of
the newest telemetry and of the picture when the observation was complete.
"""

import argparse
import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.setting import run_config, table
from envs.trackmania.env import TrackmaniaEnv
from envs.trackmania.timings import CAPTURE

KINDS = ("edges", "lidar", "full")
DECISION_S = 0.005
WARM_UP_S = 2.0


@contextlib.contextmanager
def twin(trajectory: Path, seed: int, port: int = 19000) -> Iterator[str]:
    """Start a twin in another process and write its road's trajectory; yield its address."""
    own = TrackmaniaEnv(obs="lidar", twin="lockstep", twin_game={"seed": seed})
    assert own.trajectory is not None
    own.trajectory.save(trajectory)
    own.close()
    words = ["env=trackmania", f"twin.game.seed={seed}", f"port={port}"]
    process = subprocess.Popen([sys.executable, "-m", "envs.twin", *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.search(r"[\d.]+:\d+", line)
        assert found, line
        yield found[0]
    finally:
        process.terminate()
        process.wait(10.0)


@contextlib.contextmanager
def learner() -> Iterator[None]:
    """Let another process learn as long as the context lasts."""
    process = subprocess.Popen([sys.executable, "-m", __spec__.name, "--learn"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("learning")
        yield
    finally:
        process.kill()
        process.wait(10.0)


def learn() -> None:
    """Make updates until killed."""
    import torch

    from benchmarks.sac_update import our_learner, our_update

    torch.set_num_threads(1)
    update = our_update(our_learner(run_config("env=carracing", "model=cnn", "algo=sac")), 256)
    update()
    print("learning", flush=True)
    while True:
        update()


def drive(env: TrackmaniaEnv, seconds: float) -> list[str]:
    """Drive along for a while; return the cells of a row."""
    gas = np.array([0.0, 0.4, 0.0], np.float32)
    env.reset()
    steps, ages, pictures = [], [], []
    overruns = 0
    began = returned = time.perf_counter()
    while returned - began < seconds + WARM_UP_S:
        time.sleep(DECISION_S)
        _, _, terminated, truncated, info = env.step(gas)
        now = time.perf_counter()
        if now - began > WARM_UP_S and not (terminated or truncated):
            steps.append(now - returned)
            ages.append(info["frame_age_s"])
            pictures.append(info["image_age_s"])
            overruns += int(info["overrun"])
        if terminated or truncated:
            env.reset()
            env.step(gas)  # its time is the reset's
        returned = time.perf_counter()
    capture = env.compat.timings.percentiles()[CAPTURE]

    def milliseconds(values: list[float]) -> str:
        middle, late, most = 1000.0 * np.percentile(values, [50, 99, 100])
        return f"{middle:.1f} / {late:.1f} / {most:.1f}"

    return [
        str(len(steps)),
        milliseconds(steps),
        str(overruns),
        milliseconds(ages),
        milliseconds(pictures) if any(pictures) else "no picture",
        f"{1000 * capture[0]:.1f} / {1000 * capture[2]:.1f}",
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each row")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learn", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.learn:
        learn()
    rows = []
    with tempfile.TemporaryDirectory() as folder, twin(Path(folder) / "line.npz", options.seed) as hosts:
        for kind in KINDS:
            for beside, company in (("nothing", contextlib.nullcontext()), ("a learner", learner())):
                with company:
                    env = TrackmaniaEnv(
                        obs=kind, hosts=hosts, controls="loopback", trajectory=f"{folder}/line.npz", episode_steps=200
                    )
                    try:
                        rows.append([kind, beside, *drive(env, options.seconds)])
                    finally:
                        env.close()
                print(f"{kind}, {beside} beside it: done", file=sys.stderr)
    titles = ["`env.obs`", "beside it", "steps", "step, ms", "overruns", "age of telemetry, ms", "age of picture, ms"]
    print(table([*titles, "capture, ms (p50 / p99)"], rows))
    print("\np50 / p99 / most.")


if __name__ == "__main__":
    main()
