"""The values of swept keys: MLflow keeps them as text, and people read them in labels."""

import ast
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

MISSING = "\N{EN DASH}"  # what a trial has for a key that it does not have
_LOG_RANGE = 10.0


def parse(text: str | None) -> Any:
    """Return the number, truth value, list or word that `experiments.tracking.flatten` wrote as text."""
    if text is None:
        return None
    for read in (json.loads, ast.literal_eval):  # lists are written as JSON, everything else as Python says it
        try:
            return read(text)
        except (ValueError, SyntaxError):
            continue
    return text


def is_number(value: Any) -> bool:
    """Whether a parsed value is a finite number; True is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def identity(text: str | None) -> str | None:
    """Return a value as text that is the same for equal numbers, however they are written: `0` and `0.0`, `1e-3`."""
    value = parse(text)
    return repr(float(value)) if is_number(value) else text


def spans_magnitudes(numbers: Sequence[float]) -> bool:
    """Whether numbers, all positive, span a factor of ten or more: such are compared by their logarithms."""
    return min(numbers) > 0 and max(numbers) / min(numbers) >= _LOG_RANGE


def say(text: str | None, digits: int = 3) -> str:
    """Return a value as labels show it: numbers with a few digits, what is missing as a dash."""
    value = parse(text)
    if value is None:
        return MISSING if text is None else "null"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(text)


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Return the fewest last parts of dotted keys that tell them from each other: `lr` for `algo.training.lr`."""
    short: dict[str, str] = {}
    for key in keys:
        parts = key.split(".")
        for count in range(1, len(parts) + 1):
            ending = ".".join(parts[-count:])
            if sum(other == ending or other.endswith(f".{ending}") for other in keys) == 1:
                break
        short[key] = ending
    return short


def say_all(values: Mapping[str, str | None], names: Mapping[str, str], digits: int = 3) -> str:
    """Return `lr=0.0003, clip=0.2` of keys and values, with the keys' short names."""
    return ", ".join(f"{names[key]}={say(value, digits)}" for key, value in values.items())


def order(text: str | None) -> tuple[int, float, str]:
    """Return by what values are sorted: numbers by size, then words by the alphabet, then what is missing."""
    value = parse(text)
    if is_number(value):
        return 0, float(value), ""
    return (2, 0.0, "") if text is None else (1, 0.0, text)
