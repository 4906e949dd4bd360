"""Domains that list their values: `grid`, every one of which is tried, and `choice`, which is drawn from."""

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.errors import ConfigError
from tune.space.domain import Domain, is_same


@dataclass(frozen=True)
class Choice(Domain):
    """One of a list, all equally likely."""

    options: tuple[Any, ...]

    @classmethod
    def parse(cls, key: str, kind: str, given: Any) -> "Choice":
        """Read `choice: [VALUE, …]`.

        Raises:
            ConfigError: It is no list, an empty one, one with a value twice, or with a value that no key can have.
        """
        where = f"tuner.space: {key}: {{{kind}: {given}}}"
        if not isinstance(given, list) or not given:
            raise ConfigError(f"{where}: expected a list of at least one value, such as {{{kind}: [1, 2]}}.")
        seen = set()
        for value in given:
            _check_plain(where, value)
            if _identity(value) in seen:
                raise ConfigError(f"{where}: {value} stands there twice; each value counts once.")
            seen.add(_identity(value))
        return cls(tuple(given))

    def sample(self, rng: np.random.Generator) -> Any:
        """Draw a value."""
        return self.values()[int(rng.integers(len(self.options)))]

    def suggest(self, trial: Any, key: str) -> Any:
        """Let a search choose; it sees texts where it takes no values (lists) or mistakes them (true for 1)."""
        takes_all = not any(isinstance(value, list) for value in self.options)
        if takes_all and len(set(self.options)) == len(self.options):
            return trial.suggest_categorical(key, list(self.options))
        by_text = {json.dumps(value): value for value in self.values()}
        return by_text[trial.suggest_categorical(key, list(by_text))]

    def values(self) -> list[Any]:
        """Return all values in their order."""
        return [_copy(value) for value in self.options]

    def corners(self) -> list[Any]:
        """Return all values."""
        return self.values()

    def contains(self, value: Any) -> bool:
        """Say whether it is one of them."""
        return any(is_same(value, option) for option in self.options)

    def ray_domain(self) -> list[Any]:
        """Return the list: PBT multiplies what Ray's own `choice` gives, words included."""
        return self.values()


@dataclass(frozen=True)
class Grid(Choice):
    """All of a list: a sweep has at least one trial for each, and for each combination with other grids."""


def _copy(value: Any) -> Any:
    return [_copy(part) for part in value] if isinstance(value, list) else value


def _identity(value: Any) -> Any:
    """Return what is equal for two values that `is_same`, and can be looked up."""
    return tuple(map(_identity, value)) if isinstance(value, list) else (isinstance(value, bool), value)


def _check_plain(where: str, value: Any) -> None:
    if isinstance(value, list):
        for part in value:
            _check_plain(where, part)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where}: {value} is no number to train with.")
    elif value is not None and not isinstance(value, bool | int | float | str):
        raise ConfigError(f"{where}: expected numbers, words, true, false, null or lists of these, got {value}.")
