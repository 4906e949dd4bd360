"""Domains that are ranges of floats. Both ends are included."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, ClassVar, Self

import numpy as np

from envs.errors import ConfigError
from tune.space.bounds import ends, is_number, numbers
from tune.space.domain import Domain

_TAIL = 1e-6  # of a normal distribution, at each end: what a search that thinks in 0 … 1 does not reach
_DIGITS = 4  # of a number that is drawn: no search is finer, and people read them
_CORNER_DEVIATIONS = 3.0  # 99.7 % of the draws lie between such corners


@dataclass(frozen=True)
class Uniform(Domain):
    """A float between two ends, all equally likely."""

    low: float
    high: float
    is_log: ClassVar[bool] = False

    @classmethod
    def parse(cls, key: str, kind: str, given: Any) -> Self:
        """Read `uniform: [LOW, HIGH]` or `loguniform: [LOW, HIGH]`.

        Raises:
            ConfigError: These are not two numbers, the lower one first; or not above 0 for a logarithm.
        """
        low, high = ends(key, kind, given, cls.is_log)
        return cls(float(low), float(high))

    def sample(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        return self._readable(rng.uniform(self.low, self.high))

    def suggest(self, trial: Any, key: str) -> float:
        """Let a search choose a value."""
        return float(trial.suggest_float(key, self.low, self.high, log=self.is_log))

    def corners(self) -> list[float]:
        """Return both ends."""
        return [self.low, self.high]

    def contains(self, value: Any) -> bool:
        """Say whether it lies between the ends."""
        return is_number(value) and self.low <= value <= self.high

    def nearest(self, value: float) -> float:
        """Return the value of the range that is closest to this one."""
        return min(max(float(value), self.low), self.high)

    def ray_domain(self) -> Any:
        """Return Ray's domain."""
        import ray.tune

        return ray.tune.uniform(self.low, self.high)

    def _readable(self, drawn: float) -> float:
        return self.nearest(_rounded(drawn, self.high - self.low))


@dataclass(frozen=True)
class LogUniform(Uniform):
    """A float between two ends whose logarithm is uniform: for rates and other scales."""

    is_log = True

    def sample(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        return self._readable(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))

    def ray_domain(self) -> Any:
        """Return Ray's domain."""
        import ray.tune

        return ray.tune.loguniform(self.low, self.high)


@dataclass(frozen=True)
class Normal(Domain):
    """A float from a normal distribution; it has no ends."""

    mean: float
    sd: float

    @classmethod
    def parse(cls, key: str, kind: str, given: Any) -> "Normal":
        """Read `normal: [MEAN, SD]`.

        Raises:
            ConfigError: These are not two numbers, or the deviation is not above 0.
        """
        where, (mean, sd) = numbers(key, kind, given, "[MEAN, SD]")
        if sd <= 0:
            raise ConfigError(f"{where}: expected a standard deviation above 0, got {sd}.")
        return cls(float(mean), float(sd))

    def sample(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        return _rounded(rng.normal(self.mean, self.sd), self.sd)

    def suggest(self, trial: Any, key: str) -> float:
        """Let a search choose how much of the distribution lies below the value: Optuna knows no normal ones."""
        below = float(trial.suggest_float(key, _TAIL, 1 - _TAIL))
        return NormalDist(self.mean, self.sd).inv_cdf(below)

    def corners(self) -> list[float]:
        """Return what is three deviations off, to each side."""
        return [self.mean - _CORNER_DEVIATIONS * self.sd, self.mean + _CORNER_DEVIATIONS * self.sd]

    def contains(self, value: Any) -> bool:
        """Say whether it is a number."""
        return is_number(value)

    def ray_domain(self) -> Any:
        """Return Ray's domain."""
        import ray.tune

        return ray.tune.randn(self.mean, self.sd)


def _rounded(value: float, width: float) -> float:
    """Return a number with four digits of it, and of the width of the range that it comes from."""
    finest = min(abs(value), width) or width
    return round(float(value), _DIGITS - 1 - math.floor(math.log10(finest)))
