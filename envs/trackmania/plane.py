"""The game's ground as `envs.track` sees it: a plane seen from above, angles anticlockwise, left positive.

The game counts x, y (up) and z; its yaw is `atan2(x, z)` of the direction, 0 facing +z. In the plane `(z, x)` that is
the anticlockwise angle, if the game's frame is right-handed. Public sources disagree about that, so it is one constant,
and `python -m envs.doctor env=trackmania` measures it: full right at speed must make the heading decrease.
"""

import math

import numpy as np
import numpy.typing as npt

from envs.track.frames import FloatArray

IS_RIGHT_HANDED = True  # not verified in the game
_SIDE = 1.0 if IS_RIGHT_HANDED else -1.0
_SIDES = np.array([1.0, _SIDE])


def to_plane(points: npt.ArrayLike) -> FloatArray:
    """Return points `(..., 3)` of the game as `(..., 2)` of the plane, metres."""
    return np.asarray(points, np.float64)[..., ::-2] * _SIDES


def heading_of(direction: npt.ArrayLike) -> float:
    """Return the heading of a direction `(3,)` of the game, radians, anticlockwise in the plane."""
    x, _, z = np.asarray(direction, np.float64).tolist()
    return math.atan2(_SIDE * x, z)


def heading_of_yaw(yaw_rad: float) -> float:
    """Return the heading of the game's yaw."""
    return _SIDE * yaw_rad
