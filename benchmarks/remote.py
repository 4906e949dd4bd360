"""`python -m benchmarks.remote`: CarRacing driven over sockets against the same envs in this process.

Six games with 64x64 grey images, four frames a decision, the same actions everywhere. Servers are processes of their
own on this machine. Rounds are interleaved, seconds are the wall's, the median counts; a ratio is to the local vector
env of the same round. Bytes are those that arrive for one decision of one game.
"""

import argparse
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from benchmarks.setting import run_config, table
from envs.factory import make_vector_env
from envs.remote.env import RemoteEnv
from envs.remote.racing_client import RacingGameClient
from envs.remote.vector import RemoteVectorEnv

NUM_GAMES = 6
REPEAT = 4
_LOCAL = "local vector env"
Actions = np.ndarray
Case = tuple[Callable[[Actions], Any], Callable[[], int]]  # one step of all games; bytes received so far


@contextlib.contextmanager
def server(num_games: int, *words: str) -> Iterator[str]:
    """Serve CarRacings; yields their address."""
    command = [sys.executable, "-m", "envs.serve", "port=0", f"num_games={num_games}", "verbose=0", "max_clients=64"]
    process = subprocess.Popen([*command, *words], cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split(" at ")[1].split(". ")[0]
    finally:
        process.terminate()
        process.wait(20.0)


def local() -> Case:
    """Return the local vector env."""
    envs = make_vector_env(
        run_config("env=carracing", "env.evaluation.renderer=fast")["env"], num_envs=NUM_GAMES, training=False
    )
    envs.reset(seed=0)
    return envs.step, lambda: 0


def batch(hosts: list[str], **arguments: Any) -> Case:
    """Return the remote vector env: one message a server and step."""
    envs = RemoteVectorEnv(NUM_GAMES, hosts=hosts, **arguments)
    envs.reset(seed=0)
    assert envs._driving is not None
    servers = envs._driving.seats.leases.servers
    return envs.step, lambda: sum(one.session.link.counts.bytes_received for one in servers)


def single(host: str) -> Case:
    """Return one env and one connection a game, stepped one after the other."""
    envs = [RemoteEnv(hosts=[host]) for _ in range(NUM_GAMES)]
    waiting = iter(envs)
    vector = SyncVectorEnv([lambda: next(waiting)] * NUM_GAMES, autoreset_mode=AutoresetMode.NEXT_STEP)
    vector.reset(seed=0)
    links = [env._driving.seats.leases.servers[0].session.link for env in envs if env._driving]
    return vector.step, lambda: sum(link.counts.bytes_received for link in links)


def client(host: str, encoding: str) -> Case:
    """Return `RacingGameClient.step_batch`, which shows the stock 96x96 colour frames."""
    name, port = host.split(":")
    racing = RacingGameClient(name, int(port), mode="lockstep")
    racing.connect()
    racing.config(encoding=encoding)
    for game_id in range(NUM_GAMES):
        racing.reset(game_id, seed=game_id)

    def step(actions: Actions) -> Any:
        return racing.step_batch({index: action.tolist() for index, action in enumerate(actions)}, repeat=REPEAT)

    return step, lambda: racing._session.link.counts.bytes_received


def measure(case: Case, seconds: float, generator: np.random.Generator) -> tuple[float, float]:
    """Return frames a second, and bytes a decision, of driving for a while."""
    step, received = case
    before, began, steps = received(), time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds:
        if steps % 4 == 0:
            actions = generator.uniform([-0.3, -0.1], [0.3, 0.6], (NUM_GAMES, 2)).astype(np.float32)
        step(actions)
        steps += 1
    return steps * NUM_GAMES * REPEAT / spent, (received() - before) / (steps * NUM_GAMES)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each case in each round")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:

        def serve(num_games: int) -> str:
            return stack.enter_context(server(num_games, "env.evaluation.renderer=fast"))

        cases: dict[str, Case] = {
            _LOCAL: local(),
            "env=remote, batch, one server": batch([serve(NUM_GAMES)]),
            "env=remote, batch, two servers": batch([serve(NUM_GAMES // 2), serve(NUM_GAMES // 2)]),
            "env=remote, batch, one server, codec=png": batch([serve(NUM_GAMES)], codec="png"),
            "env=remote, batch, one server, codec=jpeg": batch([serve(NUM_GAMES)], codec="jpeg"),
            "env=remote, one message a game": single(serve(NUM_GAMES)),
            "RacingGameClient, batch, stock frames, binary": client(serve(NUM_GAMES), "bin"),
            "RacingGameClient, batch, stock frames, base64": client(serve(NUM_GAMES), "b64"),
        }
        generator = np.random.default_rng(0)
        for case in cases.values():
            measure(case, options.seconds, generator)
        rates: dict[str, list[float]] = {name: [] for name in cases}
        sizes: dict[str, float] = {}
        for _ in range(options.rounds):
            for name, case in cases.items():
                rate, sizes[name] = measure(case, options.seconds, generator)
                rates[name].append(rate)
    rows = []
    for name, values in rates.items():
        ratios = [one / there for one, there in zip(values, rates[_LOCAL], strict=True)]
        ratio = f"{statistics.median(ratios):.2f} | {min(ratios):.2f} … {max(ratios):.2f}"
        rows.append([name, f"{statistics.median(values):,.0f}", ratio, f"{sizes[name]:,.0f}"])
    print(table(["way", "frames/s", "times local", "lowest … highest", "bytes a decision"], rows))


if __name__ == "__main__":
    main()
