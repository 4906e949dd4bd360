"""From the suite's actions to the game's `[gas, brake, steer]` in [-1, 1]."""

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

FULL, PEDAL, GAME = "full", "pedal", "game"
CHOICES = (FULL, PEDAL, GAME)


def action_space(choice: str) -> spaces.Box:
    """Return the space: `full` [steer, throttle, brake], `pedal` [steer, pedal], `game` [gas, brake, steer]."""
    if choice == FULL:
        return spaces.Box(np.array([-1, 0, 0], np.float32), np.ones(3, np.float32))
    return spaces.Box(-1.0, 1.0, (2,) if choice == PEDAL else (3,), np.float32)


def to_game(action: npt.ArrayLike, choice: str) -> npt.NDArray[np.float32]:
    """Return `[gas, brake, steer]`; a pedal above 0 is gas, below 0 brake.

    Raises:
        ValueError: the action has another shape, or is not finite.
    """
    array = np.asarray(action, np.float32)
    expected = (2,) if choice == PEDAL else (3,)
    if array.shape != expected or not np.isfinite(array).all():
        raise ValueError(
            f"Expected a finite action of shape {expected}, got {array.tolist()}. Has the policy diverged?"
        )
    if choice == GAME:
        return array.copy()
    if choice == FULL:
        steer, gas, brake = array.tolist()
    else:
        steer, pedal = array.tolist()
        gas, brake = max(pedal, 0.0), max(-pedal, 0.0)
    return np.array([gas, brake, steer], np.float32)


def from_game(inputs: npt.ArrayLike, choice: str) -> npt.NDArray[np.float32]:
    """Return the action of a space that presses `[gas, brake, steer]`: what a person did, as a policy would say it."""
    gas, brake, steer = np.asarray(inputs, np.float64).tolist()
    values = {FULL: (steer, gas, brake), PEDAL: (steer, gas - brake), GAME: (gas, brake, steer)}[choice]
    return np.array(values, np.float32)
