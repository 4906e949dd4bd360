"""Where the processes of a run log: one file in its folder, without what users can do nothing about."""

import logging
from pathlib import Path

_FORMAT = "%(asctime)s %(processName)s[%(process)d] %(levelname)s %(name)s: %(message)s"

# Messages of Ray's about itself, at every start or with every module that is built.
_CHATTER = (
    "ray._common.deprecation",  # RLlib builds its modules with a class that it deprecates
    "ray._private.authentication.authentication_token_setup",  # says that authentication is on, as it should be
    "ray.rllib.algorithms.algorithm_config",  # welcomes SAC to the new API stack
    "ray.tune.utils.util",  # would like gputil
    "ray.tune.analysis.experiment_analysis",  # misses the loggers that `Recorder` replaces
)


def silence_chatter() -> None:
    """Keep Ray's messages about itself from the user."""
    for name in _CHATTER:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def log_to(path: Path) -> None:
    """Append what this process logs, from INFO on, to a file that others append to as well."""
    silence_chatter()
    root = logging.getLogger()
    if any(isinstance(handler, logging.FileHandler) for handler in root.handlers):
        return
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(_FORMAT))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
