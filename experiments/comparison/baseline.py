"""Which group the others are measured against."""

import re
from collections.abc import Sequence
from typing import Any

from envs.errors import ConfigError
from experiments.comparison.groups import Group
from experiments.comparison.values import identity, parse


def choose_baseline(groups: Sequence[Group], word: Any) -> tuple[Group, str]:
    """Return the group that the others are measured against, and why it is that one.

    Args:
        groups: all of the comparison.
        word: of `baseline=`: a label, or values that one group alone has (`cnn`, `lr=0.0003`, `model=cnn clip=0.1`).

    Raises:
        ConfigError: The word means no group, or several.
    """
    if word is not None:
        return _named(groups, str(word)), f"baseline={word}"
    own = [group for group in groups if _is_default(group)]
    if len(own) == 1 and own[0].scored:
        return own[0], "what the config says where nothing is swept"
    ranked = sorted(groups, key=lambda group: (group.mean, group.last_return))
    ranked = [group for group in ranked if group.scored] or ranked
    reason = "several groups are" if len(own) > 1 else "no scored group is" if own else "no group is"
    return ranked[(len(ranked) - 1) // 2], f"the one in the middle, as {reason} the config's own"


def _is_default(group: Group) -> bool:
    """Whether a group has the values that its sweep's config has where nothing is swept."""
    defaults = {key: group.trials[0].default(key) for key in group.values}
    return all(
        defaults[key] is not None and identity(value) == identity(defaults[key]) for key, value in group.values.items()
    )


def _named(groups: Sequence[Group], word: str) -> Group:
    exact = [group for group in groups if word in (group.label, group.description)]
    parts = [part for part in re.split(r"[,\s]+", word) if part]
    found = exact or [group for group in groups if all(_has(group, part) for part in parts)]
    if len(found) == 1:
        return found[0]
    labels = "\n  ".join(group.description for group in groups)
    raise ConfigError(
        f"baseline={word} means {f'{len(found)} groups' if found else 'no group'}; expected the values of one of\n"
        f"  {labels}"
    )


def _has(group: Group, part: str) -> bool:
    key, is_pair, value = part.rpartition("=")
    return any(
        (not is_pair or name == key or name.endswith(f".{key}")) and (text == value or parse(text) == parse(value))
        for name, text in group.values.items()
    )
