"""A sweep's search space: `tuner.space` and `tuner.constraints`, read and checked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.errors import ConfigError
from tune.space.conditions import Condition, check_can_be, in_order, is_active, parse_conditions, ways_to
from tune.space.constraints import Constraint
from tune.space.domain import Domain
from tune.space.domains import parse_domain
from tune.space.keys import GROUPS, changes_with, check_sweepable, value_at
from tune.space.lists import Grid
from tune.space.points import all_points, covering_points, num_points


@dataclass(frozen=True)
class SearchSpace:
    """What differs between the trials of a sweep.

    An assignment is a dict from dotted keys to plain values, with the keys that are part of a trial: one whose `when`
    does not hold is absent, and so is one whose `when` names an absent key.

    Args:
        domains: By key; each key stands behind those that its conditions name.
        conditions: By key, on other keys of the space.
        constraints: What must hold in every trial's config.
        left_out: Keys whose `when` does not hold in the base config, where no trial changes it.
    """

    domains: dict[str, Domain]
    conditions: dict[str, tuple[Condition, ...]]
    constraints: tuple[Constraint, ...] = ()
    left_out: tuple[str, ...] = ()

    @classmethod
    def parse(
        cls, space: Mapping[str, Any] | None, constraints: Sequence[str], base: Mapping[str, Any]
    ) -> "SearchSpace":
        """Read and check what stands in the YAML. Whether a key exists shows when `tune.compose` sets it.

        Args:
            space: `tuner.space`: domains by dotted key or config group; None is an empty one.
            constraints: `tuner.constraints`.
            base: The run's plain config with `choices`, as it is without the sweep; conditions may name its keys.

        Raises:
            ConfigError: A key may not be swept, a domain is impossible, or conditions are: unknown, in a circle, on
                values that never come, contradicting each other, or such that no key is left.
        """
        space = {} if space is None else space
        if not isinstance(space, Mapping):
            raise ConfigError(
                f"tuner.space={space}: expected keys with domains, such as {{seed: {{grid: [0, 1, 2]}}}}."
            )
        domains = {}
        for key, section in space.items():
            check_sweepable(key)
            domains[key] = parse_domain(key, section)
            if key in GROUPS:
                _check_words(key, section, domains[key])
        conditions, left_out = _split_conditions(space, base)
        if space and not conditions:
            raise ConfigError(
                f"tuner.space: no key is part of a trial: what `when` of {', '.join(left_out)} asks for is not so in "
                "the config. Choose it on the command line, or let the space vary the key that `when` names."
            )
        keys = in_order(conditions)
        for key in keys:
            _check_conditions(key, conditions[key], domains)
            if next(ways_to(key, conditions), None) is None:
                raise ConfigError(f"tuner.space: {key} is never part of a trial: its conditions contradict each other.")
        return cls(
            {key: domains[key] for key in keys},
            {key: conditions[key] for key in keys},
            tuple(Constraint(text) for text in constraints),
            left_out,
        )

    @property
    def has_grid(self) -> bool:
        """Whether there is a key all of whose values are tried."""
        return bool(self._grid_values())

    def num_grid_points(self) -> int:
        """Return how many assignments `grid` yields; 1 without a grid. Nothing is enumerated."""
        return num_points(self._grid_values(), self.conditions)

    def grid(self) -> Iterator[dict[str, Any]]:
        """Yield every combination of the `grid` keys, the first key changing slowest; other keys are left out."""
        return all_points(self._grid_values(), self.conditions)

    def sample(self, rng: np.random.Generator, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Draw the keys that are no grid.

        Args:
            rng: What they are drawn with.
            given: Values that stand already, such as a grid's point.

        Returns:
            The drawn ones alone, the same for a generator in the same state whatever is given. Constraints are not
            looked at: they need the composed config.
        """
        drawn = {key: domain.sample(rng) for key, domain in self.domains.items() if not isinstance(domain, Grid)}
        return self._fill(given, lambda key, domain: drawn[key])

    def suggest(self, trial: Any, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Let a search choose the keys that are no grid.

        Args:
            trial: An `optuna.Trial`, or what has its `suggest_…` methods.
            given: Values that stand already, such as a grid's point.

        Returns:
            The suggested ones alone.
        """
        return self._fill(given, lambda key, domain: domain.suggest(trial, key))

    def corners(self) -> list[dict[str, Any]]:
        """Return a few assignments in which every corner of every domain occurs: what to check before a start."""
        if not self.domains:
            return [{}]
        return covering_points({key: domain.corners() for key, domain in self.domains.items()}, self.conditions)

    def broken_constraint(self, config: Mapping[str, Any]) -> Constraint | None:
        """Return the first constraint that a trial's plain config does not fulfil, if any.

        Raises:
            ConfigError: A constraint names a key that the config has not, or cannot be computed.
        """
        return next((constraint for constraint in self.constraints if not constraint.holds(config)), None)

    def _grid_values(self) -> dict[str, list[Any]]:
        return {key: domain.values() for key, domain in self.domains.items() if isinstance(domain, Grid)}

    def _fill(self, given: Mapping[str, Any] | None, choose: Any) -> dict[str, Any]:
        assignment = dict(given or {})
        chosen = {}
        for key, domain in self.domains.items():
            if key in assignment or isinstance(domain, Grid) or not is_active(key, assignment, self.conditions):
                continue
            assignment[key] = chosen[key] = choose(key, domain)
        return chosen


def _check_words(group: str, section: Mapping[str, Any], domain: Domain) -> None:
    values = domain.values()
    if values is None or not all(isinstance(value, str) for value in values):
        raise ConfigError(f"tuner.space: {group}: a config group takes words, {{choice: [WORD, WORD]}}; got {section}.")


def _split_conditions(
    space: Mapping[str, Any], base: Mapping[str, Any]
) -> tuple[dict[str, tuple[Condition, ...]], tuple[str, ...]]:
    """Return the conditions on keys of the space, by key, and the keys that conditions on the base config leave out."""
    parsed = {key: parse_conditions(key, section) for key, section in space.items()}
    left_out = {
        key
        for key, conditions in parsed.items()
        for condition in conditions
        if condition.key not in space and not condition.allows(_base_value(key, condition.key, space, base))
    }
    inner = {key: tuple(one for one in conditions if one.key in space) for key, conditions in parsed.items()}
    for key in in_order(inner):
        if any(condition.key in left_out for condition in inner[key]):
            left_out.add(key)
    kept = {key: conditions for key, conditions in inner.items() if key not in left_out}
    return kept, tuple(key for key in space if key in left_out)


def _base_value(key: str, named: str, space: Mapping[str, Any], base: Mapping[str, Any]) -> Any:
    swept = next((other for other in space if changes_with(named, other)), None)
    if swept is not None:
        raise ConfigError(
            f"tuner.space: {key}: when: {named} changes with {swept}, which is swept too; name {swept} instead."
        )
    try:
        return value_at(base, named)
    except KeyError as error:
        raise ConfigError(f"tuner.space: {key}: when: there is no key {named}; {error.args[0]}.") from error


def _check_conditions(key: str, conditions: tuple[Condition, ...], domains: Mapping[str, Domain]) -> None:
    for condition in conditions:
        check_can_be(key, condition, domains[condition.key])
        if isinstance(domains[key], Grid) and not isinstance(domains[condition.key], Grid):
            raise ConfigError(
                f"tuner.space: {key}: when: {condition.key} is drawn, but a grid is counted before anything is drawn. "
                f"Make {condition.key} a grid, or {key} a choice."
            )
