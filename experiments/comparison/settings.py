"""The keys of `python -m experiments.compare`, with their types."""

import math
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore

from envs.errors import ConfigError
from experiments.schema import Paths

SELECTORS = ("sweep", "name", "runs")


@dataclass
class CompareConfig:
    """What is compared, and how it is grouped."""

    sweep: str | None = None
    name: str | None = None
    runs: list[str] | None = None
    group_by: list[str] | None = None
    baseline: Any = None  # a word or a number: of a swept key
    threshold: float | None = None
    output: str | None = None
    save_best: str | None = None
    overwrite: bool = False
    paths: Paths = field(default_factory=Paths)


def register_compare_schema() -> None:
    """Let Hydra find the schema by its name in the defaults of `compare.yaml`."""
    ConfigStore.instance().store(name="compare_schema", node=CompareConfig)


def check_words(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with `sweep=latest` where nothing was chosen.

    Raises:
        ConfigError: Two ways of choosing were used at once, a choice is empty, or the threshold is not finite.
    """
    given = [key for key in SELECTORS if settings[key] is not None]
    if len(given) > 1:
        words = " and ".join(f"{key}={settings[key]}" for key in given)
        raise ConfigError(
            f"{words}: expected one of {', '.join(f'{key}=' for key in SELECTORS)}, which choose the runs."
        )
    for key in (*SELECTORS, "group_by"):
        if settings[key] is not None and not settings[key]:
            raise ConfigError(f"{key}={settings[key]} chooses nothing; drop it, or name something.")
    threshold = settings.get("threshold")
    if threshold is not None and not math.isfinite(threshold):
        raise ConfigError(f"threshold={threshold}: expected a finite training return, such as 800.")
    return settings if given else settings | {"sweep": "latest"}
