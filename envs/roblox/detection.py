"""Which dialect a game speaks, found out without harm to any of the three; pure, on whatever clock it is given."""

import logging
import math
from typing import Any

from envs.roblox import messages
from envs.roblox.ticks import Tick
from envs.roblox.widths import AUTO, DIALECTS, V0, V1, V2

logger = logging.getLogger(__name__)

PONG_S = 1.0  # a v2 game has answered by then
FROZEN_TICKS = 8  # that still have cars in them: the game does not know FREEZE
FROZEN_S = 0.4  # in which they come; faster ones were under way
PROBE_AGAIN_S = 10.0  # until the first car is asked for again

_END_REWARDS = {-10.0: V0, -20.0: V1, -40.0: V2, -100.0: V2}
WAITS_FOR_PONG, WAITS_FOR_CAR, WAITS_FOR_FREEZE, DONE = "pong", "car", "freeze", "done"


class Detection:
    """Ask a game who it is.

    1. PING with a time: whoever sends it back within a second is v2.
    2. Else one env is spawned and, once its cars are seen, frozen: ticks without cars are v1's, v0 goes on. Both are
       told to let go again: a v1 game that was slow to freeze would stand for ever.
    3. A hello wins over both; a later answer or `last_observation` still makes it v2, a late `[]` makes v0 v1.

    Args:
        choice: `auto`, or a dialect that needs no finding out and no hello can change.
        env_id: of the env that is spawned.
        cars: its car ids.

    Attributes:
        dialect: as found; None: not yet.
        hello: what the game said of itself.
        has_spawned: the env was spawned.
    """

    def __init__(self, choice: str, env_id: str, cars: list[str]) -> None:
        self.dialect = None if choice == AUTO else choice
        self.hello: dict[str, Any] | None = None
        self.has_spawned = False
        self._is_fixed = choice != AUTO
        self._state = DONE if self._is_fixed else WAITS_FOR_PONG
        self._env_id, self._cars = env_id, cars
        self._since_s = -math.inf
        self._frozen_s = math.inf  # when FREEZE left
        self._ticks = 0

    @property
    def is_done(self) -> bool:
        """Whether it ended."""
        return self._state == DONE

    def begin(self, now_s: float) -> list[dict[str, Any]]:
        """Return what is sent to a game that has just come."""
        self._since_s = now_s
        return [messages.ping_command(now_s)]

    def due(self, now_s: float) -> list[dict[str, Any]]:
        """Return what is to be sent now because time has passed."""
        if self._state == WAITS_FOR_PONG and now_s - self._since_s >= PONG_S:
            self._state, self._since_s, self.has_spawned = WAITS_FOR_CAR, now_s, True
            return [messages.agents_command(messages.SPAWN_AGENTS, self._env_id, self._cars)]
        if self._state == WAITS_FOR_CAR and now_s - self._since_s >= PROBE_AGAIN_S:
            self._since_s = now_s  # each dialect knows one of the two, and passes over the other
            return [
                messages.agents_command(name, self._env_id, self._cars)
                for name in (messages.RESET, messages.RESET_AGENTS)
            ]
        return []

    def sent(self, commands: list[dict[str, Any]], now_s: float) -> None:
        """Note what leaves now: ticks count from then on."""
        if self._state == WAITS_FOR_FREEZE and messages.freeze_command(True) in commands:
            self._frozen_s, self._ticks = now_s, 0

    def heard(self, tick: Tick, now_s: float) -> list[dict[str, Any]]:
        """Take a message, and return what is to be sent because of it."""
        if tick.hello is not None:
            self.hello = tick.hello
        if self._is_fixed:
            return []
        told = _dialect_of(tick.hello)
        if told is not None:
            self._is_fixed = True
            return self._found(told)
        if tick.pong_s is not None or any(entry.last_observation is not None for entry in tick.entries.values()):
            return self._found(V2)
        ours = any(tick.entries.get(car) is not None for car in self._cars)
        if self._state == WAITS_FOR_CAR and ours:
            self._state, self._frozen_s = WAITS_FOR_FREEZE, math.inf
            return [messages.freeze_command(True)]
        is_empty = tick.is_list and not tick.malformed
        if self.dialect == V0 and is_empty:  # v0's cars never leave its ticks
            return [messages.freeze_command(False), *self._found(V1)]
        if self._state == WAITS_FOR_FREEZE and tick.is_tick:
            self._ticks += 1
            if is_empty:
                return self._found(V1)
            if self._ticks >= FROZEN_TICKS and now_s - self._frozen_s >= FROZEN_S:
                return self._found(V0)
        return []

    def _found(self, dialect: str) -> list[dict[str, Any]]:
        if dialect == self.dialect:
            return []
        was_frozen = self._state == WAITS_FOR_FREEZE
        if self.dialect is not None:
            logger.info("The game speaks %s, not %s.", dialect, self.dialect)
        self.dialect, self._state = dialect, DONE
        return [messages.freeze_command(False)] if was_frozen else []


def doubt_of(end_reward: float, dialect: str | None) -> str | None:
    """Return, and log, that an episode's end pays what another dialect would; None: it does not."""
    likely = _END_REWARDS.get(end_reward)
    if likely is None or likely == dialect:
        return None
    doubt = f"an episode's end paid {end_reward:g}, as {likely} does, and the game is taken for {dialect}"
    logger.warning("%s. If episodes look wrong, choose env.dialect=%s.", doubt, likely)
    return doubt


def _dialect_of(hello: dict[str, Any] | None) -> str | None:
    """Return the dialect that a hello tells by its number, `{"protocol": 2}`; None: it tells none."""
    protocol = None if hello is None else hello.get("protocol")
    number = protocol if isinstance(protocol, int) and not isinstance(protocol, bool) else -1
    return f"v{number}" if f"v{number}" in DIALECTS else None
