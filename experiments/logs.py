"""Where the processes of a run log: one file in its folder, without what users can do nothing about."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_FORMAT = "%(asctime)s %(processName)s[%(process)d] %(levelname)s %(name)s: %(message)s"

# Messages of Ray's about itself, at every start or with every module that is built.
_CHATTER = (
    "ray._common.deprecation",  # RLlib builds its modules with a class that it deprecates
    "ray._private.authentication.authentication_token_setup",  # says that authentication is on, as it should be
    "ray.rllib.algorithms.algorithm_config",  # welcomes SAC to the new API stack
    "ray.tune.execution.tune_controller",  # prints a traceback where a node died; `Recorder` says what comes of it
    "ray.tune.utils.util",  # would like gputil
    "ray.tune.analysis.experiment_analysis",  # misses the loggers that `Recorder` replaces
)


class _Notes(logging.Handler):
    """Hands warnings to whoever owns the console's last line."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(f"{record.levelname.lower()}: {record.getMessage()}")


class _RunLog(logging.FileHandler):
    """The file of this process's run."""


@contextmanager
def console_through(say: Callable[[str], None]) -> Iterator[None]:
    """Let warnings reach the console through `say` while a live line stands there."""
    root = logging.getLogger()
    direct = [handler for handler in root.handlers if type(handler) is logging.StreamHandler]
    notes = _Notes(say)
    root.addHandler(notes)
    for handler in direct:
        root.removeHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(notes)
        for handler in direct:
            root.addHandler(handler)


def silence_chatter() -> None:
    """Keep Ray's messages about itself from the user."""
    for name in _CHATTER:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def log_to(path: Path) -> None:
    """Append what this process logs, from INFO on, to a file that others append to as well, and to no other one."""
    silence_chatter()
    root = logging.getLogger()
    for before in [handler for handler in root.handlers if isinstance(handler, _RunLog)]:
        root.removeHandler(before)  # of the run before, with --multirun
        before.close()
    handler = _RunLog(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(_FORMAT))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
