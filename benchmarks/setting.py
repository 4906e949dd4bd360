"""What several benchmarks need: a run's config as the command line composes it, which peers there are, and tables."""

import importlib.util
import statistics
from collections.abc import Sequence
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import open_dict

from envs.app import CONFIG_FOLDER
from experiments.schema import register_schema, to_plain

HOW_TO_INSTALL = "`pip install -e .[bench]` installs it"


def run_config(*words: str) -> dict[str, Any]:
    """Return the plain config that `python run.py WORDS` would train with."""
    register_schema()
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        config = hydra.compose("config", overrides=list(words), return_hydra_config=True)
    with open_dict(config):
        del config["hydra"]
    return to_plain(config)


def is_installed(package: str) -> bool:
    """Return whether a peer can be imported; where it cannot, say how to get it and that it is left out."""
    found = importlib.util.find_spec(package) is not None
    if not found:
        print(f"{package} is not installed and is left out; {HOW_TO_INSTALL}.")
    return found


def spread(values: Sequence[float], digits: int) -> str:
    """Return two cells of a table: the median of `values`, and their lowest … highest."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):,.{digits}f} | {low:,.{digits}f} … {high:,.{digits}f}"


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
