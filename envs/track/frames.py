"""The frames of this package, and the ways between them.

The plane is seen from above: x to the right, y up, metres. Angles are radians, anticlockwise from +x, and so are
headings, yaw rates and curvatures: positive is to the left. Quantities across the road or the car carry the side in
their name (`left_m`, `left_mps`: negative on the right), as do columns of points in a car's frame: `(ahead, left)`.
The one exception is the steering, action and wheel angle alike, whose +1 is full right as in `envs.contract`.

A game that counts in studs or feet may hand over and get back its own instead of metres, throughout; only the vehicle,
on which gravity acts, insists on metres.
"""

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def wrap_angle(angle: npt.ArrayLike) -> FloatArray:
    """Return the same angles in -π … π, radians, in the shape they came in."""
    return (np.asarray(angle, np.float64) + math.pi) % (2 * math.pi) - math.pi


def to_car_frame(points: npt.ArrayLike, pose: npt.ArrayLike) -> FloatArray:
    """Return points as a car sees them.

    Args:
        points: `(..., K, 2)` x and y, metres.
        pose: `(..., 3)` x, y and heading of the car, or of as many cars as there are sets of points.

    Returns:
        `(..., K, 2)` metres ahead of the car and to its left.
    """
    places, poses = np.asarray(points, np.float64), np.asarray(pose, np.float64)
    offset = places - poses[..., np.newaxis, :2]
    cos, sin = np.cos(poses[..., 2, np.newaxis]), np.sin(poses[..., 2, np.newaxis])
    ahead = offset[..., 0] * cos + offset[..., 1] * sin
    left = offset[..., 1] * cos - offset[..., 0] * sin
    return np.stack([ahead, left], axis=-1)
