"""Between the plane of `envs.track` and the world of the game: x, y up, z, metres; yaw 0 faces +z.

Forward is (sin yaw, cos yaw) in (x, z). On which side +x is then, public sources do not agree; one constant says it.
"""

import numpy as np

from envs.track.frames import FloatArray
from envs.trackmania.plane import IS_RIGHT_HANDED

# x of the driver's left at yaw 0. 1: right-handed, steering right lowers the yaw; -1: left-handed
LEFT_X = 1.0 if IS_RIGHT_HANDED else -1.0


def to_world(points: FloatArray, heights_m: FloatArray | float) -> FloatArray:
    """Return points `(..., 2)` of the plane as `(..., 3)` x, y, z."""
    height = np.broadcast_to(heights_m, points.shape[:-1])
    return np.stack([LEFT_X * points[..., 1], height, points[..., 0]], axis=-1)


def to_plane(points: FloatArray) -> FloatArray:
    """Return points `(..., 3)` x, y, z of the world as `(..., 2)` of the plane: seen from above, left is left."""
    return np.stack([points[..., 2], LEFT_X * points[..., 0]], axis=-1)


def yaw_of(heading_rad: float) -> float:
    """Return the yaw of a heading in the plane, radians; and the heading of a yaw."""
    return LEFT_X * heading_rad
