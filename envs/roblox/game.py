"""One game and the cars we drive in it: all that is said and heard, without sockets and on any clock.

A game outlives its connections: the same cars, with the same ids, go on in the next one.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.errors import ConfigError, ProtocolError
from envs.remote.fold import Account
from envs.roblox import messages
from envs.roblox.car import MOST_RESPAWNS, NO_SHOW_S, RETRY_S, Car
from envs.roblox.counters import Counters
from envs.roblox.detection import Detection
from envs.roblox.fitting import Fitting
from envs.roblox.latency import LatencyTracker
from envs.roblox.restarts import Answers
from envs.roblox.ticks import Tick, Vector, read_tick
from envs.roblox.widths import AUTO, CAR16, NUM_ACTIONS, V0, V1, V2

logger = logging.getLogger(__name__)

MOST_CARS = 512  # of a game
FROZEN_SILENCE_S = 20.0  # a frozen game says [] 15 times a second; one that says nothing for so long is dead
_END_REWARDS = {-10.0: V0, -20.0: V1, -40.0: V2, -100.0: V2}
NEUTRAL: Vector = np.zeros(NUM_ACTIONS, np.float32)


@dataclass(frozen=True)
class GameSettings:
    """How games are treated; times are the game's seconds.

    Attributes:
        dialect: `auto`, `v0`, `v1` or `v2`.
        obs_preset: `car16`, `cart5` or `auto`.
        collisions: whether cars of one env collide (v1, v2).
        auto_freeze_s: without a step, after which the game is frozen (v1, v2) or its cars get zero actions (v0).
        ping_s: without a command, after which a ping is sent.
        no_tick_timeout_s: without a tick, after which the connection is closed.
        strict_width: whether observations of another width are an error.
    """

    dialect: str = AUTO
    obs_preset: str = CAR16
    collisions: bool = False
    auto_freeze_s: float = 0.5
    ping_s: float = 5.0
    no_tick_timeout_s: float = 5.0
    strict_width: bool = False


class Game:
    """Drive the cars of one game.

    Args:
        cars_per_env: number of cars of each env.
        settings: how it is treated.
        make_id: returns a uuid4 for each env.

    Attributes:
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
        if sum(cars_per_env) > MOST_CARS or min(cars_per_env, default=0) < 1:
            raise ConfigError(f"Expected 1 to {MOST_CARS} cars in a game, got envs of {list(cars_per_env)} cars.")
        self.settings, self.cars_per_env = settings, tuple(cars_per_env)
        self.counters, self._answers = Counters(), Answers()
        self.env_ids = [make_id() for _ in cars_per_env]
        pairs = zip(self.env_ids, cars_per_env, strict=True)
        self.envs = [
            [Car(number, env_id, self.counters, self._answers) for number in range(count)] for env_id, count in pairs
        ]
        self.cars = [car for env in self.envs for car in env]
        self._by_id = {car.id: car for car in self.cars}
        self.fitting = Fitting(settings.obs_preset, settings.dialect, self.counters, is_strict=settings.strict_width)
        self.round_trips = LatencyTracker()
        self.is_connected = self.is_frozen = self.is_stalled = self.is_driven = False
        self.fault: str | None = None
        self.last_dialect: str | None = None
        self.doubt: str | None = None
        self.hello: dict[str, Any] | None = None
        self.journal: Callable[[float, str, Any], None] | None = None
        self._detection: Detection | None = None
        self._outbox: list[dict[str, Any]] = []
        self._is_set_up = False
        self._released_s = self._sent_s = self._pinged_s = self._tick_s = self._moving_s = 0.0
        self._freeze_sent_s: float | None = None

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
        self._released_s = self._sent_s = self._pinged_s = self._tick_s = self._moving_s = now_s
        self._freeze_sent_s = None
        for car in self.cars:
            car.forget()
        first = self.envs[0]
        self._detection = Detection(self.settings.dialect, self.env_ids[0], [car.id for car in first])
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
            self._mark_spawned(self.envs[0], now_s)
        if self._is_set_up:
            self._update_stall(now_s)
            self._reset_cars(now_s)
        since_s = self._pinged_s if self.dialect == V2 else self._sent_s  # v2 answers: its round trips are measured
        if now_s - since_s >= self.settings.ping_s:
            self._outbox.append(messages.ping_command(now_s))
        sent, self._outbox = self._outbox, []
        for command in sent:
            if command[messages.COMMAND] == messages.PING:  # it may have waited
                command[messages.DATA][messages.TIME] = self._pinged_s = now_s
        if sent:
            self._sent_s = now_s
            self._detection.sent(sent, now_s)
            if messages.freeze_command(True) in sent:
                self._freeze_sent_s = now_s
            self._write(now_s, "sent", sent)
        return sent

    def why_close(self, now_s: float) -> str | None:
        """Return why the connection is to be closed: ticks have ceased; None: it is not."""
        has_cars = self._is_set_up or (self._detection is not None and self._detection.has_spawned)
        silent_s = now_s - max(self._tick_s, self._moving_s)
        most_s = FROZEN_SILENCE_S if self.is_frozen else self.settings.no_tick_timeout_s
        if not has_cars or silent_s < most_s:
            return None
        again = "Restart the game: its kind never reconnects." if self.dialect == V0 else "It comes back by itself."
        return f"no tick for {silent_s:.1f} s although cars are spawned (env.no_tick_timeout_s). {again}"

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
        self._outbox += self._actions()

    def release(self, now_s: float) -> None:
        """Note that nobody waits for the game any more: from now on it may be frozen."""
        self._write(now_s, "released", None)
        self.is_driven, self._released_s = False, now_s

    def wake(self, now_s: float) -> None:
        """Let a frozen game go on, at least for as long as an idle one does."""
        self._released_s, self.is_stalled = now_s, False
        if self.is_frozen:
            self.is_frozen, self._moving_s = False, now_s
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

    def account(self) -> dict[str, Account]:
        """Return the sums over all cars: `sent` is `delivered` plus `dropped` plus `pre_action` plus `waiting`."""
        sums = {name: Account() for name in ("sent", "delivered", "dropped", "pre_action", "waiting")}
        for car in self.cars:
            for name in ("sent", "delivered", "dropped", "pre_action"):
                one: Account = getattr(car.fold, name)
                sums[name].add(one.ticks, one.reward)
            sums["waiting"].add(0, car.fold.waiting)
        return sums

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
            self._tick_s = now_s
            self.counters.ticks += 1
            self.counters.empty_ticks += int(tick.is_list)
        if tick.is_list and self._freeze_sent_s is not None:
            self._answers.add(now_s - self._freeze_sent_s)
            self._freeze_sent_s = None
        if self._is_set_up:
            self._update_stall(now_s)
        for car_id, entry in tick.entries.items():
            car = self._by_id.get(car_id)
            if car is None:
                self.counters.unknown_ids += 1
            elif not self._is_set_up or self.dialect is None:  # what it means is not known yet
                car.seen(now_s)
                car.fold.drop(entry.reward)
            else:
                if entry.is_end:
                    self._doubt_dialect(entry.reward)
                car.hear(entry, self.dialect, self.fitting, now_s, is_stalled=self.is_stalled)
        self._set_up_once(now_s)
        if self.is_stalled and not self.is_frozen and tick.entries and self._is_set_up:
            for car in self.cars:
                car.action = NEUTRAL
            self._outbox += self._actions()

    def _compare_width(self, hello: dict[str, Any] | None) -> None:
        """Complain at once about a width that a hello says and the env does not have."""
        told = None if hello is None else hello.get("obs_dim")
        if self.dialect is not None and isinstance(told, int) and not isinstance(told, bool):
            self.fitting.hello(told, self.dialect)

    def _doubt_dialect(self, end_reward: float) -> None:
        """Say so once when an end pays what another dialect would."""
        likely = _END_REWARDS.get(end_reward)
        if likely is None or likely == self.dialect or self.doubt is not None:
            return
        self.doubt = f"an episode's end paid {end_reward:g}, as {likely} does, and the game is taken for {self.dialect}"
        logger.warning("%s. If episodes look wrong, choose env.dialect=%s.", self.doubt, likely)

    def _set_up_once(self, now_s: float) -> None:
        """Ask for all cars, as soon as it is known how."""
        if self._is_set_up or self._detection is None or self._detection.dialect is None:
            return
        self._is_set_up = True
        if self._detection.dialect != V0:
            self._outbox.append(messages.collisions_command(self.settings.collisions))
        for env_id, env in list(zip(self.env_ids, self.envs, strict=True))[int(self._detection.has_spawned) :]:
            self._outbox.append(messages.agents_command(messages.SPAWN_AGENTS, env_id, [car.id for car in env]))
            self._mark_spawned(env, now_s)
        self._released_s = now_s

    def _mark_spawned(self, cars: Sequence[Car], now_s: float) -> None:
        self._moving_s = now_s
        for car in cars:
            car.sent(now_s, is_reset=False)

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
        for car in self.cars:
            if car.seen_s is not None and now_s - car.seen_s >= NO_SHOW_S:
                self._respawn_if_unseen(car, car.seen_s, now_s)
        if not any(car.wants_reset for car in self.cars):
            return
        name = messages.RESET if self.dialect == V0 else messages.RESET_AGENTS
        for env_id, env in zip(self.env_ids, self.envs, strict=True):
            cars = [car for car in env if car.wants_reset]
            if cars:
                self._outbox.append(messages.agents_command(name, env_id, [car.id for car in cars]))
        reset = [car for car in self.cars if car.wants_reset]
        is_pinged = self.dialect == V2 and any(car.is_restarted for car in reset)
        if is_pinged:
            self._outbox.append(messages.ping_command(now_s))
        for car in reset:
            car.sent(now_s, is_reset=True, is_pinged=is_pinged)

    def _respawn_if_unseen(self, car: Car, seen_s: float, now_s: float) -> None:
        unseen_s = now_s - max(seen_s, self._moving_s)
        if unseen_s < (RETRY_S if car.is_absent else NO_SHOW_S):
            return
        car.end("stale", now_s)
        car.respawns += 1
        if car.respawns != MOST_RESPAWNS + 1:
            self.counters.respawns += 1
            car.wants_reset = True
            return
        self._write(now_s, "sent", [])  # a recording is to know when it was given up
        logger.error(
            "%s of env %s did not appear after %d respawns; the other cars go on. Has the track as many spawn points "
            "as cars (env.cars)?",
            car.id,
            car.env_id,
            MOST_RESPAWNS,
        )

    def _actions(self) -> list[dict[str, Any]]:
        """Return an ACTION for each env that has cars in the game."""
        for car in self.cars:
            if car.is_known:
                car.acted()
        known = [{car.id: car.action.tolist() for car in env if car.is_known} for env in self.envs]
        pairs = zip(self.env_ids, known, strict=True)
        return [messages.action_command(env_id, actions) for env_id, actions in pairs if actions]

    def _write(self, now_s: float, event: str, value: Any) -> None:
        if self.journal is not None:
            self.journal(now_s, event, value)
