"""One game and the cars we drive in it: all that is said and heard, without sockets and on any clock.

A game outlives its connections: the same cars, with the same ids, go on in the next one.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from envs.errors import ProtocolError
from envs.roblox import messages
from envs.roblox.counters import Counters
from envs.roblox.detection import Detection, doubt_of
from envs.roblox.fitting import Fitting
from envs.roblox.latency import LatencyTracker
from envs.roblox.liveness import Liveness
from envs.roblox.numbering import TickNumbers
from envs.roblox.restarts import Answers
from envs.roblox.roster import Roster
from envs.roblox.settings import GameSettings
from envs.roblox.ticks import Tick, Vector, read_tick
from envs.roblox.widths import NUM_ACTIONS, V0, V2

logger = logging.getLogger(__name__)

NEUTRAL: Vector = np.zeros(NUM_ACTIONS, np.float32)


class Game:
    """Drive the cars of one game.

    Args:
        cars_per_env: number of cars of each env.
        settings: how it is treated.
        make_id: returns a uuid4 for each env.

    Attributes:
        roster: its cars by env.
        cars: of all envs, one after the other.
        counters: what came.
        round_trips: of pings.
        is_connected: a game is there.
        is_frozen: its cars are anchored.
        is_stalled: nobody drives; what happens now is not learned from.
        hello: what it said of itself.
        fault: why it was lost, in words; None: it was not.
        last_dialect: what the connection that was lost spoke.
        doubt: why it may speak another dialect; None: nothing says so.
        journal: called with everything that happens, for a recording.
    """

    def __init__(self, cars_per_env: Sequence[int], settings: GameSettings, make_id: Callable[[], str]) -> None:
        self.settings, self.counters, self._answers = settings, Counters(), Answers()
        self.roster = Roster(cars_per_env, make_id, self.counters, self._answers)
        self.cars = self.roster.cars
        self.fitting = Fitting(settings.obs_preset, settings.dialect, self.counters, is_strict=settings.strict_width)
        self.round_trips = LatencyTracker()
        self.is_connected = self.is_frozen = self.is_stalled = self.is_driven = False
        self.fault: str | None = None
        self.last_dialect: str | None = None
        self.doubt: str | None = None
        self.hello: dict[str, Any] | None = None
        self.journal: Callable[[float, str, Any], None] | None = None
        self._detection: Detection | None = None
        self._numbers = TickNumbers()
        self._outbox: list[dict[str, Any]] = []
        self._is_set_up = False
        self._liveness = Liveness()
        self._released_s = 0.0

    @property
    def dialect(self) -> str | None:
        """What the game speaks; None: not known, or there is no game."""
        return None if self._detection is None else self._detection.dialect

    @property
    def is_running(self) -> bool:
        """Whether a game is there, its dialect is known and its cars were asked for."""
        return self.is_connected and self._is_set_up

    def connected(self, now_s: float) -> None:
        """Begin with a game that has just come."""
        self._write(now_s, "connected", None)
        self.counters.connections += 1
        self.is_connected, self.is_frozen, self.is_stalled, self._is_set_up = True, False, False, False
        self._liveness = Liveness(now_s)
        self._released_s = now_s
        for car in self.cars:
            car.forget()
        self._numbers = TickNumbers()
        first = [car.id for car in self.roster.envs[0]]
        self._detection = Detection(self.settings.dialect, self.roster.env_ids[0], first)
        self._outbox = self._detection.begin(now_s)
        self._set_up_once(now_s)

    def condition(self) -> dict[str, Any]:
        """Return how a connected game stands, plain: what a recording that begins now has to know of the past."""
        return {
            "dialect": self.dialect,
            "is_frozen": self.is_frozen,
            "width": self.fitting.width,
            "answers_s": list(self._answers.recent_s),
            "cars": [car.condition() for car in self.cars],
        }

    def resume(self, condition: dict[str, Any], now_s: float) -> None:
        """Stand as `condition` says, as if the game had been heard all along."""
        self.connected(now_s)
        self.fitting.width = condition["width"]
        self._answers.recent_s.extend(condition["answers_s"])
        if condition["dialect"] is None or self._detection is None:
            return
        self._detection.dialect = condition["dialect"]
        self._set_up_once(now_s)
        self.is_frozen, self._outbox = condition["is_frozen"], []
        for car, one in zip(self.cars, condition["cars"], strict=True):
            car.resume(one, now_s)

    def disconnected(self, now_s: float, reason: str) -> None:
        """End all episodes: the game is lost."""
        self._write(now_s, "disconnected", reason)
        self.counters.losses += 1
        self.last_dialect = self.dialect
        self.is_connected = self.is_frozen = self._is_set_up = False
        self._detection, self._outbox, self.fault = None, [], reason
        for car in self.cars:
            car.end("disconnect", now_s)
            car.forget()

    def heard(self, message: Any, now_s: float) -> None:
        """Take a message: text as it came, or a value that somebody has decoded."""
        self._write(now_s, "heard", message)
        self.counters.messages += 1
        try:
            tick = read_tick(messages.decode(message) if isinstance(message, str) else message)
        except ProtocolError as error:
            self.counters.bad_messages += 1
            if self.counters.bad_messages == 1:
                logger.warning("A game sent what is no message; further ones are counted only. %s", error)
            return
        self._take(tick, now_s)

    def heard_binary(self) -> None:
        """Count a frame that is no text."""
        self.counters.messages += 1
        self.counters.bad_messages += 1

    def due(self, now_s: float) -> list[dict[str, Any]]:
        """Return what is to be sent now."""
        if self._detection is None:
            return []
        asked = self._detection.has_spawned
        self._outbox += self._detection.due(now_s)
        if self._detection.has_spawned and not asked:
            self.roster.note_spawned(0, now_s)
            self._liveness.moving_s = now_s
        if self._is_set_up:
            self._update_stall(now_s)
            self._reset_cars(now_s)
        liveness = self._liveness
        since_s = liveness.pinged_s if self.dialect == V2 else liveness.sent_s  # v2 answers: it is measured
        if now_s - since_s >= self.settings.ping_s:
            self._outbox.append(messages.ping_command(now_s))
        sent, self._outbox = self._outbox, []
        if sent:
            self._note_sent(self._detection, sent, now_s)
        return sent

    def _note_sent(self, detection: Detection, sent: list[dict[str, Any]], now_s: float) -> None:
        """Note when commands leave; pings, which may have waited, are told."""
        self._liveness.sent_s = now_s
        detection.sent(sent, now_s)
        for command in sent:
            if command[messages.COMMAND] == messages.PING:
                command[messages.DATA][messages.TIME] = self._liveness.pinged_s = now_s
            elif command == messages.freeze_command(True):
                self._liveness.freeze_sent_s = now_s
        self._write(now_s, "sent", sent)

    def why_close(self, now_s: float) -> str | None:
        """Return why the connection is to be closed: ticks have ceased; None: it is not."""
        has_cars = self._is_set_up or (self._detection is not None and self._detection.has_spawned)
        if not has_cars:
            return None
        limit_s = self.settings.no_tick_timeout_s
        return self._liveness.why_close(
            now_s, is_frozen=self.is_frozen, no_tick_timeout_s=limit_s, dialect=self.dialect
        )

    def act(self, actions: Sequence[Vector], now_s: float) -> None:
        """Send an action to each car that the game has: one message an env.

        Args:
            actions: one a car, `(3,)` in -1 … 1: throttle, steering, nitro.
            now_s: the time.
        """
        self._write(now_s, "acted", [[float(value) for value in action] for action in actions])
        self.is_driven, self.is_stalled = True, False
        if not self._is_set_up:
            return
        self.wake(now_s)
        for car, action in zip(self.cars, actions, strict=True):
            car.fresh, car.action = 0, action
        self._outbox += self.roster.action_commands()

    def release(self, now_s: float) -> None:
        """Note that nobody waits for the game any more: from now on it may be frozen."""
        self._write(now_s, "released", None)
        self.is_driven, self._released_s = False, now_s

    def wake(self, now_s: float) -> None:
        """Let a frozen game go on, at least for as long as an idle one does."""
        self._released_s, self.is_stalled = now_s, False
        if self.is_frozen:
            self.is_frozen, self._liveness.moving_s = False, now_s
            self._outbox.append(messages.freeze_command(False))

    def freeze(self) -> None:
        """Freeze the game until the next action, where it can be (v1, v2)."""
        self.is_stalled = True
        if self._is_set_up and self.dialect != V0 and not self.is_frozen:
            self.is_frozen = True
            self._outbox.append(messages.freeze_command(True))

    def restart(self) -> None:
        """Begin a new episode with every car."""
        for car in self.cars:
            car.restart()

    def _take(self, tick: Tick, now_s: float) -> None:
        if self._detection is None:
            return
        self.counters.malformed += tick.malformed
        before = self._detection.dialect
        self._outbox += self._detection.heard(tick, now_s)
        if before == V0 and self._detection.dialect != V0:
            self._outbox.append(messages.collisions_command(self.settings.collisions))
        self.hello = self._detection.hello
        self._compare_width(tick.hello)
        if tick.pong_s is not None and now_s - tick.pong_s >= 0.0:
            self.round_trips.add(now_s - tick.pong_s)
            for one in self.cars:
                one.answered(tick.pong_s)
        if tick.is_tick:
            self._liveness.tick_s = now_s
            self.counters.ticks += 1
            self.counters.empty_ticks += int(tick.is_list)
        if tick.is_list:
            self._answers.add_since(self._liveness.freeze_sent_s, now_s)
            self._liveness.freeze_sent_s = None
        is_repeated = self._numbers.is_repeated(tick)
        self.counters.ticks_repeated += int(is_repeated)
        self.counters.ticks_missed += self._numbers.take(tick)
        if self._is_set_up:
            self._update_stall(now_s)
        for car_id, entry in tick.entries.items():
            car = self.roster.find(car_id)
            if car is None:
                self.counters.unknown_ids += 1
            elif is_repeated or not self._is_set_up or self.dialect is None:  # counted, or what it means is not known
                car.seen(now_s)
                car.fold.drop(entry.reward)
            else:
                if entry.is_end and self.doubt is None:
                    self.doubt = doubt_of(entry.reward, self.dialect)
                car.hear(entry, self.dialect, self.fitting, now_s, is_stalled=self.is_stalled)
        self._set_up_once(now_s)
        if self.is_stalled and not self.is_frozen and tick.entries and self._is_set_up:
            for car in self.cars:
                car.action = NEUTRAL
            self._outbox += self.roster.action_commands()

    def _compare_width(self, hello: dict[str, Any] | None) -> None:
        """Complain at once about a width that a hello says and the env does not have."""
        told = None if hello is None else hello.get("obs_dim")
        if self.dialect is not None and isinstance(told, int) and not isinstance(told, bool):
            self.fitting.hello(told, self.dialect)

    def _set_up_once(self, now_s: float) -> None:
        """Ask for all cars, as soon as it is known how."""
        if self._is_set_up or self._detection is None or self._detection.dialect is None:
            return
        self._is_set_up = True
        if self._detection.dialect != V0:
            self._outbox.append(messages.collisions_command(self.settings.collisions))
        spawns = self.roster.spawn_commands(int(self._detection.has_spawned), now_s)
        if spawns:
            self._outbox += spawns
            self._liveness.moving_s = now_s
        self._released_s = now_s

    def _update_stall(self, now_s: float) -> None:
        """See whether nobody drives; a game is frozen only when all its cars are there."""
        if self.is_driven or now_s - self._released_s < self.settings.auto_freeze_s:
            return
        if not self.is_stalled:
            self.counters.stalls += 1
            self.is_stalled = True
        if all(car.has_begun or car.is_absent for car in self.cars):
            self.freeze()

    def _reset_cars(self, now_s: float) -> None:
        if self.is_frozen or self.dialect is None:
            return
        given_up = self.counters.given_up
        self._outbox += self.roster.reset_commands(self.dialect, self._liveness.moving_s, now_s)
        if self.counters.given_up > given_up:
            self._write(now_s, "sent", [])  # a recording is to know when

    def _write(self, now_s: float, event: str, value: Any) -> None:
        if self.journal is not None:
            self.journal(now_s, event, value)
