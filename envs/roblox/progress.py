"""A car's way along the lap, undone from its rewards: old games tell nothing else.

A tick pays `1000 × Δ(laps + share of the lap)`, its losses many times over, and in v0 and v1 a bonus for speed. A v2
game with `TerminateAll` pays for places in a race too: then rewards do not tell the way, and no laps are made up.

Source: the public game's reward at v0, v1 and v2.
"""

import math

from envs.roblox.ticks import Entry
from envs.roblox.widths import V0, V1, V2

TICK_S = 1.0 / 15.0  # nominal: the game counts frames
FRAMES_PER_TICK = 4  # physics steps, at 60 Hz
PER_LAP = 1000.0
AT_REST = 0.01  # velocity: 0.07 studs a tick, of a lap of some thousand
MOST_AT_REST = 0.5  # reward
LOSS_FACTOR = {V0: 20.0, V1: 20.0, V2: 25.0}


def speed_bonus(velocity: float, dialect: str) -> float:
    """Return what a tick pays for speed alone; `velocity` as observed, 1 is the fastest forward."""
    return 0.0 if dialect == V2 else 0.5 * (math.exp(2.0 * min(max(velocity, 0.0), 1.0)) - 1.0)


def pays_for_more(entry: Entry, velocity: float, dialect: str) -> bool:
    """Return whether a tick pays for more than way: a car at rest for its place, or one whom another's end has ended.

    Source: v2's `TerminateAll`, which pays ±1 a tick for the first and the last, and a normal reward to those that are
    truncated with the one who ended; without it v2 pays 0 for a truncation.
    """
    if dialect != V2:
        return False
    if entry.is_end:
        return entry.truncated and not entry.terminated and entry.reward != 0.0
    return abs(velocity) <= AT_REST and entry.reward > MOST_AT_REST


def way_of(reward: float, velocity: float, dialect: str) -> float:
    """Return how far a tick's reward says the car came, in laps."""
    paid = reward - speed_bonus(velocity, dialect)
    return paid / PER_LAP if paid >= 0.0 else paid / (PER_LAP * LOSS_FACTOR[dialect])


class Way:
    """One episode's way.

    Attributes:
        lap: laps since the episode's first tick; games that tell laps are believed.
        progress: 0..1 of the lap; from the spawn, unless the game tells.
    """

    def __init__(self) -> None:
        self.lap, self.progress = 0, 0.0
        self._total, self._ticks, self._begun_at = 0.0, 0.0, 0.0
        self._first_lap: int | None = None

    def add(self, entry: Entry, velocity: float, dialect: str) -> float | None:
        """Count a tick within an episode; return the time of the lap that it completes, in s, else None."""
        self._ticks += 1.0
        if entry.tells_way:
            return self._believe(entry)
        before = self._total
        self._total += way_of(entry.reward, velocity, dialect)
        completed = self._total >= self.lap + 1.0
        lap_time_s = None
        if completed:
            crossed_at = self._ticks - (self._total - (self.lap + 1.0)) / max(self._total - before, 1e-9)
            lap_time_s = (crossed_at - self._begun_at) * TICK_S
            self.lap, self._begun_at = self.lap + 1, crossed_at
        self.progress = min(max(self._total - self.lap, 0.0), 1.0)
        return lap_time_s

    def _believe(self, entry: Entry) -> float | None:
        told = int(entry.info["lap"])
        if self._first_lap is None:
            self._first_lap = told
        lap_time_s = None
        if told - self._first_lap > self.lap:
            counted_s = (self._ticks - self._begun_at) * TICK_S
            lap_time_s = entry.info.get("lap_time", counted_s)
            self._begun_at = self._ticks
        self.lap = max(told - self._first_lap, 0)
        self.progress = min(max(entry.info["progress"], 0.0), 1.0)
        return lap_time_s
