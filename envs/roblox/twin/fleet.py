"""The cars of a game as arrays, one slot each. Places are studs, times seconds of the game's clock."""

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError
from envs.roblox.twin.checkpoints import IntArray
from envs.track.frames import FloatArray
from envs.track.projection import NO_HINT

MOST_CARS = 1024  # orphans included; a bridge takes 512

# Why an episode has ended.
DRIVING, WALL, CONTACT, STUCK, OTHER = range(5)  # OTHER: because another car's has
REASONS = ("", "wall", "contact", "stuck", "server")


class Fleet:
    """All cars, by slot: arrays `(C,)`, or `(C, …)`, with C slots.

    Args:
        width: numbers in an observation.

    Attributes:
        slots: of cars by their id; orphans are not among them.
        names: ids by slot.
        is_present: whether a slot has a car, orphan or not.
        is_orphan: whether nothing controls or reports it any more.
        is_frozen: whether it is anchored.
        frozen_at: since when.
        group: number of the env it belongs to.
        point: where it was spawned.
        pose: `(C, 3)` x, y, heading.
        speed: studs/s, negative backwards.
        steer_rad: of the wheels, positive to the right.
        fuel: of the nitro, 0..1.
        action: `(C, 3)` the last one of this episode.
        acted_at: when it came; NaN before the first.
        num_actions: that came since the car was first spawned.
        has_acted: whether one came since the last tick.
        ended: why its episode has ended, `DRIVING` if it has not.
        is_announced: whether a tick has found the end already.
        segment: of the centre line, where it was last.
        last: checkpoint passed last.
        lap: laps completed.
        total: progress, laps included, in the last tick.
        progressed_at: when it last grew.
        lap_began_at: when the lap began.
        lap_time_s: of the lap that the last tick completed; NaN if it did not.
        reverse: whether it faces against the track, 0 or 1.
        reward: of the last tick.
        sent: `(C, width)` the observation that was sent last.
        has_sent: whether one was, in this episode.
    """

    def __init__(self, width: int) -> None:
        self.slots: dict[str, int] = {}
        self.names: list[str] = [""] * MOST_CARS
        self.is_present, self.is_orphan, self.is_frozen = _flags(), _flags(), _flags()
        self.has_acted, self.is_announced, self.has_sent = _flags(), _flags(), _flags()
        self.group, self.point, self.num_actions = _counts(), _counts(), _counts()
        self.ended, self.segment, self.last, self.lap = _counts(), _counts(), _counts(), _counts()
        self.pose, self.action = np.zeros((MOST_CARS, 3)), np.zeros((MOST_CARS, 3))
        self.speed, self.steer_rad, self.fuel = _numbers(), _numbers(), _numbers()
        self.acted_at, self.progressed_at, self.lap_began_at = _numbers(), _numbers(), _numbers()
        self.frozen_at = _numbers()
        self.total, self.lap_time_s, self.reverse, self.reward = _numbers(), _numbers(), _numbers(), _numbers()
        self.sent = np.zeros((MOST_CARS, width))
        self._reported: IntArray | None = None

    def add(self, name: str, group: int) -> int:
        """Give a new car a slot and return it; `begin` puts the car somewhere.

        Raises:
            ConfigError: there is no room.
        """
        free = np.flatnonzero(~self.is_present)
        if not len(free):
            raise ConfigError(f"The twin has room for {MOST_CARS} cars; {name} is one more. Spawn fewer.")
        slot = int(free[0])
        self.slots[name], self.names[slot] = slot, name
        self.is_present[slot], self.is_orphan[slot] = True, False
        self.group[slot], self.num_actions[slot] = group, 0
        self._reported = None
        return slot

    def remove(self, slot: int) -> None:
        """Take a car away."""
        if not self.is_orphan[slot]:
            del self.slots[self.names[slot]]
        self.is_present[slot] = False
        self._reported = None

    def orphan(self, slot: int) -> None:
        """Leave a car to itself: it stays in the way, and its name is free."""
        del self.slots[self.names[slot]]
        self.is_orphan[slot] = True
        self.speed[slot] = 0.0
        self._reported = None

    def begin(self, slot: int, pose: FloatArray, point: int, now_s: float) -> None:
        """Begin an episode of a car at a pose `(3,)`; it is not frozen, whatever the others are."""
        self.pose[slot], self.point[slot] = pose, point
        self.speed[slot] = self.steer_rad[slot] = self.reward[slot] = self.reverse[slot] = 0.0
        self.fuel[slot] = 1.0
        self.action[slot] = 0.0
        self.acted_at[slot] = self.lap_time_s[slot] = np.nan
        self.progressed_at[slot] = self.lap_began_at[slot] = now_s
        self.has_acted[slot] = self.is_announced[slot] = self.has_sent[slot] = self.is_frozen[slot] = False
        self.ended[slot] = DRIVING
        self.segment[slot] = NO_HINT
        self.last[slot] = self.lap[slot] = 0
        self._reported = None

    def freeze(self, now_s: float) -> None:
        """Anchor all cars."""
        moving = self.is_present & ~self.is_frozen
        self.is_frozen[moving], self.frozen_at[moving] = True, now_s
        self._reported = None

    def unfreeze(self, now_s: float) -> IntArray:
        """Let the frozen cars go, with their timers shifted by how long it was; return their slots."""
        frozen = np.flatnonzero(self.is_present & self.is_frozen)
        self.is_frozen[frozen] = False
        for timer in (self.progressed_at, self.acted_at, self.lap_began_at):
            timer[frozen] = np.minimum(timer[frozen] + now_s - self.frozen_at[frozen], now_s)
        self._reported = None
        return frozen

    @property
    def reported(self) -> IntArray:
        """Slots of the cars that ticks tell of: neither frozen nor orphans."""
        if self._reported is None:
            self._reported = np.flatnonzero(self.is_present & ~self.is_orphan & ~self.is_frozen)
        return self._reported


def _flags() -> npt.NDArray[np.bool_]:
    return np.zeros(MOST_CARS, np.bool_)


def _counts() -> IntArray:
    return np.zeros(MOST_CARS, np.int64)


def _numbers() -> FloatArray:
    return np.zeros(MOST_CARS)
