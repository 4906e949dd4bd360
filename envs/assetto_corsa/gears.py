"""Gear shifts as actions: hold, up or down; a shift is an edge, so a button is held and then released for a while.

The control profile debounces for 50 ms; the shortest pulse that the game takes is not known, so two control periods of
40 ms are held and two released.
"""

from typing import Any

import numpy as np
from gymnasium import spaces

from envs.arguments import check_choice

HOLD, UP, DOWN = 0, 1, 2
AUTO, BOX, DISCRETE = "auto", "box", "discrete"
CHOICES = (AUTO, BOX, DISCRETE)
CONTROLS, GEAR = "controls", "gear"  # parts of an action with discrete shifts
_HELD_STEPS, _RELEASED_STEPS = 2, 2
_THRESHOLD = 0.5  # of a box's last number


class GearShifter:
    """Turn requests into pulses of two buttons."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Release both."""
        self._request, self._step = HOLD, 0

    def press(self, request: int) -> tuple[bool, bool]:
        """Return whether up and down are held in this step; requests during a pulse are lost."""
        if self._request == HOLD and request != HOLD:
            self._request, self._step = request, 0
        is_held = self._request != HOLD and self._step < _HELD_STEPS
        pressed = self._request
        if self._request != HOLD:
            self._step += 1
            if self._step == _HELD_STEPS + _RELEASED_STEPS:
                self._request = HOLD
        return is_held and pressed == UP, is_held and pressed == DOWN


def action_space(kind: str, controls: spaces.Box) -> spaces.Space[Any]:
    """Return a space of actions with gears.

    Args:
        kind: `auto`: the game shifts; `box`: one more number, above 0.5 up, below -0.5 down; `discrete`: a dict of
            `controls` and `gear`, 0 hold, 1 up, 2 down.
        controls: the space without.

    Raises:
        ConfigError: there is no such kind.
    """
    check_choice("gears", kind, CHOICES)
    if kind == AUTO:
        return controls
    if kind == DISCRETE:
        return spaces.Dict({CONTROLS: controls, GEAR: spaces.Discrete(3)})
    low, high = np.append(controls.low, -1.0), np.append(controls.high, 1.0)
    return spaces.Box(low.astype(np.float32), high.astype(np.float32))


def split(kind: str, action: Any) -> tuple[Any, int]:
    """Return the controls of an action, and which shift it asks for."""
    if kind == AUTO:
        return action, HOLD
    if kind == DISCRETE:
        return action[CONTROLS], int(action[GEAR])
    numbers = np.asarray(action)
    wish = float(numbers[-1])
    return numbers[:-1], UP if wish > _THRESHOLD else DOWN if wish < -_THRESHOLD else HOLD
