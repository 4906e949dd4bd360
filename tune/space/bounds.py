"""What the ends of a range must be."""

import math
from typing import Any

from envs.errors import ConfigError


def numbers(key: str, kind: str, given: Any, form: str) -> tuple[str, list[Any]]:
    """Return how errors about a range begin, and its numbers.

    Args:
        key: The dotted key.
        kind: Of the domain.
        given: What stands in the YAML.
        form: What was expected, one name a number.

    Raises:
        ConfigError: It is no list of so many finite numbers.
    """
    where = f"tuner.space: {key}: {{{kind}: {given}}}"
    if not isinstance(given, list) or len(given) != len(form.split(",")) or not all(map(is_number, given)):
        raise ConfigError(f"{where}: expected numbers, {{{kind}: {form}}}.")
    return where, given


def is_number(value: Any) -> bool:
    """Say whether it is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def check_order(where: str, low: float, high: float) -> None:
    """Refuse a range that is empty, one value or upside down."""
    if low >= high:
        raise ConfigError(f"{where}: expected the lower end first, got {low} and {high}.")


def check_positive(where: str, low: float) -> None:
    """Refuse what has no logarithm."""
    if low <= 0:
        raise ConfigError(f"{where}: a logarithm needs both ends above 0, got {low}.")
