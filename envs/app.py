"""The one entry of every command: Hydra's composition, our exit codes, no files but those that the command writes."""

import logging
import os
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from envs.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent
CONFIG_FOLDER = ROOT / "conf"

OK, FAILED, WRONG_REQUEST, INTERRUPTED = 0, 1, 2, 130
_MULTIRUN = ("-m", "--multirun")


def run_app(main: Callable[[DictConfig], int], *, config_name: str) -> NoReturn:
    """Compose `conf/CONFIG_NAME.yaml` with the command line, call `main` with it, and exit.

    The console shows warnings; a command that has a folder logs more there. Exit codes: what `main` returns; 2 for a
    wrong request (no traceback, the choices are listed), 1 for a failure, 130 for ctrl-C or SIGTERM. With Hydra's
    `--multirun` one after another is called; the first that is no success is the last, unless it merely failed.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # who ends us politely is told goodbye as on ctrl-C
    os.environ["HYDRA_FULL_ERROR"] = "1"  # lets errors reach us instead of Hydra's own printer, which exits with 1
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    code = FAILED
    result: list[int] = []
    raised: list[BaseException] = []
    composed: list[DictConfig] = []

    here = os.getcwd()

    def task(config: DictConfig) -> None:
        """Call `main`, and keep for later what Hydra would swallow: its code, or what it raised."""
        if raised or INTERRUPTED in result:  # of several: the others would not fare better
            return
        composed.append(config)
        os.chdir(here)  # a run before this one may have gone elsewhere
        try:
            result.append(main(config))
        except (Exception, KeyboardInterrupt) as error:  # Hydra would print a line of its own and hide the traceback
            raised.append(error)

    try:
        with tempfile.TemporaryDirectory() as folder:
            words = [word for word in sys.argv[1:] if word not in _MULTIRUN]
            if len(words) < len(sys.argv[1:]):  # Hydra leaves a file where it sweeps, and wants the flag first
                sys.argv[1:] = ["--multirun", *words, f"hydra.sweep.dir={folder}"]
            hydra.main(version_base="1.3", config_path=str(CONFIG_FOLDER), config_name=config_name)(task)()
        if raised:
            raise raised[0]
        code = max(result, default=OK)  # --help and --cfg do not call main
    except ConfigError as error:
        code = _refuse(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        code = _refuse(explain(error, config_name))
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        if composed:
            traceback.print_exc()
        else:  # Hydra raises plain ValueErrors for some words, such as algo=null
            code = _refuse(f"{error}. Each group takes one of its options: see --help.")
    sys.stdout.flush()
    sys.exit(code)


def plain(config: DictConfig) -> dict[str, Any]:
    """Return a config as plain values, with nothing left to be filled in."""
    container: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    return dict(container)


def explain(error: Exception, config_name: str) -> str:
    """Say in words what Hydra did not like, with the keys that there are where a key does not exist."""
    causes = [str(error)]
    while error.__cause__ is not None:
        error = error.__cause__  # type: ignore[assignment]
        causes.append(str(error))
    text = "\n".join(dict.fromkeys(line for cause in causes for line in cause.splitlines() if line.strip()))
    unknown = re.search(r"Could not override '([\w./@]+)'", text)
    if unknown is None:
        return text
    return f"There is no key {unknown[1]}. {_choices(unknown[1], config_name)}"


def _choices(key: str, config_name: str) -> str:
    """List the keys beside the one that does not exist, in the config as its other choices compose it."""
    groups = {path.name for path in CONFIG_FOLDER.iterdir() if path.is_dir()}
    chosen = [word for word in sys.argv[1:] if word.partition("=")[0] in groups]
    try:
        node = _compose(config_name, chosen)
    except HydraException:  # one of the chosen words is the wrong one
        node = _compose(config_name, [])
    path: list[str] = []
    for part in key.split("."):
        child = OmegaConf.select(node, part) if isinstance(node, DictConfig) else None
        if not isinstance(child, DictConfig):
            break
        node, path = child, [*path, part]
    where = ".".join(path) or "The config"
    return f"{where} has {', '.join(sorted(str(name) for name in node))}."


def _compose(config_name: str, overrides: list[str]) -> DictConfig:
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        return hydra.compose(config_name, overrides=overrides)


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return WRONG_REQUEST
