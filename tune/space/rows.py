"""Domains that are rows of numbers a step apart. Both ends are included."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Self

import numpy as np

from envs.errors import ConfigError
from tune.space.bounds import LARGEST, check_order, ends, is_number, numbers
from tune.space.domain import Domain


@dataclass(frozen=True)
class Steps(Domain):
    """`quniform`: a number of the row LOW, LOW + STEP, …, HIGH; whole numbers where all three are whole."""

    low: float
    high: float
    step: float

    @classmethod
    def parse(cls, key: str, kind: str, given: Any) -> Self:
        """Read `quniform: [LOW, HIGH, STEP]`.

        Raises:
            ConfigError: These are not three numbers, the step is not above 0 or too small to count the row, or steps
                from LOW do not reach HIGH.
        """
        where, (low, high, step) = numbers(key, kind, given, "[LOW, HIGH, STEP]")
        check_order(where, low, high)
        if step <= 0:
            raise ConfigError(f"{where}: expected a step above 0, got {step}.")
        if (_exact(high) - _exact(low)) % _exact(step) != 0:
            raise ConfigError(f"{where}: steps of {step} from {low} on do not end at {high}; choose ends that fit.")
        row = cls(low, high, step)
        if row._last > LARGEST:
            raise ConfigError(f"{where}: the row is too long to count; choose a larger step, or uniform.")
        return row

    @property
    def _last(self) -> int:
        return int((_exact(self.high) - _exact(self.low)) / _exact(self.step))

    def _at(self, index: int) -> float:
        exact = _exact(self.low) + index * _exact(self.step)  # 0.1 + 2 * 0.1 is 0.3 here, as the YAML means it
        is_whole = all(isinstance(part, int) for part in (self.low, self.high, self.step))
        return int(exact) if is_whole else float(exact)

    def sample(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        return self._at(int(rng.integers(self._last, endpoint=True)))

    def suggest(self, trial: Any, key: str) -> float:
        """Let a search choose a value."""
        if isinstance(self._at(0), int):
            return int(trial.suggest_int(key, self.low, self.high, step=self.step))
        return self.nearest(trial.suggest_float(key, self.low, self.high, step=self.step))

    def corners(self) -> list[float]:
        """Return both ends."""
        return [self._at(0), self._at(self._last)]

    def contains(self, value: Any) -> bool:
        """Say whether it stands in the row."""
        return is_number(value) and self.nearest(value) == value

    def nearest(self, value: float) -> float:
        """Return the number of the row that is closest to this one."""
        index = round((_exact(float(value)) - _exact(self.low)) / _exact(self.step))
        return self._at(min(max(index, 0), self._last))

    def ray_domain(self) -> Any:
        """Return Ray's domain; it knows steps only from 0 on, so this one has the row's ends but no steps."""
        import ray.tune

        return ray.tune.uniform(self.low, self.high)


@dataclass(frozen=True)
class Integers(Domain):
    """`randint`: a whole number between two ends, all equally likely. HIGH is included, other than in Ray's."""

    low: int
    high: int
    is_log: ClassVar[bool] = False

    @classmethod
    def parse(cls, key: str, kind: str, given: Any) -> Self:
        """Read `randint: [LOW, HIGH]` or `lograndint: [LOW, HIGH]`.

        Raises:
            ConfigError: These are not two whole numbers, the lower one first; or not above 0 for a logarithm.
        """
        low, high = ends(key, kind, given, cls.is_log)
        if not (isinstance(low, int) and isinstance(high, int)):
            raise ConfigError(f"tuner.space: {key}: {{{kind}: {given}}}: expected whole numbers.")
        return cls(low, high)

    def sample(self, rng: np.random.Generator) -> int:
        """Draw a value."""
        return int(rng.integers(self.low, self.high, endpoint=True))

    def suggest(self, trial: Any, key: str) -> int:
        """Let a search choose a value."""
        return int(trial.suggest_int(key, self.low, self.high, log=self.is_log))

    def corners(self) -> list[int]:
        """Return both ends."""
        return [self.low, self.high]

    def contains(self, value: Any) -> bool:
        """Say whether it is whole and lies between the ends."""
        return is_number(value) and value == int(value) and self.low <= value <= self.high

    def nearest(self, value: float) -> int:
        """Return the whole number of the range that is closest to this one."""
        return min(max(round(value), self.low), self.high)

    def ray_domain(self) -> Any:
        """Return Ray's domain, whose upper end is excluded."""
        import ray.tune

        return ray.tune.randint(self.low, self.high + 1)


@dataclass(frozen=True)
class LogIntegers(Integers):
    """`lograndint`: a whole number between two ends, each doubling equally likely. HIGH is included."""

    is_log = True

    def sample(self, rng: np.random.Generator) -> int:
        """Draw a value."""
        return self.nearest(int(math.exp(rng.uniform(math.log(self.low), math.log(self.high + 1)))))

    def ray_domain(self) -> Any:
        """Return Ray's domain, whose upper end is excluded."""
        import ray.tune

        return ray.tune.lograndint(self.low, self.high + 1)


def _exact(number: float) -> Fraction:
    return Fraction(repr(number))
