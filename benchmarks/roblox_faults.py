"""`python -m benchmarks.roblox_faults`: what goes wrong with a Roblox game, and whether each reward is accounted for.

A vector env drives twins in another process over real sockets; half of its cars steer by rays, half at random, so that
many episodes end. The twin keeps books of all that it sends, in a file that outlives it; the env's account is compared
with them after the twin has left. For each dialect, one after the other: nothing goes wrong; ticks are dropped, come
twice, or have a number that is `nan` or `inf`; the learner does nothing for 30 s; the game's process is killed and
started again. `numbered` is v2 with the companion sample, whose ticks have numbers. No Roblox Studio is used.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.roblox_driver import actions_of
from benchmarks.roblox_ledger import COLUMNS, BookedTwin
from benchmarks.setting import table
from envs.roblox.hubs import end_all
from envs.roblox.vector import RobloxVectorEnv

NUMBERED = "numbered"
DIALECTS = ("v0", "v1", "v2", NUMBERED)
STALL, KILL = "learner stalls", "game killed, restarted"
FAULTS: dict[str, dict[str, float]] = {
    "none": {},
    "5 % of ticks dropped": {"drop_ticks": 0.05},
    "5 % of ticks doubled": {"dup_ticks": 0.05},
    "NaN in 5 % of ticks": {"nan": 0.05},
    STALL: {},
    KILL: {},
}
_GONE = ("disconnect", "absent")  # reasons of cars that are not there
_LEAVE_S = 10.0  # real time for the server to hear that a twin has left


@dataclass
class Drive:
    """What a driver sees.

    Attributes:
        steps: of the vector env.
        reward: sum of all rewards of all cars.
        ends: episodes by why they ended, as the steps told.
        stale: car-steps without any tick.
        pause_s: the longest time between two steps in which every car was there, since the last mark.
        again_s: from the last mark until every car was there, and stayed; None: not yet.
    """

    steps: int = 0
    reward: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    stale: int = 0
    pause_s: float = 0.0
    again_s: float | None = None


class Driver:
    """Drive all cars of an env, from its reset on.

    Args:
        env: whose.
        seed: of the cars that steer at random.
    """

    def __init__(self, env: RobloxVectorEnv, seed: int = 0) -> None:
        self._env, self._random = env, np.random.default_rng(seed)
        self.seen = Drive()
        self._observations, _ = env.reset(seed=seed)
        self._was_done = np.zeros(env.num_envs, np.bool_)
        self.mark()

    def mark(self) -> None:
        """Measure pauses from here on: something goes wrong, or has ended."""
        self._marked_at = self._drove_at = time.monotonic()
        self.seen.pause_s, self.seen.again_s = 0.0, None

    def step(self) -> None:
        """Drive one decision."""
        actions, seen = actions_of(self._observations), self.seen
        actions[1::2, 0] = self._random.uniform(-1.0, 1.0, len(actions[1::2]))
        self._observations, rewards, terminated, truncated, infos = self._env.step(actions)
        seen.steps += 1
        seen.reward += float(rewards.sum())
        is_end = (terminated | truncated) & ~self._was_done  # the step after an end only begins
        reasons = np.asarray(infos.get("reason", [None] * len(rewards)), object)
        for index in np.flatnonzero(is_end):
            kind = "terminated" if terminated[index] else "truncated"
            seen.ends[f"{kind}: {reasons[index] or 'the game'}"] += 1
        seen.stale += int((infos["stale"].astype(np.bool_) & ~is_end & ~self._was_done).sum())
        self._was_done = terminated | truncated
        if np.isin(reasons[self._was_done].astype(str), _GONE).any():
            seen.again_s = None
            return
        now = time.monotonic()
        seen.pause_s, self._drove_at = max(seen.pause_s, now - self._drove_at), now
        if seen.again_s is None:
            seen.again_s = now - self._marked_at

    def drive(self, seconds: float) -> None:
        """Drive for so long, real time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.step()


