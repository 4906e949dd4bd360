"""The dummy env's actions: a box of `[steer, pedal]`, or one of five of its points."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

CONTINUOUS, DISCRETE = "continuous", "discrete"
CHOICES = (CONTINUOUS, DISCRETE)

# In the order of Gymnasium's CarRacing: nothing, right, left, throttle, brake
FIVE: tuple[tuple[float, float], ...] = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))


def action_space(kind: str) -> spaces.Box | spaces.Discrete:
    """Return the box of `continuous`, or the choice of `discrete`."""
    return spaces.Discrete(len(FIVE)) if kind == DISCRETE else spaces.Box(-1.0, 1.0, (2,), np.float32)


def to_controls(action: Any, space: spaces.Box | spaces.Discrete) -> tuple[float, float]:
    """Return `(steer, pedal)` in [-1, 1] of an action; what lies beyond lands on the edge.

    Raises:
        ValueError: the action has another shape, is NaN, or is none of the five.
    """
    if isinstance(space, spaces.Discrete):
        if not space.contains(action):
            raise ValueError(f"Expected a whole action of 0 … {len(FIVE) - 1}, got {action!r}.")
        return FIVE[int(np.asarray(action))]
    values: npt.NDArray[Any] = np.asarray(action)
    if values.shape != space.shape:
        raise ValueError(f"Expected an action of shape {space.shape}, got {values.shape}: {action}.")
    steer, pedal = (min(max(float(value), -1.0), 1.0) for value in values)
    if math.isnan(steer) or math.isnan(pedal):
        raise ValueError(f"Expected a finite action, got {action}. Has the policy diverged?")
    return steer, pedal
