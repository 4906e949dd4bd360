"""Twins in this process whose time waits: no sockets, as fast as they go, heard and driven by the same code."""

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from envs.roblox.game import NEUTRAL, Game
from envs.roblox.progress import TICK_S
from envs.roblox.settings import GameSettings
from envs.track.frames import FloatArray

METRES_PER_STUD = 0.3048  # a foot: 1 mph is 1.4667 studs/s
_MOST_TICKS = 15  # that cars of a new game have to appear before time goes on for all

MakeTwin = Callable[..., Any]


class LockstepWorld:
    """Drive twins by method calls; all make one tick at the same time.

    Args:
        cars: for each game, the number of cars of each of its envs.
        settings: how games are treated.
        make_twin: `RobloxGame`.
        arguments: of it, without the seed.
        seeds: of each game's track.
    """

    def __init__(
        self,
        cars: Sequence[Sequence[int]],
        settings: GameSettings,
        make_twin: MakeTwin,
        arguments: Mapping[str, Any],
        seeds: Sequence[int],
    ) -> None:
        self.lock: AbstractContextManager[None] = nullcontext()
        # Equal ids for equal games: infos of equal rollouts are equal.
        self.games = [Game(counts, settings, _ids()) for counts in cars]
        self._make_twin, self._arguments = make_twin, dict(arguments)
        self.twins = [make_twin(seed, **self._arguments) for seed in seeds]
        self._now_s = 0.0
        for index in range(len(self.games)):
            self._connect(index)

    @property
    def reconnects(self) -> int:
        """None: there is nothing to lose."""
        return 0

    @property
    def place(self) -> str:
        """Where games are."""
        return "this process (env.twin=lockstep)"

    def now(self) -> float:
        """Return the games' time, s."""
        return self._now_s

    def flush(self) -> None:
        """Tell the games what there is to tell."""
        for index in range(len(self.games)):
            self._tell(index)

    def wait(self, is_over: Callable[[], bool], until_s: float) -> bool:
        """Let the games tick until something is over, or until a time."""
        while not is_over():
            if self._now_s >= until_s:
                return False
            self._now_s += TICK_S
            for index in range(len(self.games)):
                self._tick(index)
        return True

    def renew(self, index: int, seed: int) -> bool:
        """Build game `index` anew on another track, and let it tick until its cars are there. The others wait."""
        game = self.games[index]
        self.twins[index] = self._make_twin(seed, **self._arguments)
        for car in game.cars:
            car.fold.discard()
            car.fold.forget_observation()
            car.action = NEUTRAL
        game.fault = None
        self._connect(index)
        game.wake(self._now_s)
        for _ in range(_MOST_TICKS):
            if all(car.has_begun for car in game.cars):
                break
            self._tick(index)
        return True

    def pose(self, index: int, car_id: str) -> FloatArray | None:
        """Return a car's x, y (studs) and heading, `(3,)`; None: it is not there."""
        try:
            pose: FloatArray = self.twins[index].car_pose(car_id)
        except KeyError:
            return None
        return pose

    def position_m(self, index: int, car_id: str) -> FloatArray | None:
        """Return where a car is, `(2,)`, metres; None: it is not there."""
        pose = self.pose(index, car_id)
        return None if pose is None else pose[:2] * METRES_PER_STUD

    def road_edges_m(self, index: int) -> FloatArray:
        """Return left and right edge of a twin's road, `(2, N, 2)`, metres."""
        edges: FloatArray = self.twins[index].road_edges
        return edges * METRES_PER_STUD

    def note_step(self, latency_s: float | None) -> None:
        """Count nothing: time is made here."""

    def close(self) -> None:
        """Let go of the twins."""
        self.twins = []

    def _connect(self, index: int) -> None:
        game = self.games[index]
        game.connected(self._now_s)
        for said in self.twins[index].connect():
            game.heard(said, self._now_s)
        self._tell(index)

    def _tell(self, index: int) -> None:
        game = self.games[index]
        for command in game.due(self._now_s):
            for said in self.twins[index].handle(command):
                game.heard(said, self._now_s)

    def _tick(self, index: int) -> None:
        for said in self.twins[index].advance_to_tick():
            self.games[index].heard(said, self._now_s)
        self._tell(index)


def _ids() -> Callable[[], str]:
    generator = random.Random(0)
    return lambda: str(uuid.UUID(int=generator.getrandbits(128), version=4))
