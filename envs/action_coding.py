"""How the numbers that a policy acts in stand for an env's actions: stretched over a box, or one of n as a one-hot."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from envs.contract import unsquash
from envs.errors import ConfigError

Numbers = npt.NDArray[np.float32]


class ActionCoding:
    """Between a policy's numbers `(N, A)` and the actions of `N` envs.

    Attributes:
        dim: A.
        least: the least number there is; the largest is 1.
    """

    dim: int
    least: float

    def to_env(self, numbers: npt.NDArray[np.floating[Any]]) -> npt.NDArray[Any]:
        """Return the envs' actions for a policy's numbers `(N, A)`."""
        raise NotImplementedError

    def from_env(self, actions: npt.NDArray[Any]) -> Numbers:
        """Return the numbers `(N, A)` that stand for actions of the envs."""
        raise NotImplementedError

    def random(self, generator: np.random.Generator, num_envs: int) -> tuple[Numbers, Numbers]:
        """Draw actions uniformly; return their numbers `(N, A)` and log densities `(N,)`."""
        raise NotImplementedError


class BoxCoding(ActionCoding):
    """A bounded box of A components: -1 is its lower and 1 its upper bound, what lies beyond lands on the bound."""

    least = -1.0

    def __init__(self, box: spaces.Box) -> None:
        self.dim = box.shape[0]
        self._low, self._high = box.low, box.high
        low, high = box.low.astype(np.float64), box.high.astype(np.float64)
        self._centre = 0.5 * (low + high)
        self._half_range = np.where(low < high, 0.5 * (high - low), np.inf)  # without a choice, every action is a 0

    def to_env(self, numbers: npt.NDArray[np.floating[Any]]) -> npt.NDArray[Any]:
        """Return actions `(N, A)` float32 inside the box; NaN stays NaN."""
        return unsquash(numbers, self._low, self._high)

    def from_env(self, actions: npt.NDArray[Any]) -> Numbers:
        """Return the numbers `(N, A)` of actions `(N, A)`."""
        return np.clip((actions - self._centre) / self._half_range, -1.0, 1.0).astype(np.float32)

    def random(self, generator: np.random.Generator, num_envs: int) -> tuple[Numbers, Numbers]:
        """Draw numbers from [-1, 1]."""
        numbers = generator.uniform(-1.0, 1.0, (num_envs, self.dim)).astype(np.float32)
        return numbers, np.full(num_envs, -self.dim * math.log(2.0), np.float32)


class ChoiceCoding(ActionCoding):
    """One of A actions, as a one-hot; of other numbers the largest counts."""

    least = 0.0

    def __init__(self, choice: spaces.Discrete) -> None:
        self.dim, self._first = int(choice.n), int(choice.start)

    def to_env(self, numbers: npt.NDArray[np.floating[Any]]) -> npt.NDArray[Any]:
        """Return actions `(N,)` int64."""
        return np.asarray(numbers.argmax(-1) + self._first, np.int64)

    def from_env(self, actions: npt.NDArray[Any]) -> Numbers:
        """Return the one-hots `(N, A)` of actions `(N,)`."""
        return np.equal(actions[:, None], self._first + np.arange(self.dim)).astype(np.float32)

    def random(self, generator: np.random.Generator, num_envs: int) -> tuple[Numbers, Numbers]:
        """Draw one-hots."""
        numbers = np.eye(self.dim, dtype=np.float32)[generator.integers(self.dim, size=num_envs)]
        return numbers, np.full(num_envs, -math.log(self.dim), np.float32)


def action_coding(space: spaces.Space[Any]) -> ActionCoding:
    """Return what codes the actions of a space.

    Raises:
        ConfigError: it is neither a bounded box of one dimension nor a choice of one action.
    """
    if isinstance(space, spaces.Discrete):
        return ChoiceCoding(space)
    if isinstance(space, spaces.Box) and len(space.shape) == 1 and space.is_bounded():
        return BoxCoding(space)
    raise ConfigError(
        f"The env acts in {space}; expected a bounded Box of one dimension, or a Discrete: one of n actions. "
        "Change the env's action space or wrap the env."
    )