def run(name: str, dialect: str, options: argparse.Namespace) -> dict[str, str]:
    """Drive through one fault; return the cells of its column by their titles."""
    speed = 1.0 if name in (STALL, KILL) else options.speed
    game: dict[str, Any] = {"dialect": "v2" if dialect == NUMBERED else dialect, "companion": dialect == NUMBERED}
    env = RobloxVectorEnv(
        options.cars, port=0, games=1, cars=5, speed=speed, episode_steps=None, connect_timeout_s=120.0 * speed
    )
    with tempfile.TemporaryDirectory() as folder:
        url = env.world.place.replace("NAME", "faults")
        twins: list[BookedTwin] = []

        def play() -> None:
            path = Path(folder) / f"{len(twins)}"
            twins.append(BookedTwin(path, url, speed=speed, game=game, faults=FAULTS[name]))

        try:
            play()
            driver = Driver(env)
            before_s = options.seconds if name in (STALL, KILL) else 2 * options.seconds
            driver.drive(before_s)
            if name == STALL:
                time.sleep(options.stall)
            elif name == KILL:
                twins[-1].kill()
            if name in (STALL, KILL):
                driver.mark()
                if name == KILL:
                    play()
                driver.drive(options.seconds)
            twins[-1].close()
            _wait_until_left(env)
            books = [twin.books() for twin in twins]
            return _cells(env, driver.seen, {column: sum(one[column] for one in books) for column in COLUMNS}, speed)
        finally:
            for twin in twins:
                twin.kill()
            env.close()
            end_all()


def _wait_until_left(env: RobloxVectorEnv) -> None:
    deadline = time.monotonic() + _LEAVE_S
    while any(game.is_connected for game in env.world.games):
        if time.monotonic() > deadline:
            raise TimeoutError(f"The twin has ended, and its connection has not, {_LEAVE_S:g} s later.")
        time.sleep(0.01)


def _cells(env: RobloxVectorEnv, seen: Drive, books: Mapping[str, float], speed: float) -> dict[str, str]:
    account, counters = env.account(), env.counters()
    sent = books["ticks"] - books["ticks_dropped"] + books["ticks_doubled"]
    open_now = sum(slot.car.fold.has_end for slot in env.pairing.slots)
    where = ("delivered", "dropped", "pre_action", "waiting")
    return {
        "times real time": f"{speed:g}",
        "ticks the twin made": f"{books['ticks']:,.0f}",
        "of them dropped / doubled": f"{books['ticks_dropped']:,.0f} / {books['ticks_doubled']:,.0f}",
        "ticks sent / received": f"{sent:,.0f} / {counters['ticks']:,}",
        "counted as missed / repeated": f"{counters['ticks_missed']:,} / {counters['ticks_repeated']:,}",
        "numbers spoiled / counted": f"{books['numbers_spoiled']:,.0f} / {counters['nonfinite']:,}",
        "messages that could not be read": f"{counters['bad_messages']:,}",
        "steps of the vector env": f"{seen.steps:,}",
        "car-steps without a tick": f"{seen.stale:,}",
        "rewards sent, by the twin's books": f"{books['reward_sent']:+.6f}",
        "rewards received": f"{account['sent']:+.6f}",
        "difference": f"{round(books['reward_sent'] - account['sent'], 6) + 0.0:+.6f}",
        **{f"… {name.replace('_', '-')}": f"{account[name]:+.6f}" for name in where},
        "received less these four": f"{account['sent'] - sum(account[name] for name in where):+.1e}",
        "delivered less the driver's sum": f"{account['delivered'] - seen.reward:+.1e}",
        "flags sent / ends told": f"{books['ends_sent']:,.0f} / {sum(seen.ends.values()):,}",
        "… why": ", ".join(f"{count} {why}" for why, count in sorted(seen.ends.items())) or "none",
        "… not told: folded / empty / v0's repeats / waiting": (
            f"{counters['ends_folded']} / {counters['empty_episodes']} / {counters['repeated']} / {open_now}"
        ),
        "connections / freezes or stalls": f"{counters['connections']} / {counters['stalls']}",
        "longest without all cars, s": f"{seen.pause_s:.2f}",
        "all cars drive again after, s": "" if seen.again_s is None else f"{seen.again_s:.2f}",
    }


def main() -> None:
    """Drive through all faults and print a table for each dialect."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cars", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=15.0, help="real time before the fault, and again after it")
    parser.add_argument("--stall", type=float, default=30.0, help="real time that the learner does nothing")
    parser.add_argument("--speed", type=float, default=5.0, help="game time by real time; stall and kill are at 1")
    parser.add_argument("--dialects", nargs="+", choices=DIALECTS, default=DIALECTS)
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    options = parser.parse_args()
    for dialect in options.dialects:
        columns = {name: run(name, dialect, options) for name in options.faults}
        titles = list(next(iter(columns.values())))
        rows = [[title, *(cells[title] for cells in columns.values())] for title in titles]
        print(f"\n{dialect}, {options.cars} cars\n")
        print(table(["", *columns], rows), flush=True)


if __name__ == "__main__":
    main()
