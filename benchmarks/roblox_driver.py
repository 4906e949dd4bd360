"""A driver for benchmarks of `env=roblox`: it steers by two rays, without knowing the road."""

import numpy as np
import numpy.typing as npt

_RIGHT, _LEFT = 3, 4  # car16's rays at 45 degrees


def actions_of(observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return `(N, 3)` steer, pedal and nitro: away from the nearer wall, at most of the throttle."""
    steer = 12.0 * (observations[:, _RIGHT] - observations[:, _LEFT])
    calm = np.full(len(observations), 0.7)
    return np.stack([np.clip(steer, -1.0, 1.0), calm, -np.ones(len(observations))], axis=1).astype(np.float32)
