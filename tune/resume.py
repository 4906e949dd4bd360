"""Going on with a run: its saved config wins, and says what may differ from it."""

from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from envs.app import CONFIG_FOLDER
from envs.errors import ConfigError
from experiments import folders
from experiments.checkpoints import newest_whole_checkpoint
from experiments.runs import find_run_folder, read_config
from experiments.schema import to_plain
from tune.records import TrialRecord

# What may change between the segments of one run: it decides when a run ends and on what it runs, not what it learns.
CHANGEABLE = ("stop", "ray", "checkpoint")
_CHANGEABLE_KEYS = ("tuner.num_concurrent", "tuner.max_failures", "tuner.max_trials")
_TUNED = "algo.training"  # what a population changes: the record has the newest


def resumed_config(word: str, outputs: Path, overrides: list[str], composed: DictConfig) -> tuple[Path, dict[str, Any]]:
    """Return the folder and the config of the run to go on with.

    Args:
        word: `latest`, or a run folder.
        outputs: Where runs are.
        overrides: What stood on the command line.
        composed: The config that the command line composed.

    Raises:
        ConfigError: There is no such run, or something was asked for that may not change; both values are shown.
    """
    folder = find_run_folder(word, outputs)
    saved = read_config(folder)
    if "choices" not in saved:
        raise ConfigError(f"{folder} does not say which env, model and algo it chose; it was not started by run.py.")
    if composed.model.get("preset") not in composed.model.get("presets", [None]):
        composed.model.preset = next(iter(composed.model.presets))  # the typed one may be of the saved model
    asked = to_plain(composed)
    # What runs had before there were the keys.
    saved["ray"].setdefault("precision", "float32")
    saved["env"].setdefault("action_history", 0)
    saved["ray"].setdefault("cpus_per_trial", None)
    saved.setdefault("words", [])
    saved["tuner"] = asked["tuner"] | saved["tuner"]
    saved["choices"].setdefault("preset", "nature" if saved["choices"]["model"] == "cnn" else None)
    refused = []
    for override in overrides:
        key, _, _ = override.lstrip("+~").partition("=")
        if key == "resume" or key == "paths.outputs":
            continue
        if key == "ray":
            saved["ray"] |= _of_option(asked["ray"])
            continue
        group = key.removeprefix("model.") if key == "model.preset" else key
        if key.startswith("model.presets."):  # a saved model has sizes alone: all of them are compared
            before, now = saved["model"], asked["model"]
        elif group in saved["choices"]:
            word = override.partition("=")[2]
            before, now = saved["choices"][group], None if word == "null" else word
        else:
            before, now = _value(saved, key), _value(asked, key)
        if before == now:
            continue
        if key.partition(".")[0] in CHANGEABLE or key in _CHANGEABLE_KEYS:
            _assign(saved, key, now)
        else:
            refused.append(f"{key}: saved {before}, asked {now}")
    if refused:
        may = ", ".join([*(f"{section}.*" for section in CHANGEABLE), *_CHANGEABLE_KEYS])
        raise ConfigError(
            f"{folder} goes on as it was begun; only {may} may be changed. Refused: {'; '.join(refused)}. "
            "Start a new run for these."
        )
    return folder, _moved(saved, str(folder.parent.parent))


def saved_config(base: dict[str, Any], run_folder: Path, record: TrialRecord) -> dict[str, Any]:
    """Return a trial's config as it was saved, with what may change between the segments of a run as it is now.

    Args:
        base: The run's plain config, as it is now.
        run_folder: The run's.
        record: The trial's. The only trial of a run from before there were sweeps may have the run's config.

    Raises:
        ConfigError: The trial's config is gone.
    """
    folder = run_folder / folders.TRIALS / record.name
    assignable = tuple(f"{section}." for section in (*CHANGEABLE, _TUNED))
    if (folder / folders.CONFIG).exists():
        config = read_config(folder)
    elif all(key.startswith(assignable) for key in record.assigned):
        config = deepcopy(base)
    else:
        raise ConfigError(
            f"{folder} has no {folders.CONFIG}: trial {record} cannot go on. Bring it back, or start a new sweep."
        )
    for section in (*CHANGEABLE, "paths", "tracking", "tuner"):
        config[section] = deepcopy(base[section])
    for key, value in record.assigned.items():
        if key.startswith(assignable):
            _assign(config, key, value)
    return config


def check_trials(folder: Path, records: Iterable[TrialRecord]) -> None:
    """Check that these trials of a run can go on.

    Raises:
        ConfigError: All checkpoints of a trial are damaged.
    """
    for record in records:
        newest_whole_checkpoint(folder / folders.TRIALS / record.name / folders.CHECKPOINTS)


def _moved(saved: dict[str, Any], outputs: str) -> dict[str, Any]:
    """Return the config with what it keeps below its outputs where these are now, should they have been moved."""
    before = saved["paths"]["outputs"]
    for section in ("paths", "tracking"):
        moved = {
            key: value.replace(before, outputs) if isinstance(value, str) else value
            for key, value in saved[section].items()
        }
        saved[section] = moved
    return saved


def _of_option(ray: dict[str, Any]) -> dict[str, Any]:
    """Return what a word such as `ray=cluster` says: where to run, and what differs from this machine's usual keys."""
    usual: Any = OmegaConf.load(CONFIG_FOLDER / "ray" / "local.yaml")
    return {key: value for key, value in ray.items() if key == "address" or value != usual[key]}


def _value(config: dict[str, Any], key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _assign(config: dict[str, Any], key: str, value: Any) -> None:
    *sections, name = key.split(".")
    for section in sections:
        config = config[section]
    config[name] = value
