"""The action spaces of CarRacing, and their way to `[steer, throttle, brake]`."""

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from envs.contract import ACTION_HIGH, ACTION_LOW
from envs.errors import ConfigError

PEDAL = "pedal"
FULL = "full"
CHOICES = (PEDAL, FULL)

# Gymnasium's five: nothing, right, left, throttle, brake
_DISCRETE: npt.NDArray[np.float64] = np.array([(0, 0, 0), (0.6, 0, 0), (-0.6, 0, 0), (0, 0.2, 0), (0, 0, 0.8)])


def action_space(kind: str, *, continuous: bool = True) -> spaces.Box | spaces.Discrete:
    """Return the box of `pedal`, `[steer, pedal]`, or of `full`, `[steer, throttle, brake]`, or five discrete ones.

    Raises:
        ConfigError: discrete ones are asked for, and a pedal beside them.
    """
    if not continuous:
        if kind != FULL:
            raise ConfigError(f"actions={kind} is continuous: choose actions={FULL} with continuous=False.")
        return spaces.Discrete(len(_DISCRETE))
    if kind == PEDAL:
        return spaces.Box(-1.0, 1.0, (2,), np.float32)
    return spaces.Box(np.array(ACTION_LOW, np.float32), np.array(ACTION_HIGH, np.float32))


def to_game(action: Any, space: spaces.Box | spaces.Discrete) -> npt.NDArray[np.float64]:
    """Return `(3,)`, `[steer, throttle, brake]`, for an action of `space`, clipped to it.

    A pedal above 0 is throttle, below 0 brake: both at once only slow the car's learner down. Clipping changes nothing
    that Gymnasium's car would do: its wheels, throttle and brakes are at their ends there.

    Raises:
        ValueError: the action has another shape, is not finite, or is none of the discrete ones.
    """
    if isinstance(space, spaces.Discrete):
        if not space.contains(action):
            raise ValueError(f"Expected a whole action of 0 … {len(_DISCRETE) - 1}, got {action!r}.")
        return _DISCRETE[int(action)]
    action = np.asarray(action, np.float64)  # a policy's float32 stays what it is
    if action.shape != space.shape:
        raise ValueError(f"Expected an action of shape {space.shape}, got {action.shape}: {action}.")
    if not np.isfinite(action).all():
        raise ValueError(f"Expected a finite action, got {action}. Has the policy diverged?")
    action = np.clip(action, space.low, space.high)
    if space.shape == (3,):
        return action
    steer, pedal = action
    return np.array([steer, max(pedal, 0.0), max(-pedal, 0.0)])
