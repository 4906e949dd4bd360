"""What a tick tells of each car: observation, reward, and the end of an episode as its dialect reports it."""

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.roblox.messages import (
    ACTION_ID,
    INFO,
    LAST_OBSERVATION,
    OBS,
    REASON,
    REWARD,
    TERMINATED,
    TICK,
    TRUNCATED,
)
from envs.roblox.twin.checkpoints import IntArray
from envs.roblox.twin.fleet import CONTACT, DRIVING, OTHER, REASONS, STUCK, WALL
from envs.roblox.twin.laps import count_laps
from envs.roblox.twin.rewards import race_reward
from envs.roblox.twin.rules import Rules
from envs.roblox.twin.sensors import Sensors
from envs.roblox.twin.world import World
from envs.track.frames import FloatArray

Tick = dict[str, dict[str, Any]]
Flags = npt.NDArray[np.bool_]


class Episodes:
    """Count progress, pay rewards, find ends, and begin anew.

    Args:
        rules: of the dialect.
        world: where the cars are.
        sensors: what they observe.
        terminate_all: whether one end ends the episodes of all cars of its env, which then race each other.
        companion: whether a tick tells all that the companion sample tells, and the end when it happens.
        stuck_s: instead of the dialect's; None: the dialect's.

    Attributes:
        ends: episodes that have ended and were reported.
    """

    def __init__(
        self,
        rules: Rules,
        world: World,
        sensors: Sensors,
        *,
        terminate_all: bool = False,
        companion: bool = False,
        stuck_s: float | None = None,
    ) -> None:
        self._rules, self._world, self._sensors = rules, world, sensors
        self._terminate_all, self._is_companion = terminate_all, companion
        self._has_gap = rules.has_end_gap and not companion
        self._stuck_s = rules.stuck_s if stuck_s is None else stuck_s
        self.ends = 0

    def tick(self, number: int, now_s: float) -> Tick:
        """Return the entries of all cars that are reported now, by id.

        Args:
            number: of the tick.
            now_s: of the game's clock.
        """
        fleet, rules = self._world.fleet, self._rules
        reported = fleet.reported
        if not len(reported):
            return {}
        fleet.lap_time_s[reported] = np.nan
        self._advance(reported[fleet.ended[reported] == DRIVING], now_s)
        if self._terminate_all:
            self._end_others(reported)
        is_over = fleet.ended[reported] != DRIVING
        if not is_over.any():
            return self._entries(reported, is_over, is_over, number, now_s)
        is_new = is_over & ~fleet.is_announced[reported]
        if self._has_gap:
            # A contact's penalty is worked out in the tick that does not come; what comes is a wall's.
            self._pay_ends(reported[is_over & ~is_new], contact_reward=rules.terminated_reward)
            fleet.is_announced[reported[is_new]] = True
            is_known = ~is_new
            reported, is_over, is_new = reported[is_known], is_over[is_known], is_new[is_known]
        else:
            self._pay_ends(reported[is_over], contact_reward=rules.contact_reward)
        return self._entries(reported, is_over, is_new, number, now_s)

    def _advance(self, slots: IntArray, now_s: float) -> None:
        """Pay for the progress of cars `(K,)`, and end those that have made none for too long."""
        fleet, rules, checkpoints = self._world.fleet, self._rules, self._world.circuit.checkpoints
        before = count_laps(
            slots,
            checkpoints.points,
            checkpoints.shares,
            fleet.pose,
            fleet.speed,
            fleet.last,
            fleet.lap,
            fleet.total,
            fleet.reverse,
            fleet.reward,
            fleet.progressed_at,
            fleet.lap_began_at,
            fleet.lap_time_s,
            fleet.ended,
            now_s,
            self._stuck_s,
            rules.counts_whole_seconds,
            rules.loss_factor,
            rules.pays_speed,
        )
        if self._terminate_all:
            self._race(slots, before, fleet.total[slots])

    def _race(self, slots: IntArray, before: FloatArray, after: FloatArray) -> None:
        fleet = self._world.fleet
        for group in np.unique(fleet.group[slots]):
            mates = np.flatnonzero(fleet.group[slots] == group)
            if len(mates) > 1:
                length = self._world.circuit.checkpoints.length
                fleet.reward[slots[mates]] += race_reward(before[mates], after[mates], length)

    def _end_others(self, slots: IntArray) -> None:
        fleet = self._world.fleet
        ended = slots[(fleet.ended[slots] != DRIVING) & ~fleet.is_announced[slots]]
        mates = slots[np.isin(fleet.group[slots], fleet.group[ended])]
        fleet.ended[mates[fleet.ended[mates] == DRIVING]] = OTHER

    def _pay_ends(self, slots: IntArray, *, contact_reward: float) -> None:
        """Replace the rewards of ended cars `(K,)` by what their ends pay."""
        fleet, rules = self._world.fleet, self._rules
        ended = fleet.ended[slots]
        fleet.reward[slots[ended == WALL]] = rules.terminated_reward
        fleet.reward[slots[ended == CONTACT]] = contact_reward
        if rules.truncated_reward is not None:
            fleet.reward[slots[ended == STUCK]] = rules.truncated_reward

    def _entries(self, slots: IntArray, is_over: Flags, is_new: Flags, number: int, now_s: float) -> Tick:
        """Return the entries of cars `(K,)`, of which some are over `(K,)`, for the first time in this tick `(K,)`."""
        fleet = self._world.fleet
        names = [fleet.names[slot] for slot in slots]
        rewards, ended = fleet.reward[slots].tolist(), fleet.ended[slots].tolist()
        additions = self._additions(slots, number) if self._is_companion else [{}] * len(names)
        last: dict[int, list[float]] = {}
        if self._rules.repeats_ends:
            observations = self._repeat(slots, is_over, is_new)
        else:
            last, observations = self._begin_anew(slots, is_over, now_s)
        fleet.sent[slots], fleet.has_sent[slots] = observations, True
        entries: Tick = {}
        for row, obs in enumerate(observations.tolist()):
            entry: dict[str, Any] = {OBS: obs}
            if row in last:
                entry[LAST_OBSERVATION] = last[row]
            entry[REWARD] = rewards[row]
            entry[TERMINATED] = ended[row] in (WALL, CONTACT)
            entry[TRUNCATED] = ended[row] in (STUCK, OTHER)
            entries[names[row]] = entry | additions[row]
        return entries

    def _repeat(self, slots: IntArray, is_over: Flags, is_new: Flags) -> FloatArray:
        """Return observations `(K, width)`; of ended cars, now and later, that in which they ended."""
        fleet = self._world.fleet
        observations = self._sensors.observe(self._world.circuit, slots)
        is_old = is_over & ~is_new
        observations[is_old] = fleet.sent[slots[is_old]]
        fleet.is_announced[slots[is_new]] = True
        fleet.reward[slots[is_over]] = 0.0  # of later ticks, but for what the end itself pays again and again
        self.ends += int(is_new.sum())
        return observations

    def _begin_anew(self, slots: IntArray, is_over: Flags, now_s: float) -> tuple[dict[int, list[float]], FloatArray]:
        """Respawn the cars that are over; return their last observations by row, and new ones of all `(K, width)`."""
        if not is_over.any():
            return {}, self._sensors.observe(self._world.circuit, slots)
        over = np.flatnonzero(is_over)
        has_last = self._rules.observes_action and len(over)
        last = self._last_observations(slots, over) if has_last else {}
        for slot in slots[over].tolist():
            self._world.respawn(slot, now_s)
        self.ends += len(over)
        return last, self._sensors.observe(self._world.circuit, slots)

    def _last_observations(self, slots: IntArray, over: IntArray) -> dict[int, list[float]]:
        """Return by row what was sent before the end; from the companion sample, what was seen at the end."""
        fleet = self._world.fleet
        ended = slots[over]
        if self._is_companion:
            seen = self._sensors.observe(self._world.circuit, ended)
            return dict(zip(over.tolist(), seen.tolist(), strict=True))
        known = fleet.has_sent[ended]
        return dict(zip(over[known].tolist(), fleet.sent[ended[known]].tolist(), strict=True))

    def _additions(self, slots: IntArray, number: int) -> list[dict[str, Any]]:
        fleet = self._world.fleet
        additions = []
        for slot in slots.tolist():
            info: dict[str, Any] = {"lap": int(fleet.lap[slot]), "progress": float(fleet.total[slot] - fleet.lap[slot])}
            if fleet.lap_time_s[slot] == fleet.lap_time_s[slot]:
                info["lap_time"] = float(fleet.lap_time_s[slot])
            entry = {TICK: number, ACTION_ID: int(fleet.num_actions[slot]), INFO: info}
            if fleet.ended[slot] != DRIVING:
                entry[REASON] = REASONS[fleet.ended[slot]]
            additions.append(entry)
        return additions
