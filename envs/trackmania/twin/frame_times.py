"""When the game shows frames: at a rate, each a little early or late."""

import numpy as np

from envs.arguments import check_range
from envs.trackmania.twin.race import SECOND_US


class FrameTimes:
    """Times of frames on the game's clock, whole microseconds; the first frame is shown at 0, and is none of them.

    Args:
        rate_fps: of frames.
        jitter: by how much they come early or late, as a share of the time between two: at most half of it.
        seed: of the jitter.

    Attributes:
        interval_us: between two frames without jitter.

    Raises:
        ConfigError: a number is out of range.
    """

    def __init__(self, rate_fps: float, jitter: float, seed: int) -> None:
        check_range("frame_rate_fps", rate_fps, 1.0, 1000.0)
        check_range("frame_jitter", jitter, 0.0, 1.0)
        self.interval_us, self._jitter = SECOND_US / rate_fps, jitter
        self._random = np.random.default_rng([seed, 1])
        self._count = 0

    def next_us(self) -> int:
        """Return when the next frame is due."""
        self._count += 1
        if not self._jitter:
            return round(self._count * self.interval_us)
        early_or_late = self._jitter * self.interval_us * self._random.uniform(-0.5, 0.5)
        return round(self._count * self.interval_us + early_or_late)
