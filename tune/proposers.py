"""What trials are given: one config as it is, every point of a grid, or settings drawn at random."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from envs.errors import ConfigError
from tune.records import TrialRecord
from tune.space.lists import Grid as GridValues
from tune.space.space import SearchSpace

Assignment = dict[str, Any]
MOST_DRAWS = 1_000  # for one setting, where constraints refuse


@dataclass(frozen=True)
class Search:
    """What every proposer is told.

    Attributes:
        space: What may be chosen.
        num_trials: `tuner.num_trials`.
        seed: Of the run; the same proposals come of it.
        modes: `max` or `min` of each of the tuner's metrics.
        is_allowed: Whether an assignment satisfies the constraints.
        run_folder: Where a proposer may keep what it knows; None: nothing is proposed yet, only checked.
        known: The trials so far.
    """

    space: SearchSpace
    num_trials: int | None
    seed: int
    modes: list[str]
    is_allowed: Callable[[Assignment], bool]
    run_folder: Path | None = None
    known: list[TrialRecord] = field(default_factory=list)


class Proposer(ABC):
    """Chooses what the trials of a sweep are given.

    Args:
        search: What there is to know.

    Raises:
        ConfigError: The tuner does not go with the space; the message names one that does.
    """

    finds_fronts = False  # whether it can look at several metrics

    def __init__(self, *, search: Search) -> None:
        self._space, self._seed, self._is_allowed = search.space, search.seed, search.is_allowed
        if search.num_trials is None or search.num_trials < 1:
            raise ConfigError(f"tuner.num_trials={search.num_trials}: expected 1 or more.")
        if len(search.modes) > 1 and not self.finds_fronts:
            raise ConfigError("tuner.metric names several metrics: only tuner=optuna looks for a Pareto front.")
        self._num_trials = search.num_trials
        self.check()

    @abstractmethod
    def check(self) -> None:
        """Raise a ConfigError where the space is none for this tuner."""

    @property
    @abstractmethod
    def num_total(self) -> int:
        """How many trials there will be, at most: constraints may forbid some points of a grid."""

    def planned(self) -> list[Assignment]:
        """Return those that are known before anything starts; the others are proposed one by one."""
        return []

    def propose(self) -> tuple[Assignment, Any]:
        """Return one more, and what tells it from others (`TrialRecord.origin`)."""
        raise NotImplementedError(f"{type(self).__name__} has no more to propose.")

    @property
    def is_exhausted(self) -> bool:
        """Whether there is nothing more to propose."""
        return True

    def observe(self, record: TrialRecord) -> None:  # noqa: B027 # most need not know
        """Hear what became of a trial."""


class Single(Proposer):
    """One trial, of the config as it is."""

    def check(self) -> None:
        """Refuse a space and more than one trial."""
        if self._space.domains:
            raise ConfigError(
                "tuner=single runs the config as it is, but there is a tuner.space. Choose who searches it: "
                "tuner=grid, random, asha, hyperband, pbt or optuna."
            )
        if self._num_trials != 1:
            raise ConfigError(
                f"tuner.num_trials={self._num_trials}: tuner=single runs one trial. For several, choose a tuner and a "
                "space, say tuner=grid '+tuner.space={seed: {grid: [0, 1, 2]}}'."
            )

    @property
    def num_total(self) -> int:
        """One."""
        return 1

    def planned(self) -> list[Assignment]:
        """Return the one that changes nothing.

        Raises:
            ConfigError: The constraints do not allow it.
        """
        if not self._is_allowed({}):
            raise ConfigError("tuner.constraints do not allow the config as it is; change it, or drop the constraint.")
        return [{}]


class Grid(Proposer):
    """Every point of the space's grid."""

    def check(self) -> None:
        """Refuse a space of anything but grids."""
        need_space(self._space, "grid")
        others = _drawn_keys(self._space)
        if others:
            raise ConfigError(
                f"tuner=grid tries every value of a grid; {others[0]} has none. Write it as "
                f"{others[0]}: {{grid: […]}}, or draw from ranges and choices with tuner=random."
            )

    @property
    def num_total(self) -> int:
        """Points of the grid, times `tuner.num_trials`."""
        return self._space.num_grid_points() * self._num_trials

    def planned(self) -> list[Assignment]:
        """Return all points that the constraints allow.

        Raises:
            ConfigError: They allow none.
        """
        points = [point for point in self._space.grid() if self._is_allowed(point)]
        if not points:
            raise ConfigError(
                f"tuner.constraints allow none of the {self._space.num_grid_points()} points of the grid."
            )
        return points * self._num_trials


class Random(Proposer):
    """Settings drawn at random; each is run at every point of the space's grid, where it has one."""

    def check(self) -> None:
        """Refuse a space in which there is nothing to draw."""
        need_space(self._space, "random")
        if not _drawn_keys(self._space):
            raise ConfigError(
                "tuner.space has grids alone, from which nothing is drawn. Try all points with tuner=grid, or write "
                "choice: […] or a range in place of a grid."
            )

    @property
    def num_total(self) -> int:
        """Settings, times points of the grid."""
        return self._space.num_grid_points() * self._num_trials

    def planned(self) -> list[Assignment]:
        """Return all settings at all points of the grid."""
        return [drawn for number in range(self._num_trials) for drawn in self._setting(number)]

    def _setting(self, number: int) -> list[Assignment]:
        """Draw one setting until the constraints allow it at all points of the grid.

        Raises:
            ConfigError: They never did.
        """
        for attempt in range(MOST_DRAWS):
            drawn = []
            for point in self._space.grid():
                # The same numbers at every point: a setting is compared with itself under other seeds.
                rng = np.random.default_rng([self._seed, number, attempt])
                drawn.append(point | self._space.sample(rng, point))
            if all(map(self._is_allowed, drawn)):
                return drawn
        raise ConfigError(
            f"tuner.constraints refused {MOST_DRAWS} settings in a row that were drawn from tuner.space. "
            "Make them wider, or the ranges narrower."
        )


def need_space(space: SearchSpace, tuner: str) -> None:
    """Raise a ConfigError where there is nothing to search."""
    if not space.domains:
        raise ConfigError(
            f"tuner={tuner} needs to know what to search, say "
            "'+tuner.space={algo.training.lr: {loguniform: [1.0e-5, 1.0e-3]}, seed: {grid: [0, 1, 2]}}'."
        )


def _drawn_keys(space: SearchSpace) -> list[str]:
    return [key for key, domain in space.domains.items() if not isinstance(domain, GridValues)]
