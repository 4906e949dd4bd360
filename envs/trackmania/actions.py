"""From the suite's actions to the game's `[gas, brake, steer]` in [-1, 1]."""

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

FULL, PEDAL, DRIVE, GAME = "full", "pedal", "drive", "game"
CHOICES = (FULL, PEDAL, DRIVE, GAME)
REST = -0.5  # the pedal of `drive` at which neither gas nor brake is pressed


def action_space(choice: str) -> spaces.Box:
    """Return a space: [steer, throttle, brake], [steer, pedal] (`pedal`, `drive`) or the game's [gas, brake, steer]."""
    if choice == FULL:
        return spaces.Box(np.array([-1, 0, 0], np.float32), np.ones(3, np.float32))
    return spaces.Box(-1.0, 1.0, _shape(choice), np.float32)


def to_game(action: npt.ArrayLike, choice: str) -> npt.NDArray[np.float32]:
    """Return `[gas, brake, steer]`.

    A `pedal` above 0 is gas, below 0 brake, which reverses a car that stands: who does not know better goes nowhere on
    average. That of `drive` is gas above -0.5, brake below: random actions get the car away.

    Raises:
        ValueError: the action has another shape, or is not finite.
    """
    array = np.asarray(action, np.float32)
    expected = _shape(choice)
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
        if choice == DRIVE:
            pedal = (pedal - REST) / (1.0 - REST if pedal > REST else 1.0 + REST)
        gas, brake = max(pedal, 0.0), max(-pedal, 0.0)
    return np.array([gas, brake, steer], np.float32)


def from_game(inputs: npt.ArrayLike, choice: str) -> npt.NDArray[np.float32]:
    """Return the action of a space that presses `[gas, brake, steer]`: what a person did, as a policy would say it."""
    gas, brake, steer = np.asarray(inputs, np.float64).tolist()
    pedal = gas - brake
    if choice == DRIVE:
        pedal = REST + pedal * (1.0 - REST if pedal > 0.0 else 1.0 + REST)
    values = {FULL: (steer, gas, brake), GAME: (gas, brake, steer)}.get(choice, (steer, pedal))
    return np.array(values, np.float32)


def _shape(choice: str) -> tuple[int]:
    return (2,) if choice in (PEDAL, DRIVE) else (3,)
