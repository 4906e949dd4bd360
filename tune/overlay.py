"""Experiments fix their algorithm: the numbers in one belong to it."""

import hydra
from hydra.core.global_hydra import GlobalHydra

from envs.app import CONFIG_FOLDER
from envs.errors import ConfigError


def check_experiment(experiment: str | None, algo: str, overrides: list[str], config_name: str) -> None:
    """Refuse another `algo` beside an experiment: it would be composed with the numbers of the experiment's own.

    Args:
        experiment: The chosen overlay, if any.
        algo: The algorithm that was composed.
        overrides: What stood on the command line.
        config_name: The primary config.

    Raises:
        ConfigError: The command line chose another algorithm than the experiment's.
    """
    without = [word for word in overrides if not word.startswith("algo=")]
    if experiment is None or without == overrides:
        return
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        alone = hydra.compose(config_name, overrides=without, return_hydra_config=True)
    own = alone.hydra.runtime.choices["algo"]
    if own != algo:
        raise ConfigError(
            f"experiment={experiment} is a published point of algo={own}; its numbers do not go with algo={algo}. "
            f"Drop one of them: experiment={experiment}, or algo={algo}."
        )
