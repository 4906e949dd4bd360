"""`python -m benchmarks.remote_soak --minutes 45`: the memory of a game server that works, and whether it grows.

Two CarRacings are served. One client drives in lock-step and reconnects every few seconds; another polls in version 1,
sends nonsense, and now and then hangs up in the middle of a line. Every ten seconds the server's memory is looked at;
at the end: a line through what came after ten minutes, for the server and for this process, the client.
"""

import argparse
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil

from benchmarks.setting import table
from envs.remote.racing_client import RacingGameClient
from envs.remote.vector import RemoteVectorEnv

_SETTLED_S = 600.0
_NONSENSE = [b"no json\n", b'{"type": "FLY"}\n', b'{"type": "GET_STATE", "game_id": 99}\n', b"\xff\xfe\n"]


def drive(host: str, steps: int) -> None:
    """Drive one game in lock-step, with a connection of its own."""
    envs = RemoteVectorEnv(1, hosts=[host])
    envs.reset(seed=int(time.time()) % 1000)
    for _ in range(steps):
        envs.step(envs.action_space.sample())
    envs.close()


def disturb(host: str, port: int, polls: int) -> None:
    """Poll in version 1 among nonsense, and leave in the middle of a line."""
    with RacingGameClient(host, port, protocol=1) as client:
        client.reset(1)
        for _ in range(polls):
            client.set_action({"gas": 0.5}, 1)
            client.get_state(1)
    with socket.create_connection((host, port), timeout=10.0) as stranger:
        answers = stranger.makefile("rb")
        answers.readline()
        for line in _NONSENSE:
            stranger.sendall(line)
            answers.readline()
        stranger.sendall(b"x" * 3_000_000)


def slope(seconds: list[float], sizes: list[int]) -> tuple[float, float]:
    """Return megabytes an hour, and the half width of the 95 % interval, of what came after the first ten minutes."""
    late = np.array([(t, size) for t, size in zip(seconds, sizes, strict=True) if t >= _SETTLED_S])
    hours, mb = late[:, 0] / 3600, late[:, 1] / 1e6
    line, covariance = np.polyfit(hours, mb, 1, cov=True)
    return float(line[0]), float(1.96 * np.sqrt(covariance[0, 0]))


def main() -> None:
    """Work for a while, and look."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=45.0)
    minutes = parser.parse_args().minutes
    server = subprocess.Popen(
        [sys.executable, "-m", "envs.serve", "port=0", "num_games=2", "verbose=0", "max_steps=200"],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    place = server.stdout.readline().split(" at ")[1].split(". ")[0]
    host, port = place.split(":")
    watched = {"server": psutil.Process(server.pid), "client": psutil.Process()}
    seconds: list[float] = []
    sizes: dict[str, list[int]] = {name: [] for name in watched}
    began, rounds = time.monotonic(), 0
    try:
        while (now := time.monotonic() - began) < 60 * minutes:
            drive(place, 50)
            disturb(host, int(port), 50)
            rounds += 1
            if not seconds or now - seconds[-1] >= 10.0:
                seconds.append(now)
                for name, process in watched.items():
                    sizes[name].append(process.memory_info().rss)
            time.sleep(0.5)
    finally:
        server.terminate()
        server.wait(20.0)
    rows = []
    for name in watched:
        grows, within = slope(seconds, sizes[name])
        rows.append(
            [name, f"{sizes[name][0] / 1e6:.1f}", f"{sizes[name][-1] / 1e6:.1f}", f"{grows:+.2f} ± {within:.2f}"]
        )
    print(f"{rounds:,} rounds in {minutes:g} minutes: {2 * rounds:,} clients came and went.")
    print(table(["process", "MB at the start", "MB at the end", "MB an hour after ten minutes"], rows))


if __name__ == "__main__":
    main()
