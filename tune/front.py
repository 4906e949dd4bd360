"""Where several metrics count: the trials that no other one beats in all of them."""

from collections.abc import Iterable, Sequence

from tune.records import FAILED, TrialRecord


def pareto_front(records: Iterable[TrialRecord], modes: Sequence[str]) -> list[TrialRecord]:
    """Return the trials that are not dominated, the best by the first metric first.

    Args:
        records: Of trials; those that failed or reported nothing do not count.
        modes: `max` or `min` of each metric.
    """
    scored = [record for record in records if record.state != FAILED and isinstance(record.objective, list)]
    signs = [1.0 if mode == "max" else -1.0 for mode in modes]
    scores = {one.name: [sign * value for sign, value in zip(signs, one.objective, strict=True)] for one in scored}
    front = [one for one in scored if not any(_dominates(score, scores[one.name]) for score in scores.values())]
    return sorted(front, key=lambda one: scores[one.name], reverse=True)


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Say whether one is as good in everything, and better in something."""
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))
