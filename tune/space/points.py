"""Points of a space: all of a grid, their number, and a few that touch every corner."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tune.space.conditions import Conditions, is_active, ways_to
from tune.space.domain import is_same

Values = Mapping[str, list[Any]]


def all_points(values: Values, conditions: Conditions) -> Iterator[dict[str, Any]]:
    """Yield every combination, the first key changing slowest; a key whose conditions do not hold is left out.

    Args:
        values: Of each key, in an order in which conditions name earlier keys alone.
        conditions: Of each key.
    """
    keys = list(values)

    def extend(position: int, point: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield all points that begin with one; `position` is of the first key that it has not been asked for."""
        if position == len(keys):
            yield dict(point)
            return
        key = keys[position]
        if not is_active(key, point, conditions):
            yield from extend(position + 1, point)
            return
        for value in values[key]:
            yield from extend(position + 1, {**point, key: value})

    yield from extend(0, {})


def num_points(values: Values, conditions: Conditions) -> int:
    """Return how many `all_points` yields, without making them.

    Values that all conditions treat alike are counted together, and a value is forgotten behind the last condition
    that names its key; so the work grows with the conditions, not with the points.
    """
    keys = list(values)
    counts: Counter[tuple[tuple[str, int], ...]] = Counter({(): 1})  # of points so far, by what later conditions see
    for position, key in enumerate(keys):
        later = [condition for other in keys[position + 1 :] for condition in conditions[other]]
        naming = [condition for condition in later if condition.key == key]
        kinds = Counter(tuple(condition.allows(value) for condition in naming) for value in values[key])
        first: dict[tuple[bool, ...], int] = {}  # a value of each kind
        for index, value in enumerate(values[key]):
            first.setdefault(tuple(condition.allows(value) for condition in naming), index)
        named = {condition.key for condition in later}
        before, counts = counts, Counter()
        for seen, number in before.items():
            point = {other: values[other][index] for other, index in seen}
            kept = tuple(part for part in seen if part[0] in named)
            if not is_active(key, point, conditions):
                counts[kept] += number
                continue
            for kind, share in kinds.items():
                counts[(*kept, (key, first[kind])) if naming else kept] += number * share
    return sum(counts.values())


def covering_points(corners: Values, conditions: Conditions) -> list[dict[str, Any]]:
    """Return a few points in which every corner of every key occurs.

    Args:
        corners: Of each key, in an order in which conditions name earlier keys alone.
        conditions: Of each key; each can be fulfilled.
    """
    missing = {key: list(values) for key, values in corners.items()}
    points = []
    for target in corners:
        while missing[target]:
            forced = {**next(ways_to(target, conditions)), target: missing[target][0]}
            point: dict[str, Any] = {}
            for key in corners:
                if not is_active(key, point, conditions):
                    continue
                point[key] = forced[key] if key in forced else (missing[key] or corners[key])[0]
                if missing[key] and missing[key][0] is point[key]:
                    missing[key].pop(0)
                else:
                    missing[key] = [value for value in missing[key] if not is_same(value, point[key])]
            points.append(point)
    return points
