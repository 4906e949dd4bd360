"""Cars on a circuit: they appear, drive, touch walls and each other, and stand still while frozen."""

import math

import numpy as np

from envs.errors import ConfigError
from envs.roblox.twin.checkpoints import IntArray
from envs.roblox.twin.circuit import CAR_RADIUS, Circuit
from envs.roblox.twin.engine import drive
from envs.roblox.twin.fleet import Fleet
from envs.roblox.twin.motion import roll
from envs.roblox.twin.rules import Rules
from envs.track.frames import FloatArray


class World:
    """What happens between ticks.

    Args:
        rules: of the dialect.
        circuit: where.
        fleet: who.
        random: chooses spawn points.
        wall_kill: whether a wall ends an episode; else it only stops the car.

    Attributes:
        circuit: may be replaced; `spawn` all cars then.
        fleet: as given.
        collides: whether cars of one env are solid to each other.
        spawn_failures: cars that found no free point and did not appear.
    """

    def __init__(
        self, rules: Rules, circuit: Circuit, fleet: Fleet, random: np.random.Generator, *, wall_kill: bool = True
    ) -> None:
        self._rules, self._random, self._wall_kill = rules, random, wall_kill
        self.circuit, self.fleet = circuit, fleet
        self.collides = False
        self.spawn_failures = 0
        self._groups: dict[str, int] = {}

    def spawn(self, name: str, env_id: str, point: int, now_s: float) -> None:
        """Let a car appear, or an existing one appear anew, at `point` or where the dialect puts it.

        Raises:
            ConfigError: the dialect wants one point for each car, and there are fewer.
        """
        if not self._rules.random_spawns and point >= len(self.circuit.spawns):
            raise ConfigError(
                f"Car {name} is number {point + 1} of its message, and there are {len(self.circuit.spawns)} spawn "
                "points (num_spawns)."
            )
        group, slot = self._group(env_id), self.fleet.slots.get(name)
        chosen = self._choose_point(group, slot, point)
        if chosen is not None:
            self._begin(self.fleet.add(name, group) if slot is None else slot, chosen, now_s)

    def respawn(self, slot: int, now_s: float) -> None:
        """Let the car of a slot begin anew, where the dialect puts it."""
        fleet = self.fleet
        chosen = self._choose_point(int(fleet.group[slot]), slot, int(fleet.point[slot]))
        if chosen is not None:
            self._begin(slot, chosen, now_s)

    def remove_env(self, env_id: str) -> None:
        """Take all cars of an env away."""
        group = self._group(env_id)
        for slot in np.flatnonzero(self.fleet.is_present & (self.fleet.group == group)):
            self.fleet.remove(int(slot))

    def remove_all(self) -> None:
        """Take all cars away, orphans too."""
        for slot in np.flatnonzero(self.fleet.is_present):
            self.fleet.remove(int(slot))

    def freeze(self, is_frozen: bool, now_s: float) -> None:
        """Anchor the cars that there are, or let them go."""
        if is_frozen:
            self.fleet.freeze(now_s)
            return
        released = self.fleet.unfreeze(now_s)
        if not self._rules.keeps_speed:
            self.fleet.speed[released] = 0.0

    def act(self, slots: IntArray, actions: FloatArray, now_s: float) -> None:
        """Give cars `(K,)` their inputs `(K, 3)`; those that have had some before run their engines until now."""
        fleet, limit_s = self.fleet, self._rules.act_limit_s
        drive(
            slots,
            actions,
            now_s,
            math.inf if limit_s is None else limit_s,
            fleet.is_frozen,
            fleet.ended,
            fleet.acted_at,
            fleet.speed,
            fleet.fuel,
            fleet.steer_rad,
        )
        fleet.action[slots] = actions
        fleet.has_acted[slots] = True
        fleet.num_actions[slots] += 1

    def run_frames(self, num_frames: int, dt_s: float) -> None:
        """Let the cars roll on as they are; those that touch a wall, or each other, may have ended."""
        fleet = self.fleet
        slots = fleet.reported
        if len(slots) and num_frames:
            roll(
                num_frames,
                dt_s,
                slots,
                self.circuit.segments,
                fleet.pose,
                fleet.speed,
                fleet.steer_rad,
                fleet.segment,
                fleet.ended,
                fleet.group,
                self.collides,
                self._rules.ends_on_contact,
                self._wall_kill,
            )

    def progress(self, slots: IntArray) -> FloatArray:
        """See where cars `(K,)` are and which way they face; return their progress `(K,)`, laps included."""
        fleet = self.fleet
        progress, fleet.reverse[slots] = self.circuit.checkpoints.follow(slots, fleet.pose, fleet.last, fleet.lap)
        return progress

    def _begin(self, slot: int, point: int, now_s: float) -> None:
        self.fleet.begin(slot, self.circuit.spawns[point], point, now_s)
        self.fleet.total[slot] = self.progress(np.array([slot]))[0]

    def _choose_point(self, group: int, slot: int | None, own: int) -> int | None:
        """Return the car's own point, or a random one with no car of its env near; without any, the car is gone."""
        if not self._rules.random_spawns:
            return own
        fleet = self.fleet
        others = fleet.is_present & (fleet.group == group)
        if slot is not None:
            others[slot] = False
        offsets = self.circuit.spawns[:, np.newaxis, :2] - fleet.pose[others, :2]
        free = np.flatnonzero((np.hypot(offsets[..., 0], offsets[..., 1]) >= 2.0 * CAR_RADIUS).all(axis=1))
        if len(free):
            return int(self._random.choice(free))
        self.spawn_failures += 1
        if slot is not None:
            fleet.remove(slot)
        return None

    def _group(self, env_id: str) -> int:
        """Return the number of an env; all cars are in one where the dialect knows no envs."""
        return self._groups.setdefault(env_id if self._rules.keeps_envs else "", len(self._groups))
