"""`python -m benchmarks.roblox_load`: one server with 512 cars at 15 ticks a second, and its memory over an hour.

The cars are those of twins in another process, which connect over sockets as the game does; here is the server, and a
driver that steers by rays. A step's latency is from its call, right after the one before it, to its return: the game's
15 ticks a second make that 67 ms. An observation's age is from its tick's arrival to the step's return. Processor time
is of whole processes, in cores. `--hours 1 --speed 20` looks at memory instead, over an hour of the game: its ticks are
counted, so that a machine that cannot keep up takes longer and measures no less. `--lockstep` looks at how fast twins
are without sockets.
"""

import argparse
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

from benchmarks.roblox_driver import actions_of
from benchmarks.setting import table
from envs.roblox.messages import SPAWN_AGENTS, action_command, agents_command, car_id
from envs.roblox.progress import TICK_S
from envs.roblox.twin.game import RobloxGame
from envs.roblox.vector import RobloxVectorEnv

WARM_UP_S = 5.0
_SETTLED_H = 1.0 / 6.0  # of the game, before memory is looked at
_LOOK_S = 20.0  # of the game, between two looks


@contextlib.contextmanager
def twins(url: str, games: int, speed: float, spawns: int) -> Iterator[psutil.Process]:
    """Play games to a server from another process."""
    words = ["env=roblox", f"url={url}", f"num_games={games}", f"speed={speed}", f"num_spawns={spawns}"]
    command = [sys.executable, "-m", "envs.twin", *words]
    process = subprocess.Popen(command, cwd=Path(__file__).parent.parent, stdout=subprocess.DEVNULL)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20.0)


def percentiles(values: list[float]) -> str:
    """Return a table's cell of milliseconds."""
    return " / ".join(f"{value:.1f}" for value in np.percentile(values, [50, 99, 100]))


def load(env: RobloxVectorEnv, game: psutil.Process, seconds: float, speed: float) -> list[str]:
    """Drive for a while; return the cells of a row."""
    observations, _ = env.reset(seed=0)
    server = psutil.Process()
    until = time.perf_counter() + WARM_UP_S
    while time.perf_counter() < until:
        observations, *_ = env.step(actions_of(observations))
    steps: list[float] = []
    ages: list[float] = []
    skipped = stale = 0
    before = _processor_s(server), _processor_s(game)
    began = returned = time.perf_counter()
    while returned - began < seconds:
        observations, _, _, _, infos = env.step(actions_of(observations))
        now = time.perf_counter()
        steps.append(1000.0 * (now - returned))
        ages.append(float(np.max(infos["obs_age_ms"])) / speed)
        skipped += int(np.max(infos["link_skipped"]))
        stale += int(np.sum(infos["stale"]))
        returned = now
    took = returned - began
    cores = [(_processor_s(one) - was) / took for one, was in zip((server, game), before, strict=True)]
    return [
        str(env.num_envs),
        f"{len(steps) / took:.1f}",
        percentiles(steps),
        percentiles(ages),
        f"{skipped} / {stale}",
        f"{cores[0]:.2f}",
        f"{cores[1]:.2f}",
    ]


def memory(env: RobloxVectorEnv, game: psutil.Process, hours: float) -> list[list[str]]:
    """Drive for so many hours of the game; return a row for each process."""
    observations, _ = env.reset(seed=0)
    watched = {"server": psutil.Process(), "twins": game}
    times: list[float] = []
    sizes: dict[str, list[float]] = {name: [] for name in watched}
    began_h = _played_h(env)
    while (now_h := _played_h(env) - began_h) < hours:
        observations, *_ = env.step(actions_of(observations))
        if not times or (now_h - times[-1]) * 3600.0 >= _LOOK_S:
            times.append(now_h)
            for name, process in watched.items():
                sizes[name].append(process.memory_info().rss / 1e6)
    late = np.array(times) >= _SETTLED_H
    rows = []
    for name, one in sizes.items():
        seen = np.array(one)[late]
        line, covariance = np.polyfit(np.array(times)[late], seen, 1, cov=True)
        slope, half_width = float(line[0]), 1.96 * float(np.sqrt(covariance[0, 0]))
        rows.append([name, f"{seen[0]:.1f}", f"{seen[-1]:.1f}", f"{slope:+.2f} ± {half_width:.2f}"])
    return rows


