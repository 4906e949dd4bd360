"""One car of a game: what its entries mean in each dialect, from its spawn to its ends and resets."""

from dataclasses import replace

import numpy as np

from envs.roblox.counters import Counters
from envs.roblox.fitting import Fitting
from envs.roblox.fold import LAST, NEWEST, PREVIOUS, CarFold, Record
from envs.roblox.messages import car_id
from envs.roblox.progress import Way
from envs.roblox.ticks import Entry, Vector
from envs.roblox.widths import NUM_ACTIONS, V0, V2

RESET_AGAIN_S = 1.0  # v0: flags that are still up so long after a RESET
MOST_RESPAWNS = 3


class Car:
    """One car.

    Args:
        number: of the car in its env.
        env_id: of the env.
        counters: of its game.

    Attributes:
        id: as the game knows it.
        env_id: of its env.
        fold: what was heard and not read.
        fresh: entries since the last action was sent.
        seen_s: when the last entry came, or when it was spawned.
        respawns: in a row without an entry.
        wants_reset: a reset is to be sent.
        is_known: the game has it: it was in a tick of this connection.
        way: of the running episode.
        action: `(3,)`, the last one sent, in the game's order.
    """

    def __init__(self, number: int, env_id: str, counters: Counters) -> None:
        self.id, self.env_id = car_id(number, env_id), env_id
        self.fold = CarFold()
        self.fresh = 0
        self.seen_s: float | None = None
        self.respawns = 0
        self.wants_reset = False
        self.is_known = False
        self.way = Way()
        self.action: Vector = np.zeros(NUM_ACTIONS, np.float32)
        self._counters = counters
        self._is_ended = False  # v0: it repeats its end until it is reset
        self._reset_sent_s: float | None = None
        self._to_skip = 0

    @property
    def is_absent(self) -> bool:
        """Whether it was respawned often and did not come."""
        return self.respawns >= MOST_RESPAWNS

    @property
    def has_begun(self) -> bool:
        """Whether there is an observation of the running episode."""
        return self.fold.newest.obs is not None and not self._is_ended

    def forget(self) -> None:
        """Know nothing of the game any more: the connection is a new one."""
        self._is_ended, self._reset_sent_s, self._to_skip = False, None, 0
        self.wants_reset, self.is_known, self.seen_s = False, False, None
        self.way = Way()

    def seen(self, now_s: float) -> None:
        """Note that a tick had an entry of it."""
        self.seen_s, self.respawns, self.is_known = now_s, 0, True

    def sent(self, now_s: float, *, is_reset: bool) -> None:
        """Note that it was spawned, or reset."""
        self.seen_s = now_s
        self.wants_reset = False
        if is_reset:
            self._reset_sent_s = now_s

    def end(self, reason: str, now_s: float) -> None:
        """End its episode from outside."""
        self.fold.end(reason, now_s)
        self.way = Way()

    def restart(self) -> None:
        """Begin a new episode; one that was driven is reset, and what is on its way of it is passed over."""
        is_under_way = self.fold.has_acted and not self._is_ended
        self.fold.discard()
        self.way = Way()
        if is_under_way:
            self.fold.forget_observation()
            self.wants_reset, self._reset_sent_s, self._to_skip = True, None, 1

    def hear(self, entry: Entry, dialect: str, fitting: Fitting, now_s: float, *, is_stalled: bool) -> None:
        """Take what a tick says."""
        self.seen(now_s)
        self._counters.nonfinite += entry.nonfinite
        self._counters.malformed += entry.malformed
        if self._is_passed_over(entry, now_s):
            return
        velocity = fitting.velocity(entry.obs, dialect)
        record = Record(
            obs=fitting.fit(entry.obs, self.action, dialect),
            reward=entry.reward,
            terminated=entry.terminated,
            truncated=entry.truncated,
            reason=entry.reason,
            received_s=now_s,
        )
        if entry.is_end:
            self._end(record, entry, dialect, fitting, is_stalled=is_stalled)
            return
        self.fresh += 1
        lap_time_s = self.way.add(entry, velocity, dialect)
        record.info.update(lap=self.way.lap, progress=self.way.progress, velocity=velocity)
        if lap_time_s is not None:
            record.events["lap_time_s"] = lap_time_s
        self.fold.add(record, is_stalled=is_stalled)

    def _is_passed_over(self, entry: Entry, now_s: float) -> bool:
        """Drop entries that belong to no episode: of v0 until a reset took effect, of all those before a restart."""
        if self._is_ended and (entry.is_end or self._reset_sent_s is None):
            self.fold.drop(entry.reward)
            self._counters.repeated += 1
            if self._reset_sent_s is not None and now_s - self._reset_sent_s >= RESET_AGAIN_S:
                self.wants_reset = True
                self._counters.resets_repeated += 1
            return True
        self._is_ended = False
        if self._to_skip:
            self._to_skip -= 0 if self.wants_reset else 1
            self.fold.drop(entry.reward)
            return True
        return False

    def _end(self, record: Record, entry: Entry, dialect: str, fitting: Fitting, *, is_stalled: bool) -> None:
        """Close the episode with its true final observation, which each dialect has elsewhere, or not at all."""
        before = self.fold.newest
        first = None if dialect == V0 else fitting.fit(entry.obs, np.zeros(NUM_ACTIONS, np.float32), dialect)
        final, kind = before.obs, PREVIOUS
        if dialect == V0:
            final, kind = record.obs, NEWEST
        elif dialect == V2 and entry.last_observation is not None:
            final, kind = fitting.fit(entry.last_observation, self.action, dialect), LAST
        self.fold.add(replace(record, obs=final, final_kind=kind, info=before.info), first=first, is_stalled=is_stalled)
        self.way = Way()
        self.action = np.zeros(NUM_ACTIONS, np.float32)
        if dialect == V0:
            self._is_ended, self.wants_reset, self._reset_sent_s = True, True, None
