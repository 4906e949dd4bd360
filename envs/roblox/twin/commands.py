"""What the game does with a command of the server, and with what is none."""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from envs.errors import ConfigError, ProtocolError
from envs.roblox import messages
from envs.roblox.twin.rules import Rules
from envs.roblox.twin.world import World

_LOG = logging.getLogger(__name__)
_NUM_INPUTS = 3

Handler = Callable[[str, Mapping[str, Any], float], list[dict[str, Any]]]


class Commands:
    """Carry out commands as one dialect does.

    Args:
        rules: of the dialect.
        world: that they change.
        num_no_spawn: so many cars, the first that are asked for, never appear.
        listed: further commands, which the game's hello lists, with what they do.

    Attributes:
        unknown: commands that the dialect does not know.
        malformed: commands and single actions that could not be carried out.
    """

    def __init__(
        self, rules: Rules, world: World, *, num_no_spawn: int = 0, listed: Mapping[str, Handler] | None = None
    ) -> None:
        self._rules, self._world, self._num_no_spawn = rules, world, num_no_spawn
        self._lost: set[str] = set()
        self.unknown = self.malformed = 0
        own: dict[str, Handler] = {
            messages.SPAWN_AGENTS: self._spawn,
            messages.RESET: self._respawn,
            messages.RESET_AGENTS: self._spawn,
            messages.REMOVE_AGENTS: self._remove,
            messages.ACTION: self._act,
            messages.CREATE_ENV: self._do_nothing,
            messages.CLOSE: self._close,
            messages.CLOSE_ALL: self._close_all,
            messages.FREEZE: self._freeze,
            messages.UPDATE_COLLISIONS: self._update_collisions,
            messages.PING: self._ping,
        }
        self._handlers = {name: handler for name, handler in own.items() if name in rules.commands} | dict(listed or {})

    def handle(self, command: Any, now_s: float) -> list[dict[str, Any]]:
        """Carry a command out and return what is answered at once."""
        name = command.get(messages.COMMAND) if isinstance(command, Mapping) else None
        handler = self._handlers.get(name) if isinstance(name, str) else None
        if handler is None:
            self.unknown += 1
            if self._rules.warns_of_unknown:
                _LOG.warning("Unknown command %r; the twin knows %s.", name, ", ".join(sorted(self._handlers)))
            return []
        env_id, data = command.get(messages.ENVID, ""), command.get(messages.DATA)
        # An empty Luau table is a list in JSON.
        data = {} if data == [] or data is None else data
        try:
            if not isinstance(data, Mapping) or not isinstance(env_id, str):
                raise ProtocolError(f"Expected data as an object and envid as text, got {command!r:.200}.")
            return handler(env_id, data, now_s)
        except (ConfigError, ProtocolError) as error:
            self.malformed += 1
            _LOG.warning("%s failed in the twin: %s", name, error)
            return []

    def _spawn(self, env_id: str, data: Mapping[str, Any], now_s: float) -> list[dict[str, Any]]:
        fleet = self._world.fleet
        for number, name in enumerate(_agents(data)):
            if name not in fleet.slots and (name in self._lost or len(self._lost) < self._num_no_spawn):
                self._lost.add(name)
                continue
            slot = fleet.slots.get(name)
            if slot is not None and not self._rules.random_spawns:
                fleet.orphan(slot)  # v0 makes another car of this name, and forgets the first
            self._world.spawn(name, env_id, number, now_s)
        return []

    def _respawn(self, env_id: str, data: Mapping[str, Any], now_s: float) -> list[dict[str, Any]]:
        for name in _agents(data):
            slot = self._world.fleet.slots.get(name)
            if slot is not None:
                self._world.respawn(slot, now_s)
        return []

    def _remove(self, env_id: str, data: Mapping[str, Any], now_s: float) -> list[dict[str, Any]]:
        for name in _agents(data):
            slot = self._world.fleet.slots.get(name)
            if slot is not None:
                self._world.fleet.remove(slot)
        return []

    def _act(self, env_id: str, data: Mapping[str, Any], now_s: float) -> list[dict[str, Any]]:
        slots, actions = [], []
        for name, values in data.items():
            action = _inputs(values)
            if action is None:
                self.malformed += 1
                if self._rules.skips_malformed:
                    continue
                break  # the handler fails here: the cars before this one have their inputs, those after it do not
            slot = self._world.fleet.slots.get(name)
            if slot is not None:
                slots.append(slot)
                actions.append(action)
        if slots:
            self._world.act(np.array(slots), np.array(actions), now_s)
        return []

    def _close(self, env_id: str, data: Mapping[str, Any], now_s: float) -> list[dict[str, Any]]:
        self._world.remove_env(env_id)
        return []

    def _close_all(self, env_id: str, data: Mapping[str, Any], now_s: float) -> list[dict[str, Any]]:
        self._world.remove_all()
        return []

    def _freeze(self, env_id: str, data: Mapping[str, Any], now_s: float) -> list[dict[str, Any]]:
        self._world.freeze(_flag(data, messages.STATUS), now_s)
        return []

    def _update_collisions(self, env_id: str, data: Mapping[str, Any], now_s: float) -> list[dict[str, Any]]:
        self._world.collides = _flag(data, messages.ENABLE_COLLISIONS)
        return []

    def _ping(self, env_id: str, data: Mapping[str, Any], now_s: float) -> list[dict[str, Any]]:
        if not self._rules.answers_ping:
            return []
        return [{messages.PONG: {messages.TIME: data.get(messages.TIME)}}]

    def _do_nothing(self, env_id: str, data: Mapping[str, Any], now_s: float) -> list[dict[str, Any]]:
        return []


def _agents(data: Mapping[str, Any]) -> list[str]:
    agents = data.get(messages.AGENTS)
    if not isinstance(agents, list) or not all(isinstance(name, str) for name in agents):
        raise ProtocolError(f"Expected {messages.AGENTS} as a list of ids, got {agents!r:.200}.")
    return agents


def _flag(data: Mapping[str, Any], key: str) -> bool:
    value = data.get(key)
    if not isinstance(value, bool):
        raise ProtocolError(f"Expected {key} as true or false, got {value!r:.200}.")
    return value


def _inputs(values: Any) -> list[float] | None:
    """Return throttle, steering and nitro within -1 and 1; None if they are not three finite numbers."""
    if not isinstance(values, list) or len(values) < _NUM_INPUTS:
        return None
    inputs = []
    for value in values[:_NUM_INPUTS]:
        if type(value) not in (float, int) or not math.isfinite(value):
            return None
        inputs.append(value if -1.0 <= value <= 1.0 else math.copysign(1.0, value))
    return inputs
