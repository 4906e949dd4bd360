"""Points of a road's edges ahead of a car, as features: what several games' `obs=edges` share.

Source: the course points of Gran Turismo Sophy (Wurman et al. 2022); here by arc length, and as far ahead as a distance
or as the car gets in a time.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.arguments import check_range
from envs.track.frames import FloatArray, to_car_frame

BOUND = 2.0  # values beyond are clipped


@dataclass(frozen=True, kw_only=True)
class EdgeSettings:
    """Which points of the edges are seen.

    Attributes:
        points: of each edge.
        ahead_m: the farthest, from the car along the road; also what coordinates are scaled by.
        ahead_s: above 0, the farthest lies as far ahead as the car gets in this time …
        least_ahead_m: … but no nearer than this, and no farther than `ahead_m`.
    """

    points: int = 15
    ahead_m: float = 160.0
    ahead_s: float = 0.0
    least_ahead_m: float = 40.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_range("points", self.points, 2)
        check_range("least_ahead_m", self.least_ahead_m, 1.0)
        check_range("ahead_m", self.ahead_m, self.least_ahead_m)
        check_range("ahead_s", self.ahead_s, 0.0)

    def distances_m(self, speed_mps: float) -> FloatArray:
        """Return how far along the road each point is, `(points,)`."""
        reach = self.ahead_m
        if self.ahead_s > 0.0:
            reach = min(max(self.ahead_s * abs(speed_mps), self.least_ahead_m), self.ahead_m)
        return np.linspace(0.0, reach, self.points)


def seen_edges(edges_m: FloatArray, pose: FloatArray, ahead_m: float) -> FloatArray:
    """Return edge points as a car sees them, `(4 * K,)`, in units of `ahead_m`.

    Args:
        edges_m: `(2, K, 2)`, left and right.
        pose: `(3,)` x, y and heading of the car.
        ahead_m: that becomes 1.

    Returns:
        Metres ahead of the left edge's points, metres to the left of them, then the same of the right edge.
    """
    seen = to_car_frame(edges_m, pose) / ahead_m
    return np.concatenate([seen[0].T.ravel(), seen[1].T.ravel()])


def bounded(values: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return features as float32 within ±`BOUND`."""
    return np.clip(np.asarray(values, np.float64), -BOUND, BOUND).astype(np.float32)
