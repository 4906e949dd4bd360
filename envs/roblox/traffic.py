"""A recording of everything that games said and were told, and a world that plays it back; JSON, one event a line."""

import itertools
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any

from envs.errors import ConfigError, SimulatorUnavailable
from envs.roblox.game import Game
from envs.roblox.settings import GameSettings

logger = logging.getLogger(__name__)

CARS, CONDITION, CONNECTED, DISCONNECTED, HEARD, SENT, ACTED, RELEASED = (
    "cars",
    "condition",
    "connected",
    "disconnected",
    "heard",
    "sent",
    "acted",
    "released",
)


class TrafficFile:
    """Write what happens to games into a file, one line an event: `{"t", "game", "event", "value"}`.

    No file is ever overwritten: envs of one config, in however many processes, share the name that they are given.

    Args:
        path: `drives.jsonl` becomes `drives.0-1.jsonl`, of runner 0 for the first time.
        games: whose. Those that are connected already begin as they are.
        runner: index of the runner.
        now_s: the games' time.

    Attributes:
        path: of the file.

    Raises:
        ConfigError: it cannot be written.
    """

    def __init__(self, path: str, games: Sequence[Game], *, runner: int = 0, now_s: float = 0.0) -> None:
        self.path, self._file = _new_file(Path(path), runner)
        self._games = games
        for index, game in enumerate(games):
            layout = {"cars_per_env": game.roster.cars_per_env, "env_ids": game.roster.env_ids}
            self._write(index, now_s, CARS, layout)
            if game.is_connected:
                self._write(index, now_s, CONDITION, game.condition())
            game.journal = lambda now_s, event, value, index=index: self._write(index, now_s, event, value)  # type: ignore[misc]

    def close(self) -> None:
        """Write no more."""
        for game in self._games:
            game.journal = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, index: int, now_s: float, event: str, value: Any) -> None:
        if self._file is not None:
            line = {"t": now_s, "game": index, "event": event, "value": value}
            self._file.write(json.dumps(line, separators=(",", ":")) + "\n")


def _new_file(path: Path, runner: int) -> tuple[Path, IO[str] | None]:
    """Make the first file of this name that nobody has made yet; each line is on the disk as soon as it is written."""
    for number in itertools.count(1):
        numbered = path.with_name(f"{path.stem}.{runner}-{number}{path.suffix}")
        try:
            return numbered, numbered.open("x", buffering=1)
        except FileExistsError:
            continue
        except OSError as error:
            raise ConfigError(f"env.traffic={path} cannot be written ({error.strerror}).") from error
    raise AssertionError("numbers do not end")


class ReplayWorld:
    """Play a recording back to the cars of an env: what was heard is heard again, at the same times.

    What the recorded run did is told by `recorded_actions`; commands go nowhere. Time is the recording's.

    Args:
        path: of the recording.
        settings: how games were treated.

    Raises:
        ConfigError: the file is no recording.
    """

    def __init__(self, path: str, settings: GameSettings) -> None:
        self.lock: AbstractContextManager[None] = nullcontext()
        self._path, self._events = path, _read(path)
        layouts = [event["value"] for event in self._events if event["event"] == CARS]
        self.games = []
        for layout in layouts:
            ids = iter(layout["env_ids"])
            self.games.append(Game(layout["cars_per_env"], settings, lambda ids=ids: next(ids)))  # type: ignore[misc]
        self._now_s = self._events[0]["t"]
        for event in self._events:
            if event["event"] == CONDITION:
                self.games[event["game"]].resume(event["value"], event["t"])
        self._events = [event for event in self._events if event["event"] not in (CARS, CONDITION)]
        self._at = 0

    @property
    def reconnects(self) -> int:
        """How many games came back."""
        return sum(max(game.counters.connections - 1, 0) for game in self.games)

    @property
    def place(self) -> str:
        """Where games are."""
        return "a recording"

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing left."""
        return self._at >= len(self._events)

    def now(self) -> float:
        """Return the recording's time, s."""
        return self._now_s

    def recorded_actions(self) -> list[list[float]] | None:
        """Go on to where actions were sent next, and return them, `(cars, 3)` in the game's order; None: never."""
        while not self.has_ended and self._events[self._at]["event"] != ACTED:
            self._play()
        if self.has_ended:
            return None
        actions: list[list[float]] = []
        self._now_s = self._events[self._at]["t"]
        while not self.has_ended and self._events[self._at]["event"] == ACTED:
            actions += self._events[self._at]["value"]
            self._at += 1
        return actions

    def flush(self) -> None:
        """Send nothing: it was sent when it was."""

    def wait(self, is_over: Callable[[], bool], until_s: float) -> bool:
        """Play to where the recorded run had waited long enough, and return whether it is over.

        Raises:
            SimulatorUnavailable: it is not, and the recording has nothing more to wait for.
        """
        before = self._at, self._now_s
        while not self.has_ended and self._events[self._at]["event"] != RELEASED:
            self._play()
        if not self.has_ended:
            self._now_s = max(self._now_s, self._events[self._at]["t"])
        if not is_over() and before == (self._at, self._now_s):
            raise SimulatorUnavailable(
                f"The recording {self._path} has nothing more that could be waited for, after {self._at} of "
                f"{len(self._events)} events. Was it made with other settings, or cut off?"
            )
        return is_over()

    def renew(self, index: int, seed: int) -> bool:
        """Do nothing: what was, was."""
        return False

    def position_m(self, index: int, car_id: str) -> None:
        """Only the game knows."""

    def road_edges_m(self, index: int) -> None:
        """Only the game knows."""

    def note_step(self, latency_s: float | None) -> None:
        """Count nothing."""

    def close(self) -> None:
        """Leave."""

    def _play(self) -> None:
        event = self._events[self._at]
        self._at += 1
        self._now_s = max(self._now_s, event["t"])
        game = self.games[event["game"]]
        if event["event"] == CONNECTED:
            game.connected(self._now_s)
        elif event["event"] == DISCONNECTED:
            game.disconnected(self._now_s, event["value"])
        elif event["event"] == HEARD:
            game.heard(event["value"], self._now_s)
        elif event["event"] == SENT:
            game.due(self._now_s)


def _read(path: str) -> list[dict[str, Any]]:
    try:
        events = [json.loads(line) for line in Path(path).read_text().splitlines()]
        if events and all({"t", "game", "event", "value"} <= event.keys() for event in events):
            return events
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path} is no recording of env=roblox: {error}.") from error
    raise ConfigError(f"{path} is no recording of env=roblox: expected lines of t, game, event and value.")
