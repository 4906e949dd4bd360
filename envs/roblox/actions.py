"""Actions of the suite and the game's own, which are `[throttle, steering, nitro]`."""

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from envs.errors import ConfigError

FULL, PEDAL, GAME = "full", "pedal", "game"
CHOICES = (FULL, PEDAL, GAME)


def action_space(choice: str) -> spaces.Box:
    """Return the box of `full`: [steer, pedal, nitro]; `pedal`: [steer, pedal]; `game`: [throttle, steering, nitro].

    All are -1 … 1: steer +1 is full right, pedal and throttle below 0 brake and reverse, nitro is on above 0.5.

    Raises:
        ConfigError: another choice.
    """
    if choice not in CHOICES:
        raise ConfigError(f"Expected env.actions to be one of {', '.join(CHOICES)}, got {choice!r}.")
    return spaces.Box(-1.0, 1.0, (2 if choice == PEDAL else 3,), np.float32)


def to_game(actions: npt.NDArray[np.floating], choice: str) -> npt.NDArray[np.float32]:
    """Return actions `(N, A)` in the game's order, `(N, 3)`, within -1 … 1.

    Raises:
        ValueError: they are not finite, or of another shape.
    """
    wanted = action_space(choice).shape
    if actions.ndim != 2 or actions.shape[1:] != wanted:
        raise ValueError(f"Expected actions (N, {wanted[0]}) for env.actions={choice}, got shape {actions.shape}.")
    if not np.isfinite(actions).all():
        raise ValueError("Expected finite actions. Has the policy diverged?")
    if choice == GAME:
        ordered = np.asarray(actions, np.float32)
    else:
        ordered = np.full((len(actions), 3), -1.0, np.float32)  # without nitro
        ordered[:, 0], ordered[:, 1] = actions[:, 1], actions[:, 0]
        if choice == FULL:
            ordered[:, 2] = actions[:, 2]
    return np.clip(ordered, -1.0, 1.0)
