"""What the ends of a range must be."""

from typing import Any, Final

from envs.errors import ConfigError

LARGEST: Final = 2**53  # up to here floats have every whole number; generators and searches stop not far behind


def ends(key: str, kind: str, given: Any, is_log: bool) -> list[Any]:
    """Return the two ends of a range.

    Args:
        key: The dotted key.
        kind: Of the domain.
        given: What stands in the YAML.
        is_log: Whether the logarithm is drawn.

    Raises:
        ConfigError: These are not two numbers, the lower one first; or not above 0 for a logarithm.
    """
    where, (low, high) = numbers(key, kind, given, "[LOW, HIGH]")
    check_order(where, low, high)
    if is_log and low <= 0:
        raise ConfigError(f"{where}: a logarithm needs both ends above 0, got {low}.")
    return [low, high]


def numbers(key: str, kind: str, given: Any, form: str) -> tuple[str, list[Any]]:
    """Return how errors about a range begin, and its numbers.

    Args:
        key: The dotted key.
        kind: Of the domain.
        given: What stands in the YAML.
        form: What was expected, one name a number.

    Raises:
        ConfigError: It is no list of so many finite numbers, or one is larger than any key takes.
    """
    where = f"tuner.space: {key}: {{{kind}: {given}}}"
    if not isinstance(given, list) or len(given) != len(form.split(",")) or not all(map(is_number, given)):
        raise ConfigError(f"{where}: expected numbers, {{{kind}: {form}}}, none beyond {LARGEST:.0e}.")
    return where, given


def is_number(value: Any) -> bool:
    """Say whether it is a finite number of a size that keys take; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def check_order(where: str, low: float, high: float) -> None:
    """Refuse a range that is empty, one value or upside down."""
    if low >= high:
        raise ConfigError(f"{where}: expected the lower end first, got {low} and {high}.")
