"""The fake game by itself: a clock of its own, commands in, ticks out. No sockets, no real time."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from envs.arguments import check_range
from envs.errors import ConfigError, ProtocolError
from envs.roblox import messages
from envs.roblox.rays import vehicle_rays
from envs.roblox.twin.autopilot import Autopilot
from envs.roblox.twin.circuit import Circuit, circuit_track
from envs.roblox.twin.clock import FRAMES_PER_S, SECOND_US, Clock
from envs.roblox.twin.commands import Commands, Handler
from envs.roblox.twin.episodes import Episodes
from envs.roblox.twin.fleet import Fleet
from envs.roblox.twin.hello import hello
from envs.roblox.twin.rules import rules_of
from envs.roblox.twin.sensors import Sensors
from envs.roblox.twin.world import World
from envs.roblox.widths import width_of
from envs.track.frames import FloatArray

Message = dict[str, Any] | list[Any]


class RobloxGame:
    """Many cars on a circuit, driven by the commands of one server. Equal seeds and calls give equal bits.

    Args:
        seed: of the circuit, and of what is random.
        vehicle: `car16` or `cart5`.
        dialect: `v0`, `v1` or `v2`.
        num_spawns: points where cars appear: for v0 at least as many as there are cars, else for the cars of one env.
        fps: ticks a second.
        wall_kill: whether walls end episodes (v2 can do without).
        terminate_all: whether one end ends the episodes of all cars of its env (v2).
        stuck_s: without progress, longer ends an episode; None: the dialect's own.
        companion: whether it plays a game with the companion sample (v2): says hello, reports ends when they happen,
            with their final observation, and tells ticks, reasons and laps.
        autopilot: whether the scripted driver drives all cars; the server's actions then do nothing.
        no_spawn: so many cars, the first ones, never appear.

    Attributes:
        seed: of the circuit that is driven now.
        dialect: as given.
        vehicle: as given.
        fps: as given.
        rules: of the dialect.
        fleet: the cars.
        world: where they are.
        width: numbers in an observation.
        tick_number: ticks since the game began.
        idle_ticks: ticks in a row, without any car acted on.
        is_cut_off: whether ticks have ended, on this connection, for that reason.

    Raises:
        ConfigError: a value is wrong, or the dialect has no such option.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        vehicle: str = "car16",
        dialect: str = "v2",
        num_spawns: int = 32,
        fps: int = 15,
        wall_kill: bool = True,
        terminate_all: bool = False,
        stuck_s: float | None = None,
        companion: bool = False,
        autopilot: bool = False,
        no_spawn: int = 0,
    ) -> None:
        check_range("seed", seed, 0)
        check_range("num_spawns", num_spawns, 1, 512)
        check_range("fps", fps, 1, FRAMES_PER_S)
        check_range("no_spawn", no_spawn, 0)
        if stuck_s is not None:
            check_range("stuck_s", stuck_s, 0.1)
        self.rules = rules_of(dialect)
        only_v2 = {"wall_kill=false": not wall_kill, "terminate_all": terminate_all, "companion": companion}
        for name, is_wanted in only_v2.items():
            if is_wanted and dialect != "v2":
                raise ConfigError(f"{name} is an option of dialect=v2; dialect={dialect} has no such thing.")
        self.seed, self.dialect, self.vehicle, self.fps = seed, dialect, vehicle, fps
        self._num_spawns, self._is_companion = num_spawns, companion
        rays, width = vehicle_rays(vehicle), width_of(vehicle, dialect)
        assert width is not None
        self.width = width
        self.fleet = Fleet(width)
        circuit = Circuit(circuit_track(seed), rays, num_spawns)
        random = np.random.default_rng(seed)
        self.world = World(self.rules, circuit, self.fleet, random, wall_kill=wall_kill)
        self.episodes = Episodes(
            self.rules,
            self.world,
            Sensors(self.rules, self.fleet, rays),
            terminate_all=terminate_all,
            companion=companion,
            stuck_s=stuck_s,
        )
        listed: dict[str, Handler] = {messages.SET_TRACK: self._change_track} if companion else {}
        self.commands = Commands(self.rules, self.world, num_no_spawn=no_spawn, listed=listed)
        self._autopilot = Autopilot(self.fleet) if autopilot else None
        self._clock = Clock(fps)
        self.tick_number = 0
        self.connect()

    @property
    def now_s(self) -> float:
        """The game's clock."""
        return self._clock.now_us / SECOND_US

    @property
    def next_tick_s(self) -> float:
        """When the next tick is."""
        return self._clock.next_tick_us / SECOND_US

    @property
    def road_edges(self) -> FloatArray:
        """`(2, N, 2)` left and right edge of the circuit, studs."""
        return self.world.circuit.track.edges

    @property
    def wants_to_close(self) -> bool:
        """Whether the game would close its connection now, for it has heard nothing for too long."""
        return self._is_silent

    def connect(self) -> list[Message]:
        """Begin a connection, and return what the game says first."""
        self._heard_us = self._clock.now_us
        self._is_silent = self.is_cut_off = False
        self.idle_ticks = 0
        if not self._is_companion:
            return []
        rays = self.world.circuit.rays
        return [hello(self.rules, rays, vehicle=self.vehicle, width=self.width, fps=self.fps, seed=self.seed)]

    def disconnect(self) -> None:
        """End a connection: its cars go with it."""
        self.world.remove_all()
        self.world.collides = False

    def handle(self, command: Any) -> list[Message]:
        """Take a command, as it came out of JSON, and return what is answered at once."""
        self._heard_us = self._clock.now_us
        is_action = isinstance(command, Mapping) and command.get(messages.COMMAND) == messages.ACTION
        if is_action and self._autopilot is not None:
            return []
        return list(self.commands.handle(command, self.now_s))

    def advance(self, duration_s: float) -> list[Message]:
        """Let the game go on, and return the ticks that it sends meanwhile, in order: entries by car, or `[]`."""
        return self._run_to(self._clock.now_us + round(duration_s * SECOND_US))

    def advance_to_tick(self) -> list[Message]:
        """Let the game go on until its next tick, and return that; nothing if ticks have ended."""
        return self._run_to(self._clock.next_tick_us)

    def set_track(self, seed: int) -> None:
        """Build the circuit of another seed and put all cars on it.

        Raises:
            ConfigError: the seed is negative.
        """
        check_range("seed", seed, 0)
        self.seed = seed
        self.world.circuit = Circuit(circuit_track(seed), self.world.circuit.rays, self._num_spawns)
        for slot in self.fleet.slots.copy().values():
            self.world.respawn(slot, self.now_s)

    def car_pose(self, name: str) -> FloatArray:
        """Return x, y (studs) and heading (radians, anticlockwise) of a car, `(3,)`.

        Raises:
            KeyError: there is no such car.
        """
        return self.fleet.pose[self.fleet.slots[name]].copy()

    def car_laps(self, name: str) -> float:
        """Return how many laps a car has driven in this episode, with what it has of the next, as its rewards count.

        Raises:
            KeyError: there is no such car.
        """
        return float(self.fleet.total[self.fleet.slots[name]])

    def _run_to(self, time_us: int) -> list[Message]:
        said: list[Message] = []
        clock = self._clock
        while num_frames := clock.frames_until(time_us):
            self.world.run_frames(num_frames, 1.0 / FRAMES_PER_S)
            if clock.advance(num_frames):
                said += self._tick()
            if self.rules.silence_s is not None and clock.is_at_second:  # it looks once a second
                self._is_silent = clock.now_us - self._heard_us > self.rules.silence_s * SECOND_US
        clock.wait_until(time_us)
        return said

    def _tick(self) -> list[Message]:
        self.tick_number += 1
        if self.is_cut_off:
            return []
        reported = self.fleet.reported
        if self.rules.idle_ticks is not None and len(reported):
            self.idle_ticks = 0 if self.fleet.has_acted[reported].any() else self.idle_ticks + 1
            if self.idle_ticks > self.rules.idle_ticks:
                self.world.remove_all()
                self.is_cut_off = True
                return []
        self.fleet.has_acted[reported] = False
        entries: dict[str, Any] = self.episodes.tick(self.tick_number, self.now_s)
        if self._autopilot is not None:
            driven = self.fleet.reported
            self.world.act(driven, self._autopilot.actions(self.world.circuit, driven), self.now_s)
        if not entries:
            return [[]]  # an empty Luau table is a list in JSON
        return [entries | {messages.TICK_NUMBER: self.tick_number} if self._is_companion else entries]

    def _change_track(self, env_id: str, data: Mapping[str, Any], now_s: float) -> list[dict[str, Any]]:
        seed = data.get("seed")
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise ProtocolError(f"Expected seed as a whole number, got {seed!r:.40}.")
        self.set_track(seed)
        return []
