"""`reward=tmrl`: TMRL's reward, exactly, with what its authors did not intend.

Every 10 cm of the trajectory are worth 0.01, up to 50 m ahead of the car and further; the same way back and forth is
paid again and again, and short cuts are paid in full. It is here to compare with; `reward=progress` is to learn from.

Source: behaviour of TMRL 0.7.1, re-implemented from measured vectors.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from envs.arguments import check_range

POINTS_PER_UNIT = 100.0


@dataclass(frozen=True, kw_only=True)
class TmrlRewardSettings:
    """TMRL's configuration, under our names; defaults are those it ships with.

    Attributes:
        check_forward: points ahead after which the search gives up finding a nearer one.
        check_backward: points behind, likewise.
        failure_countdown: calls without progress that are tolerated; one more ends the episode.
        min_steps: calls before which nothing fails.
        max_stray_m: a car farther from the line than this has not moved.
        end_of_track: paid at the finish.
        constant_penalty: added in every call.
    """

    check_forward: int = 500
    check_backward: int = 10
    failure_countdown: int = 10
    min_steps: int = 70
    max_stray_m: float = 100.0
    end_of_track: float = 100.0
    constant_penalty: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_range("check_forward", self.check_forward, 1)
        check_range("check_backward", self.check_backward, 1)
        check_range("failure_countdown", self.failure_countdown, 0)
        check_range("min_steps", self.min_steps, 0)
        check_range("max_stray_m", self.max_stray_m, 0.0)


class TmrlReward:
    """Follow one car along a trajectory.

    Args:
        points: `(N, 3)` of the trajectory.
        settings: see `TmrlRewardSettings`.

    Attributes:
        index: of the point at which the car is thought to be.
    """

    def __init__(self, points: npt.NDArray[np.float64], settings: TmrlRewardSettings | None = None) -> None:
        self._points = np.ascontiguousarray(points, np.float64)
        self._settings = settings or TmrlRewardSettings()
        self.reset()

    @property
    def progress(self) -> float:
        """Share of the points that lie behind: 0 at the start, never 1."""
        return self.index / len(self._points)

    def reset(self, index: int = 0) -> None:
        """Begin an episode at this point."""
        self.index = index
        self._calls = self._failures = 0

    def compute(self, position_m: npt.ArrayLike, *, is_finished: bool = False) -> tuple[float, bool]:
        """Return the reward of one step, and whether it ends the episode.

        Args:
            position_m: `(3,)` of the car.
            is_finished: what the game's screen says.
        """
        settings = self._settings
        self._calls += 1
        x, y, z = np.asarray(position_m, np.float64)
        ahead, distance = _scan(self._points, self.index, 1, settings.check_forward, x, y, z)
        if not distance <= settings.max_stray_m:
            ahead = self.index
        points_gained = ahead - self.index
        terminated = False
        if points_gained:
            self.index = ahead
            self._failures = 0
        else:
            self.index, _ = _scan(self._points, self.index, -1, settings.check_backward, x, y, z)
            if self._calls > settings.min_steps:
                self._failures += 1
                terminated = self._failures > settings.failure_countdown
        reward = points_gained / POINTS_PER_UNIT
        if is_finished:
            terminated = True
            reward += settings.end_of_track
        return float(np.float32(reward + settings.constant_penalty)), terminated


@njit(cache=True)
def _scan(
    points: npt.NDArray[np.float64], start: int, way: int, patience: int, x: float, y: float, z: float
) -> tuple[int, float]:
    """Return the last of the nearest points one way, and its distance; `start` and NaN if no point compares.

    The search ends `patience` points after the nearest so far. Backwards, the first point of all is looked at only if
    the search starts there.
    """
    best, least = start, np.inf
    found = False
    index, left = start, patience
    while True:
        dx, dy, dz = x - points[index, 0], y - points[index, 1], z - points[index, 2]
        distance = math.sqrt(dx * dx + dy * dy + dz * dz)
        if distance <= least:
            best, least, left, found = index, distance, patience, True
        index += way
        left -= 1
        if left <= 0 or index >= len(points) or index <= 0:
            break
    return best, least if found else np.nan
