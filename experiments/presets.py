"""Presets of a model: named sizes from the literature in its YAML, any of which may be overridden."""

from collections.abc import Mapping
from typing import Any

from envs.errors import ConfigError


def expand_preset(model: dict[str, Any]) -> dict[str, Any]:
    """Return `_target_` and sizes of the preset that a composed section `model` names, with its own sizes on top.

    Args:
        model: `preset`, a word; `presets`, from such words to `_target_` and sizes; and sizes, where null means: as the
            preset says. A section without `presets` comes back as it is.

    Raises:
        ConfigError: There is no such preset; the message lists those that there are.
    """
    if not model.get("presets"):
        return model
    presets, chosen = model["presets"], model.get("preset")
    if chosen not in list(presets):  # what was typed may be a list, which no dict looks up
        raise ConfigError(f"model.preset={chosen}: expected one of {', '.join(presets)}.")
    own = {key: value for key, value in model.items() if key not in ("preset", "presets") and value is not None}
    return presets[chosen] | own


def with_head_units(algo: dict[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """Return a composed section `algo` whose head, where its `units` are null, is as wide as the model's layers."""
    head = algo.get("training", {}).get("head")
    if not head or head.get("units", 0) is not None:
        return algo
    return algo | {"training": algo["training"] | {"head": head | {"units": model.get("units")}}}
