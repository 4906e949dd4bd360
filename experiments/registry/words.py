"""The words of `run=` that mean something in MLflow: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `mlflow:RUN_ID`."""

import json
import re
from pathlib import Path
from typing import Any

from envs.errors import ConfigError
from experiments import folders
from experiments.mlflow_store import without_password
from experiments.registry import package
from experiments.registry.cache import Origin, fetch, run_folder, version_folder
from experiments.registry.store import RegistryError, as_registry_errors, connect, is_missing

_MODELS, _RUN = "models:", "mlflow:"
_MODEL_WORD = re.compile(r"models:/(?P<name>[^/@:.][^/@:]*)(?:@(?P<alias>[^/@:]+)|/(?P<version>[0-9]{1,9}))")
_SHOWN = 5  # of what there is instead


def is_store_word(word: str) -> bool:
    """Return whether a word means something in MLflow, or tries to."""
    return word.startswith((_MODELS, _RUN))


def find_in_store(word: str, outputs: Path, uri: str) -> Path:
    """Return the folder that a word means: one of this machine's runs or trials, or a policy that was fetched.

    Args:
        word: One for which `is_store_word` holds.
        outputs: Below it, `registry/` keeps what is fetched.
        uri: The store's address (paths.mlflow_uri).

    Raises:
        ConfigError: There is no such model, alias, version, run or store; what there is, is listed.
    """
    try:
        with as_registry_errors(uri):
            client = connect(uri)
            return (_find_version if word.startswith(_MODELS) else _find_run)(client, word, outputs)
    except RegistryError as error:
        raise ConfigError(
            f"run={word} cannot be looked up (paths.mlflow_uri={without_password(uri)}): {error}"
        ) from error


def _find_version(client: Any, word: str, outputs: Path) -> Path:
    from mlflow.exceptions import MlflowException

    match = _MODEL_WORD.fullmatch(word)
    if match is None:
        raise ConfigError(f"run={word}: expected models:/NAME@ALIAS or models:/NAME/VERSION. {_known_models(client)}")
    name = match["name"]
    try:
        aliases = client.get_registered_model(name).aliases
    except MlflowException as error:
        if not is_missing(error):
            raise
        raise ConfigError(f"There is no registered model {name} (run={word}). {_known_models(client)}") from error
    version = match["version"] or aliases.get(match["alias"])
    if version is None:
        held = ", ".join(f"{name}@{alias} (version {of})" for alias, of in sorted(aliases.items())) or "no alias yet"
        raise ConfigError(f"{name} has no alias {match['alias']}; it has {held}. {_known_versions(client, name)}")
    try:
        source = client.get_model_version(name, version).source
    except MlflowException as error:
        if not is_missing(error):
            raise
        raise ConfigError(f"{name} has no version {version}. {_known_versions(client, name)}") from error
    try:
        return fetch(client, Origin.of_source(source), version_folder(outputs, name, int(version)))
    except ValueError as error:
        raise ConfigError(f"run={word} cannot be used: {error}. {_known_versions(client, name)}") from error


def _find_run(client: Any, word: str, outputs: Path) -> Path:
    from mlflow.exceptions import MlflowException

    run_id = word.removeprefix(_RUN)
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if not (is_missing(error) or error.error_code == "INVALID_PARAMETER_VALUE"):
            raise
        raise ConfigError(f"MLflow has no run {run_id or '(empty)'} (run={word}). {_known_runs(client)}") from error
    local = _local_folder(run)
    if local is not None:
        return local
    names = _packages(client, run_id)
    if not names:
        raise ConfigError(
            f"Run {run_id} ({run.info.run_name}) has no policy in MLflow, and its folder "
            f"{run.data.tags.get('folder', '')} is not on this machine. {_known_children(client, run)}"
        )
    try:
        return fetch(client, Origin(run_id, max(names, key=str)), run_folder(outputs, run_id))
    except ValueError as error:
        raise ConfigError(f"run={word} cannot be used: {error}. {_known_models(client)}") from error


def _local_folder(run: Any) -> Path | None:
    """Return the folder of a run or trial that lies on this machine, says so itself, and has a checkpoint."""
    folder = Path(run.data.tags.get("folder", ""))
    if not folder.is_absolute() or not (folder / folders.CONFIG).is_file():
        return None
    of_run = folder if (folder / folders.TRIALS).is_dir() else folder.parent.parent
    try:
        ids = json.loads((of_run / folders.MLFLOW_RUN).read_text(encoding="utf-8"))
        ours = (ids["run"], *ids["trials"].values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    places = [folder, *(folder / folders.TRIALS).glob("*")]
    has_checkpoint = any((place / folders.CHECKPOINTS / folders.LATEST).exists() for place in places)
    return folder if run.info.run_id in ours and has_checkpoint else None


def _packages(client: Any, run_id: str) -> list[package.PackageName]:
    listed = [Path(info.path).name for info in client.list_artifacts(run_id, package.ROOT)]
    return [name for name in map(package.PackageName.parse, listed) if name is not None]


def _known_models(client: Any) -> str:
    names = sorted(model.name for model in client.search_registered_models())
    if not names:
        return "Nothing is registered yet; a run registers its policy after its final evaluation."
    return "Registered: " + ", ".join(names) + "."


def _known_versions(client: Any, name: str) -> str:
    versions = sorted(client.search_model_versions(f"name='{name}'"), key=lambda found: -int(found.version))
    if not versions:
        return "It has no version."
    lines = [f"models:/{name}/{found.version} (return {found.tags.get('score_mean', '?')})" for found in versions]
    return f"Newest of {len(lines)} versions:\n  " + "\n  ".join(lines[:_SHOWN])


def _known_runs(client: Any) -> str:
    experiments = [found.experiment_id for found in client.search_experiments()]
    runs = client.search_runs(experiments, max_results=_SHOWN, order_by=["attributes.start_time DESC"])
    return _run_lines("The newest runs", runs)


def _known_children(client: Any, run: Any) -> str:
    children = client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'", max_results=50
    )
    having = [child for child in children if _local_folder(child) or _packages(client, child.info.run_id)]
    return _run_lines("Its trials with a policy", having[:_SHOWN]) if having else _known_models(client)


def _run_lines(title: str, runs: Any) -> str:
    lines = [f"mlflow:{run.info.run_id} ({run.info.run_name})" for run in runs]
    return f"{title}:\n  " + ("\n  ".join(lines) or "none")