def lockstep(cars: int, games: int, steps: int = 500) -> list[str]:
    """Drive twins whose time waits, in this process; return the cells of a row: car-steps by processor time."""
    env = RobloxVectorEnv(cars, twin="lockstep", games=games, cars=5, dialect="v2", episode_steps=None)
    observations, _ = env.reset(seed=0)
    for _ in range(20):
        observations, *_ = env.step(actions_of(observations))
    began = time.process_time()
    for _ in range(steps):
        observations, *_ = env.step(actions_of(observations))
    whole_s = time.process_time() - began
    env.close()
    return [
        str(cars),
        str(games),
        f"{cars * steps / game_alone_s(cars, games, steps):,.0f}",
        f"{cars * steps / whole_s:,.0f}",
    ]


def game_alone_s(cars: int, games: int, steps: int) -> float:
    """Return the processor time of the games alone, which get whole commands and make whole ticks."""
    names = [[car_id(number, f"{game:036x}") for number in range(cars // games)] for game in range(games)]
    played = [RobloxGame(game) for game in range(games)]
    for game, ids in zip(played, names, strict=True):
        for first in range(0, len(ids), 5):
            game.handle(agents_command(SPAWN_AGENTS, f"{first}", ids[first : first + 5]))
    commands = [action_command("", {name: [0.7, 0.0, -1.0] for name in ids}) for ids in names]
    began = time.process_time()
    for _ in range(steps):
        for game, command in zip(played, commands, strict=True):
            game.handle(command)
            game.advance_to_tick()
    return time.process_time() - began


def _played_h(env: RobloxVectorEnv) -> float:
    """Return how long the games have played, by the ticks that came of them."""
    ticks = sum(game.counters.ticks for game in env.world.games)
    return ticks * TICK_S / len(env.world.games) / 3600.0


def _processor_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cars", type=int, default=512)
    parser.add_argument("--games", type=int, default=4, help="that the cars are spread over")
    parser.add_argument("--cars-per-env", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--speed", type=float, default=1.0, help="game time by real time")
    parser.add_argument("--hours", type=float, default=0.0, help="of the game: look at memory instead")
    parser.add_argument("--lockstep", action="store_true", help="measure twins in this process instead")
    options = parser.parse_args()
    if 0.0 < options.hours <= 1.5 * _SETTLED_H:
        parser.error(
            f"--hours {options.hours:g}: memory is looked at after {_SETTLED_H:.2f} h, so ask for more than that"
        )
    if options.lockstep:
        rows = [lockstep(cars, games) for cars, games in ((20, 20), (20, 4), (20, 1), (512, 4))]
        titles = ["cars", "games", "car-steps/s, games alone", "car-steps/s, `RobloxVectorEnv`"]
        print(table(titles, rows))
        print("\nBy processor time of one core.")
        return
    env = RobloxVectorEnv(
        options.cars,
        port=0,
        games=options.games,
        cars=options.cars_per_env,
        speed=options.speed,
        connect_timeout_s=120.0 * options.speed,
        episode_steps=None,
    )
    try:
        place = env.world.place.replace("NAME", "load")
        with twins(place, options.games, options.speed, max(32, options.cars_per_env)) as game:
            if options.hours:
                rows = memory(env, game, options.hours)
                print(
                    table(["process", "MB after 10 min", "MB at the end", "MB an hour of the game, after that"], rows)
                )
            else:
                titles = ["cars", "steps/s", "step, ms", "age of observation, ms", "ticks skipped / cars stale"]
                row = load(env, game, options.seconds, options.speed)
                print(table([*titles, "server, cores", "twins, cores"], [row]))
                print("\np50 / p99 / most.")
    finally:
        env.close()


if __name__ == "__main__":
    main()
