"""What a client wants a game to do: from JSON's values to something that an env can be stepped with."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from envs.contract import ACTION_HIGH, ACTION_LOW
from envs.remote.messages import BAD_ACTION, UNSUPPORTED, MessageError
from envs.remote.world import Outcome, World

CONTROLS = ("steer", "gas", "brake")

_MAX_NUMBER = 1e300

Command = Callable[[int], Outcome]  # advances a game by so many ticks


def read_command(action: Any, world: World) -> Command:
    """Return what drives `world` with an action.

    Args:
        action: `{"steer": …, "gas": …, "brake": …}`, where what is missing counts as 0; or a list in the order of the
            action space; or a whole number of a discrete one. Numbers beyond their range land on its edge.
        world: the game that it is for.

    Raises:
        MessageError: it is none of these, or not finite.
    """
    if isinstance(action, Mapping):
        if not world.takes_controls:
            text = f"This game has no steer, gas and brake: send an action of {world.action_space} instead."
            raise MessageError(UNSUPPORTED, text)
        values = [_number(action.get(name, 0.0), name) for name in CONTROLS]
        controls = np.clip(values, ACTION_LOW, ACTION_HIGH)
        return lambda ticks: world.drive(controls, ticks)
    own = _of_space(action, world.action_space)
    return lambda ticks: world.advance(own, ticks)


def idle_command(world: World) -> Command:
    """Return what lets `world` roll on: nothing is pressed."""
    if world.takes_controls:
        return read_command({}, world)
    space = world.action_space
    nothing: Any = int(space.start) if isinstance(space, spaces.Discrete) else np.zeros(space.shape or (), space.dtype)
    if isinstance(space, spaces.Box):
        nothing = np.clip(nothing, space.low, space.high)
    return lambda ticks: world.advance(nothing, ticks)


def _of_space(action: Any, space: spaces.Space[Any]) -> Any:
    if isinstance(space, spaces.Discrete):
        first, num = int(space.start), int(space.n)
        if isinstance(action, bool) or not isinstance(action, int) or not first <= action < first + num:
            raise MessageError(BAD_ACTION, f"Expected a whole number of {space}, got {_shown(action)}.")
        return action
    size = int(np.prod(space.shape or ()))
    if not isinstance(space, spaces.Box) or not isinstance(action, list) or len(action) != size:
        expected = f"steer, gas and brake by name, or a list of {size} numbers"
        raise MessageError(BAD_ACTION, f"Expected an action that is {expected}, got {_shown(action)}.")
    values = [_number(value, f"number {index}") for index, value in enumerate(action)]
    return np.clip(np.array(values, space.dtype).reshape(space.shape), space.low, space.high)


def _number(value: Any, name: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) <= _MAX_NUMBER:  # NaN is not, and a whole number may be beyond all floats
        raise MessageError(BAD_ACTION, f"Expected {name} of the action to be a finite number, got {_shown(value)}.")
    return float(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
