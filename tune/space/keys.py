"""The keys of a config that a sweep may vary, and what they are in a trial's plain config."""

import re
from collections.abc import Mapping
from typing import Any, Final

from envs.errors import ConfigError

# Config groups whose word a sweep may choose: the whole section goes with it.
GROUPS: Final = ("env", "model", "algo")
# What a plain config holds a word of instead of the key itself: `choices` has it.
_WORDS: Final = {**{group: group for group in GROUPS}, "model.preset": "preset"}

_ONE_SWEEP = "it is one for all trials of a sweep"
_REFUSED: Final = {
    "tuner": "it says how the sweep itself goes",
    "ray": "a choice of this group says on which machines all trials run; sweep keys such as ray.envs_per_runner",
    "ray.num_cpus": f"{_ONE_SWEEP}: trials share the cores",
    "ray.cpus_per_trial": f"{_ONE_SWEEP}: how many trials run at once follows from it",
    "ray.address": f"{_ONE_SWEEP}: trials share the cluster",
    "ray.start_timeout_s": f"{_ONE_SWEEP}: trials share the cluster",
    "evaluation.final_episodes": f"{_ONE_SWEEP}: trials are scored on the same tracks",
    "evaluation.final_first_seed": f"{_ONE_SWEEP}: trials are scored on the same tracks",
    "evaluation.videos": f"{_ONE_SWEEP}: trials are scored in the same way",
    "evaluation.register": f"{_ONE_SWEEP}: only its best trial may go to the registry",
    "resume": "a sweep is resumed as a whole",
    "name": f"{_ONE_SWEEP}: its folder below the outputs",
    "paths": f"{_ONE_SWEEP}: where its files are",
    "tracking": f"{_ONE_SWEEP}: trials are compared in one place",
    "debug": "an overlay changes many keys at once; sweep the keys themselves",
    "experiment": "an overlay changes many keys at once; sweep the keys themselves",
    "hydra": "it says how configs are composed",
    "choices": "it only tells which words were chosen; sweep the groups themselves",
}
_WITH_ALL_BELOW: Final = set(_REFUSED) - {"ray"}


def check_sweepable(key: Any) -> None:
    """Refuse keys that no trial may have of its own.

    Raises:
        ConfigError: It is no dotted key, or one that belongs to the sweep; the message has the reason.
    """
    if not isinstance(key, str) or not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", key):
        raise ConfigError(f"tuner.space: {key}: expected a dotted key of the config, such as algo.training.lr.")
    for refused, reason in _REFUSED.items():
        if key == refused or (refused in _WITH_ALL_BELOW and key.startswith(f"{refused}.")):
            raise ConfigError(f"tuner.space: {key} cannot differ between trials: {reason}.")


def value_at(config: Mapping[str, Any], key: str) -> Any:
    """Return what a dotted key has in a trial's plain config; a group has its word.

    Args:
        config: Plain, as `experiments.schema.to_plain` makes it, with the groups' words as `choices`.
        key: `algo.training.lr`, `model`, `model.preset`.

    Raises:
        KeyError: There is no such key. Its argument says which keys there are beside it.
    """
    if key in _WORDS and _WORDS[key] in config.get("choices", {}):
        return config["choices"][_WORDS[key]]
    value: Any = config
    path: list[str] = []
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            keys = sorted(map(str, value)) if isinstance(value, Mapping) else []
            where = ".".join(path) or "the config"
            raise KeyError(f"{where} has {', '.join(keys)}" if keys else f"{where} has no keys, it is {value}")
        value = value[part]
        path.append(part)
    return value


def changes_with(key: str, swept: str) -> bool:
    """Say whether a key's value goes with a swept one: it lies in the section of a group, or among a preset's sizes."""
    if swept in GROUPS:
        return key.startswith(f"{swept}.")
    return swept == "model.preset" and key.startswith("model.") and key != swept
