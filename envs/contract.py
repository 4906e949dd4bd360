"""What every env of the suite agrees on: the names in `info`, the order of actions and how policies reach them.

Actions are `[steer, throttle, brake]`: steer in [-1, 1] with +1 full right, throttle and brake in [0, 1]. An env may
offer another space (`[steer, pedal]`, the game's own order); it then maps that space to its game by itself.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError

ACTION_LOW = (-1.0, 0.0, 0.0)
ACTION_HIGH = (1.0, 1.0, 1.0)

# Names in `info`. Those marked "always" come with every reset and step.
SPEED_MPS = "speed_mps"  # always: float, metres per second
PROGRESS = "progress"  # always: float, 0..1 of the lap
LAP = "lap"  # always: int, laps completed in this episode
LAP_TIME_S = "lap_time_s"  # float, only on the step that completes a lap
OFF_TRACK = "off_track"  # always: bool, no wheel is on the road
FRAMES = "frames"  # always: int, physics steps in this decision; 0 in the info of a reset
TRACK_SEED = "track_seed"  # int, the seed that made this episode's track, where there is one
EARLY_END = "early_end"  # str, only on the step in which a training rule (not the task) ended the episode
POSITION_M = "position_m"  # (2,) floats, metres seen from above, x right and y up, where the game tells it
LINK_AGE_S = "link_age_s"  # float, seconds that what a remote game shows is old when it is seen
LINK_SKIPPED = "link_skipped"  # int, ticks of a game elsewhere that nobody saw, beyond those of the decision
LINK_RECONNECTS = "link_reconnects"  # int, games that were lost and got back so far, of this env or vector env
FAULT = "fault"  # str, only when a link failed: a sentence

# A property that an env may have: (2, N, 2), metres as POSITION_M, left and right edge of its closed road.
ROAD_EDGES = "road_edges"

ALWAYS_IN_INFO = (SPEED_MPS, PROGRESS, LAP, OFF_TRACK, FRAMES)


def unsquash(
    actions: npt.NDArray[np.floating[Any]],
    low: npt.NDArray[np.floating[Any]],
    high: npt.NDArray[np.floating[Any]],
) -> npt.NDArray[np.float32]:
    """Map a policy's actions in [-1, 1] linearly onto an env's action box; what lies beyond ±1 lands on its edge.

    Args:
        actions: `(..., A)`.
        low: `(A,)`, lower bounds of the box, finite.
        high: `(A,)`, upper bounds of the box, finite.

    Returns:
        `(..., A)` float32 inside [low, high]; NaN stays NaN.

    Raises:
        ConfigError: a bound is infinite.
    """
    centre, half_range = _centre_and_half_range(low, high)
    return np.clip(centre + actions * half_range, low, high).astype(np.float32, copy=False)


def _centre_and_half_range(
    low: npt.NDArray[np.floating[Any]], high: npt.NDArray[np.floating[Any]]
) -> tuple[npt.NDArray[np.floating[Any]], npt.NDArray[np.floating[Any]]]:
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ConfigError(
            f"Expected an action box with finite bounds, got low={low} and high={high}. "
            "Policies act in [-1, 1] and need to know how far that reaches: give the env's action space its bounds."
        )
    return (high + low) * 0.5, (high - low) * 0.5
