"""The two action spaces of CarRacing, and their way to `[steer, throttle, brake]`."""

from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from envs.contract import ACTION_HIGH, ACTION_LOW

PEDAL = "pedal"
FULL = "full"
CHOICES = (PEDAL, FULL)


def action_space(kind: str) -> spaces.Box:
    """Return the box of `pedal`, `[steer, pedal]`, or of `full`, `[steer, throttle, brake]`."""
    if kind == PEDAL:
        return spaces.Box(-1.0, 1.0, (2,), np.float32)
    return spaces.Box(np.array(ACTION_LOW, np.float32), np.array(ACTION_HIGH, np.float32))


def to_game(action: npt.NDArray[np.floating[Any]], space: spaces.Box) -> npt.NDArray[np.float32]:
    """Return `[steer, throttle, brake]` for an action of `space`, clipped to it.

    A pedal above 0 is throttle, below 0 brake: both at once only slow the car's learner down.

    Raises:
        ValueError: the action has another shape or is not finite.
    """
    action = np.asarray(action, np.float32)
    if action.shape != space.shape:
        raise ValueError(f"Expected an action of shape {space.shape}, got {action.shape}: {action}.")
    if not np.isfinite(action).all():
        raise ValueError(f"Expected a finite action, got {action}. Has the policy diverged?")
    action = np.clip(action, space.low, space.high)
    if space.shape == (3,):
        return action
    steer, pedal = action
    return np.array([steer, max(pedal, 0.0), max(-pedal, 0.0)], np.float32)
