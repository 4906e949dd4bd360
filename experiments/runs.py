"""Run folders: how a new one is named, and which one `run=` and `resume=` mean."""

from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from envs.errors import ConfigError
from experiments import folders
from experiments.checkpoints import find_damage, latest_checkpoint
from experiments.policy_description import DESCRIPTION, POLICY_FILES
from experiments.registry.package import find_package_damage, is_package
from experiments.registry.words import find_in_store, is_store_word


def create_run_folder(outputs: Path, name: str, choices: dict[str, str]) -> Path:
    """Make `outputs/NAME/DATE_TIME_env_model_algo` and let `outputs/latest` point to it."""
    stem = f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{choices['env']}_{choices['model']}_{choices['algo']}"
    for attempt in range(1, 100):
        folder = outputs / name / (stem if attempt == 1 else f"{stem}_{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:  # two runs started within a second
            continue
        folders.point(outputs / folders.LATEST, folder)
        return folder
    raise ConfigError(f"{outputs / name} holds a hundred runs of this very second; choose another name=NAME.")


def find_run_folder(word: str, outputs: Path) -> Path:
    """Return the run folder that a word means: `latest`, or a path.

    Raises:
        ConfigError: There is no such run; those that there are, are listed.
    """
    link = outputs / folders.LATEST
    folder = folders.follow(link) if word == folders.LATEST else Path(word).resolve()
    if (folder / folders.CONFIG).is_file() and (folder / folders.TRIALS).is_dir():
        return folder
    known = sorted((path.parent for path in outputs.glob(f"*/*/{folders.CONFIG}")), key=lambda path: path.name)
    newest = "\n  ".join(str(path) for path in known[-5:][::-1]) or "none yet; python run.py starts one"
    raise ConfigError(
        f"{word} is no run: {folder} has no {folders.CONFIG}. The newest runs below {outputs}:\n  {newest}"
    )


def find_trial_folders(run_folder: Path) -> list[Path]:
    """Return the trials of a run, in the order that they were made."""
    return sorted(path for path in (run_folder / folders.TRIALS).iterdir() if (path / folders.CONFIG).is_file())


def find_policy_folder(word: str, outputs: Path, mlflow_uri: str | None = None) -> tuple[Path, Path]:
    """Return the folder of the policy that `run=` means, and the folder that its results belong to: its trial's.

    `word` may be what `find_run_folder` takes, a trial's folder, or a checkpoint's. Or it is an exported file: that is
    returned as it is, with a folder beside it, `policy_onnx` for `policy.onnx`. Or it names something in MLflow, at
    `mlflow_uri` (paths.mlflow_uri): `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `mlflow:RUN_ID`; what is not on this
    machine is fetched to `outputs/registry`, and results lie beside it.

    Raises:
        ConfigError: There is no such run, model or version, no checkpoint in it, or several trials to choose from; or
            it is damaged.
    """
    if is_store_word(word):
        if mlflow_uri is None:
            raise ConfigError(f"run={word}: this command does not look into MLflow; name a run's folder.")
        word = str(find_in_store(word, outputs, mlflow_uri))
    folder = Path(word).resolve()
    if folder.is_file() and folder.suffix:  # without an ending, it may be a link's stand-in (`folders.point`)
        return folder, folder.with_name(f"{folder.stem}_{folder.suffix[1:]}")
    if (folder / DESCRIPTION).is_file():
        if is_package(folder):
            damage = find_package_damage(folder)
            if damage is not None:
                raise ConfigError(f"{folder} is damaged: {damage}. Remove it and name its version: run=models:/…")
            return folder, folder.parent
        if folder.parent.name != folders.CHECKPOINTS:  # a policy that left its run
            return folder, folder
        damage = find_damage(folder, POLICY_FILES)
        if damage is not None:
            raise ConfigError(f"Checkpoint {folder} is damaged: {damage}.")
        return folder, folder.parent.parent
    if (folder / folders.CONFIG).is_file() and not (folder / folders.TRIALS).is_dir():
        return latest_checkpoint(folder / folders.CHECKPOINTS, POLICY_FILES), folder
    run_folder = find_run_folder(word, outputs)
    trials = find_trial_folders(run_folder)
    if not trials:
        raise ConfigError(f"{run_folder} has no trial yet: the run stopped while it was starting. Start it anew.")
    if len(trials) > 1:
        raise ConfigError(f"{run_folder} has {len(trials)} trials; name one: run={trials[0]}, …")
    return latest_checkpoint(trials[0] / folders.CHECKPOINTS, POLICY_FILES), trials[0]


def read_config(folder: Path) -> dict[str, Any]:
    """Return the resolved config that a run or trial was started with.

    Raises:
        ConfigError: The file does not hold one.
    """
    path = folder / folders.CONFIG
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path} holds no config.")
    return config


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """Save a resolved config into a run's or trial's folder."""
    folders.write_durably(folder / folders.CONFIG, yaml.safe_dump(config, sort_keys=False))
