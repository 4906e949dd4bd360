"""`when`: on which values of other keys a key is part of a trial."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from envs.errors import ConfigError
from tune.space.domain import Domain, is_same
from tune.space.domains import WHEN
from tune.space.rows import Integers, Steps

Conditions = Mapping[str, tuple["Condition", ...]]


@dataclass(frozen=True)
class Condition:
    """Another key has one of some values."""

    key: str
    alternatives: tuple[Any, ...]

    def allows(self, value: Any) -> bool:
        """Say whether it is one of them."""
        return any(is_same(value, alternative) for alternative in self.alternatives)


def parse_conditions(key: str, section: Mapping[str, Any]) -> tuple[Condition, ...]:
    """Read `when: {OTHER: VALUE, ANOTHER: [VALUE, VALUE]}` of a key's section; all of it must be so.

    Raises:
        ConfigError: It is no such mapping.
    """
    if WHEN not in section:
        return ()
    given = section[WHEN]
    if not isinstance(given, dict) or not given or not all(isinstance(other, str) for other in given):
        raise ConfigError(
            f"tuner.space: {key}: when: {given}: expected other keys with values, such as {{model: vit}}."
        )
    for other, values in given.items():
        if other == key or values == [] or isinstance(values, dict):
            raise ConfigError(f"tuner.space: {key}: when: {given}: expected another key with a value or several.")
    return tuple(
        Condition(other, tuple(values) if isinstance(values, list) else (values,)) for other, values in given.items()
    )


def check_can_be(key: str, condition: Condition, named: Domain) -> None:
    """Refuse a condition on a key of the space that no trial fulfils.

    Raises:
        ConfigError: The key that it names has no such value, or is a range of floats.
    """
    where, values = f"tuner.space: {key}: when: {condition.key}", named.values()
    if values is None and not isinstance(named, Integers | Steps):
        raise ConfigError(f"{where}: its domain is a range, which hits no value exactly; conditions need a list.")
    for value in condition.alternatives:
        if not named.contains(value):
            can = f"one of {values}" if values is not None else " to ".join(map(str, named.corners()))
            raise ConfigError(f"{where}: it is never {value}; in this space it is {can}.")


def in_order(conditions: Conditions) -> list[str]:
    """Return the keys with each behind those that its conditions name, else as they come.

    Args:
        conditions: Of every key, on keys among them.

    Raises:
        ConfigError: Conditions go in a circle.
    """
    placed: list[str] = []

    def place(key: str, path: tuple[str, ...]) -> None:
        if key in path:
            circle = " needs ".join((*path[path.index(key) :], key))
            raise ConfigError(f"tuner.space: conditions go in a circle: {circle}.")
        if key not in placed:
            for condition in conditions[key]:
                place(condition.key, (*path, key))
            placed.append(key)

    for key in conditions:
        place(key, ())
    return placed


def is_active(key: str, assignment: Mapping[str, Any], conditions: Conditions) -> bool:
    """Say whether a key is part of a trial, given the values of those that its conditions name."""
    return all(
        condition.key in assignment and condition.allows(assignment[condition.key]) for condition in conditions[key]
    )


def ways_to(key: str, conditions: Conditions) -> Iterator[dict[str, Any]]:
    """Yield what other keys may be for this one to be part of a trial: values of all keys that it needs."""

    def extend(so_far: dict[str, Any], open_conditions: tuple[Condition, ...]) -> Iterator[dict[str, Any]]:
        """Yield all ways that begin with values of some keys; `open_conditions` are those not looked at yet."""
        if not open_conditions:
            yield so_far
            return
        first, *rest = open_conditions
        if first.key in so_far:
            if first.allows(so_far[first.key]):
                yield from extend(so_far, tuple(rest))
            return
        for value in first.alternatives:
            yield from extend({**so_far, first.key: value}, (*rest, *conditions[first.key]))

    yield from extend({}, conditions[key])
