"""From a key's section of `tuner.space` to its domain."""

from typing import Any, Final

from envs.errors import ConfigError
from tune.space.domain import Domain
from tune.space.lists import Choice, Grid
from tune.space.ranges import LogUniform, Normal, Uniform
from tune.space.rows import Integers, LogIntegers, Steps

WHEN = "when"  # stands beside the domain: on which conditions the key is part of a trial
KINDS: Final[dict[str, type[Choice | Uniform | Steps | Integers | Normal]]] = {
    "grid": Grid,
    "choice": Choice,
    "uniform": Uniform,
    "loguniform": LogUniform,
    "quniform": Steps,
    "randint": Integers,
    "lograndint": LogIntegers,
    "normal": Normal,
}


def parse_domain(key: str, section: Any) -> Domain:
    """Read what stands at a key of `tuner.space`, such as `{loguniform: [1.0e-5, 1.0e-3]}`.

    Args:
        key: The dotted key, for messages.
        section: The kind of the domain with its numbers, and perhaps `when`.

    Raises:
        ConfigError: There is no such kind, none or several at once, or its values make no sense.
    """
    where, kinds = f"tuner.space: {key}: {section}", ", ".join(KINDS)
    if not isinstance(section, dict):
        raise ConfigError(f"{where}: expected a domain, such as {{choice: [1, 2]}}. The kinds are {kinds}.")
    found = [kind for kind in section if kind != WHEN]
    for kind in found:
        if kind not in KINDS:
            raise ConfigError(f"{where}: there is no domain {kind}. The kinds are {kinds}; {WHEN} may stand beside.")
    if not found:
        raise ConfigError(f"{where}: expected one domain, got none. The kinds are {kinds}.")
    if len(found) > 1:
        raise ConfigError(
            f"{where}: expected one domain, got {' and '.join(found)}. The command line's space is added to an "
            "experiment's; put tuner.space=null before it to search nothing else."
        )
    return KINDS[found[0]].parse(key, found[0], section[found[0]])
