"""Checks of constructor arguments that came from a config: names and types against the signature, then values."""

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from envs.errors import ConfigError


def check_names(constructor: Callable[..., Any], arguments: Mapping[str, Any], given: Sequence[str] = ()) -> None:
    """Refuse keys that `constructor` does not take, and the lack of those it cannot do without.

    Args:
        constructor: a class or function with keyword arguments.
        arguments: what a user asked for, by name.
        given: names that the suite passes by itself and that a config must not contain.

    Raises:
        ConfigError: names the keys and lists what the constructor takes.
    """
    parameters = _parameters(constructor)
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    choices = [name for name, parameter in parameters.items() if _is_named(parameter) and name not in given]
    unknown = [] if takes_any else [name for name in arguments if name not in choices]
    if unknown:
        raise ConfigError(f"{_title(constructor)} takes no {_keys(unknown)}. It takes {describe(constructor, given)}.")
    missing = [name for name in choices if parameters[name].default is inspect.Parameter.empty]
    missing = [name for name in missing if name not in arguments]
    if missing:
        raise ConfigError(f"{_title(constructor)} needs {_keys(missing)}. It takes {describe(constructor, given)}.")


def build_section(constructor: Callable[..., Any], section: Mapping[str, Any] | None) -> Any:
    """Return what `constructor` makes of a section of a config; None is an empty one.

    Raises:
        ConfigError: a key is unknown or missing. Values are for the constructor to check.
    """
    arguments = dict(section or {})
    check_names(constructor, arguments)
    return constructor(**arguments)


def check_types(constructor: Callable[..., Any], arguments: Mapping[str, Any], given: Sequence[str] = ()) -> None:
    """Refuse values that are not what the annotations of `constructor` say (an int is a fine float, a bool is not).

    Args:
        constructor: a class or function with keyword arguments.
        arguments: values by name.
        given: as for `check_names`; left out of the message.

    Raises:
        ConfigError: names the key, the expected type and what came.
    """
    hints = get_type_hints(constructor.__init__ if inspect.isclass(constructor) else constructor)
    for name, value in arguments.items():
        if name in hints and not _matches(value, hints[name]):
            raise ConfigError(
                f"{_title(constructor)} expected {name}: {inspect.formatannotation(hints[name])}, "
                f"got {value!r} ({type(value).__name__}). It takes {describe(constructor, given)}."
            )


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise a ConfigError that lists the `choices` unless `value` is one of them."""
    if value not in choices:
        raise ConfigError(f"Expected {name} to be one of {', '.join(choices)}, got {value!r}.")


def check_range(name: str, value: float, low: float, high: float = float("inf")) -> None:
    """Raise a ConfigError unless `low <= value <= high` (NaN is in no range)."""
    if not low <= value <= high:
        wanted = f"at least {low}" if high == float("inf") else f"in {low} … {high}"
        raise ConfigError(f"Expected {name} to be {wanted}, got {value!r}.")


def describe(constructor: Callable[..., Any], hidden: Sequence[str] = ()) -> str:
    """Return the named arguments with types and defaults, as in `image_size: int = 96, grayscale: bool = False`."""
    parameters = _parameters(constructor).values()
    shown = [str(parameter) for parameter in parameters if _is_named(parameter) and parameter.name not in hidden]
    return ", ".join(shown) or "nothing"


def _parameters(constructor: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(constructor).parameters


def _is_named(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)


def _title(constructor: Callable[..., Any]) -> str:
    return str(getattr(constructor, "__name__", constructor))


def _keys(names: Sequence[str]) -> str:
    return ("key " if len(names) == 1 else "keys ") + ", ".join(repr(name) for name in names)


def _matches(value: Any, hint: Any) -> bool:
    origin = get_origin(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_matches(value, option) for option in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    if hint is None:
        return value is None
    kind = origin or hint
    if isinstance(value, bool):  # a bool is an int to Python, but `image_size: true` is a mistake
        return kind is bool
    if kind is float:
        return isinstance(value, int | float)
    return isinstance(value, kind) if inspect.isclass(kind) else True
