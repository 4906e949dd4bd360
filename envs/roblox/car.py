"""One car of a game: what its entries mean in each dialect, from its spawn to its ends and resets."""

import logging
from dataclasses import replace
from typing import Any

import numpy as np

from envs.roblox.counters import Counters
from envs.roblox.echo import Echo
from envs.roblox.fitting import Fitting
from envs.roblox.fold import LAST, NEWEST, PREVIOUS, CarFold, Record
from envs.roblox.messages import car_id
from envs.roblox.progress import Way, pays_for_more
from envs.roblox.restarts import Answers, Restart
from envs.roblox.ticks import Entry, Vector
from envs.roblox.widths import NUM_ACTIONS, V0, V1, V2

logger = logging.getLogger(__name__)

RESET_AGAIN_S = 1.0  # v0: flags that are still up so long after a RESET
MOST_RESPAWNS = 3
_PLACES = (
    "The game's rewards are for more than the way (TerminateAll: places in a race): laps and progress are not told any "
    "more, unless the game tells them itself, as the companion sample does."
)
_BLIND_TICKS = 15  # without an observation: none will come


class Car:
    """One car.

    Args:
        number: of the car in its env.
        env_id: of the env.
        counters: of its game.
        answers: of its game.

    Attributes:
        id: as the game knows it.
        env_id: of its env.
        fold: what was heard and not read.
        fresh: entries since the last action was sent, and that know it, where they say.
        seen_s: when the last entry came, or when it was spawned.
        respawns: in a row without an entry; more than `MOST_RESPAWNS`: the last of them was waited for too.
        wants_reset: a reset is to be sent.
        is_known: the game has it: it was in a tick of this connection.
        way: of the running episode.
        action: `(3,)`, the last one sent, in the game's order.
    """

    def __init__(self, number: int, env_id: str, counters: Counters, answers: Answers) -> None:
        self.id, self.env_id = car_id(number, env_id), env_id
        self.fold = CarFold()
        self.fresh = 0
        self.seen_s: float | None = None
        self.respawns = 0
        self.wants_reset = False
        self.is_known = False
        self.way = Way()
        self.action: Vector = np.zeros(NUM_ACTIONS, np.float32)
        self._blind_ticks = 0
        self._counters, self._answers = counters, answers
        self._is_ended = False  # v0: it repeats its end until it is reset
        self._reset_sent_s: float | None = None
        self._restart, self._echo = Restart(), Echo()

    @property
    def is_absent(self) -> bool:
        """Whether it was respawned often and did not come."""
        return self.respawns > MOST_RESPAWNS

    @property
    def is_blind(self) -> bool:
        """Whether the game tells of it, again and again, and never what it observes."""
        return self._blind_ticks >= _BLIND_TICKS

    @property
    def has_begun(self) -> bool:
        """Whether there is an observation of the running episode."""
        return self.fold.newest.obs is not None and not self._is_ended

    def forget(self) -> None:
        """Know nothing of the game any more: the connection is a new one."""
        self._is_ended, self._reset_sent_s = False, None
        self._restart.end()
        self._blind_ticks = 0
        self._echo = Echo()
        self.wants_reset, self.is_known, self.seen_s = False, False, None
        self.way = Way()

    def condition(self) -> dict[str, Any]:
        """Return how it stands, plain; see `Game.condition`."""
        obs = self.fold.newest.obs
        return {
            "obs": None if obs is None else obs.tolist(),
            "action": self.action.tolist(),
            "is_known": self.is_known,
            "is_ended": self._is_ended,
            "is_shown": self.fold.is_shown,
            "has_acted": self.fold.has_acted,
            "reset_sent_s": self._reset_sent_s,
            "seen_s": self.seen_s,
            "restart": vars(self._restart).copy(),
            "echo": vars(self._echo).copy(),
            "wants_reset": self.wants_reset,
            "respawns": self.respawns,
        }

    def resume(self, condition: dict[str, Any], now_s: float) -> None:
        """Stand as `condition` says."""
        obs = condition["obs"]
        self.fold.resume(None if obs is None else np.array(obs, np.float32), now_s)
        self.fold.is_shown, self.fold.has_acted = condition["is_shown"], condition["has_acted"]
        vars(self._restart).update(condition["restart"])
        vars(self._echo).update(condition["echo"])
        self.wants_reset, self.seen_s = condition["wants_reset"], condition["seen_s"]
        self._reset_sent_s = condition["reset_sent_s"]
        self.action = np.array(condition["action"], np.float32)
        self.is_known, self._is_ended = condition["is_known"], condition["is_ended"]
        self.respawns = condition["respawns"]

    def seen(self, now_s: float) -> None:
        """Note that a tick had an entry of it."""
        self.seen_s, self.respawns, self.is_known = now_s, 0, True

    @property
    def is_restarted(self) -> bool:
        """Whether its episode was ended from here, and the game's next one is not here yet."""
        return self._restart.is_open

    def sent(self, now_s: float, *, is_reset: bool, is_pinged: bool = False) -> None:
        """Note that it was spawned, or reset, with a ping behind it."""
        self.seen_s = now_s
        self.wants_reset = False
        if is_reset:
            self._reset_sent_s = now_s
            self._restart.sent(now_s, self._answers.longest_s, is_pinged=is_pinged)

    def acted(self) -> None:
        """Note that an action was sent, by us or for want of one."""
        self._echo.acted()

    def answered(self, pong_s: float) -> None:
        """Take the game's answer to a ping."""
        self._restart.answered(pong_s)

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
            self.wants_reset, self._reset_sent_s = True, None
            self._restart.begin()

    def hear(self, entry: Entry, dialect: str, fitting: Fitting, now_s: float, *, is_stalled: bool) -> None:
        """Take what a tick says."""
        self.seen(now_s)
        self._counters.nonfinite += entry.nonfinite
        self._counters.malformed += entry.malformed
        if self._echo.is_repeated(entry):
            self._counters.doubled += 1
            self.fold.drop(entry.reward)
            return
        is_fresh = self._echo.is_fresh(entry)
        if self._is_passed_over(entry, now_s):
            return
        self._blind_ticks = self._blind_ticks + 1 if entry.obs is None else 0
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
            if dialect == V2 and entry.last_observation is not None:
                velocity = fitting.velocity(entry.last_observation, dialect)
            self._end(record, entry, velocity, dialect, fitting, is_stalled=is_stalled)
            return
        self.fresh += int(is_fresh)
        self._follow(entry, record, velocity, dialect)
        self.fold.add(record, is_stalled=is_stalled)

    def _follow(self, entry: Entry, record: Record, velocity: float, dialect: str) -> None:
        """Write down how far the car has come, as far as the game tells, or its rewards do."""
        tells = entry.tells_way
        if not tells and pays_for_more(entry, velocity, dialect):
            self._counters.foreign_rewards += 1
            if self._counters.foreign_rewards == 1:
                logger.warning(_PLACES)
        if tells or not self._counters.foreign_rewards:
            lap_time_s = self.way.add(entry, velocity, dialect)
            record.info.update(lap=self.way.lap, progress=self.way.progress)
            if lap_time_s is not None:
                record.events["lap_time_s"] = lap_time_s
        record.info["velocity"] = velocity

    def _is_passed_over(self, entry: Entry, now_s: float) -> bool:
        """Drop entries that belong to no episode: of v0 until a reset took effect, of all those before a restart."""
        if self._is_ended and (entry.is_end or self._reset_sent_s is None):
            self.fold.drop(entry.reward)
            self._counters.repeated += 1
            if self._reset_sent_s is not None and now_s - self._reset_sent_s >= RESET_AGAIN_S:
                self.wants_reset = True
                self._counters.resets_repeated += 1
            return True
        if self._is_ended and self._reset_sent_s is not None:
            self._answers.add(now_s - self._reset_sent_s)
        self._is_ended = False
        if self._restart.passes_over(now_s):
            self.fold.drop(entry.reward)
            return True
        return False

    def _end(
        self, record: Record, entry: Entry, velocity: float, dialect: str, fitting: Fitting, *, is_stalled: bool
    ) -> None:
        """Close the episode with its true final observation, which each dialect has elsewhere, or not at all."""
        before = self.fold.newest
        first = None if dialect == V0 else fitting.fit(entry.obs, np.zeros(NUM_ACTIONS, np.float32), dialect)
        final, kind = before.obs, PREVIOUS
        if dialect == V0:
            final, kind = record.obs, NEWEST
        elif dialect == V2 and entry.last_observation is not None:
            final, kind = fitting.fit(entry.last_observation, self.action, dialect), LAST
        record.info.update(before.info)
        # A penalty says nothing of the way; v1 pays one for every end.
        if entry.tells_way or (entry.truncated and not entry.terminated and dialect != V1):
            self._follow(entry, record, velocity, dialect)
        self.fold.add(replace(record, obs=final, final_kind=kind), first=first, is_stalled=is_stalled)
        self.way = Way()
        self.action = np.zeros(NUM_ACTIONS, np.float32)
        if dialect == V0:
            self._is_ended, self.wants_reset, self._reset_sent_s = True, True, None
