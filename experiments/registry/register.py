"""Puts a policy into MLflow's model registry, and decides whether it becomes its env's champion."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.policy_description import DESCRIPTION, WEIGHTS
from experiments.registry import package
from experiments.registry.cache import fetch_evaluation
from experiments.registry.contest import Judgement, Score, judge
from experiments.registry.descriptions import describe_model, describe_version, version_tags
from experiments.registry.store import ALIAS, RegistryError, as_registry_errors, connect, first_line, is_missing

VERDICT, REASON, WEIGHTS_TAG = "verdict", "reason", "weights"  # tags of a version; the last, of its weights' SHA-256
_PREFIX = "chicane-"
_ATTEMPTS = 5  # as often may another driver set the alias while this one compares


@dataclass(frozen=True)
class RegistryVerdict:
    """What became of a policy in the registry.

    Attributes:
        name: The registered model's, `chicane-ENV`.
        version: Its version there.
        is_champion: Whether the alias names it now.
        reason: Why or why not, as half a sentence.
    """

    name: str
    version: int
    is_champion: bool
    reason: str

    def __str__(self) -> str:
        """Return the line that a person reads."""
        role = f"the {ALIAS}" if self.is_champion else f"not the {ALIAS}"
        return f"models:/{self.name}/{self.version} is {role}: {self.reason}."


def model_name(env: str) -> str:
    """Return what an env's policies are registered as; `env` is the option's word."""
    return f"{_PREFIX}{env}"


def register(
    uri: str, run_id: str, policy_folder: Path, evaluation: Mapping[str, Any], config: Mapping[str, Any]
) -> RegistryVerdict:
    """Make a policy a version of `chicane-ENV`; it becomes the champion where its evaluation says that it is better.

    It is better where there is no champion yet, or where the paired interval lies above 0 (`contest.judge`). What
    cannot be compared, or was driven on too few tracks, stays a plain version. Repeating the call with the same policy
    and score, as a resume of a finished run does, finds the version that it made. Two drivers at once get a version
    each. The alias is read again just before it is set, and a champion that came in between is compared with; MLflow
    cannot set it only if unchanged, so of two that come within the same request the later keeps it, and the other's
    tags still say what it won against.

    Args:
        uri: The store's address, as for `MlflowTracker`.
        run_id: MLflow's id of the run that trained it; the files become artifacts of that run.
        policy_folder: Where `policy.safetensors` and `policy.json` are, as in a checkpoint.
        evaluation: The content of `evaluation.json`, made with these files.
        config: The trial's resolved config.

    Raises:
        RegistryError: A file cannot be read, or the store fails; nothing else is raised.
    """
    with as_registry_errors(uri), tempfile.TemporaryDirectory(prefix="chicane_") as temporary:
        training = _read_training(policy_folder)
        files = Path(temporary)
        name = package.write_package(files, policy_folder, evaluation, config, training["frames"])
        client = connect(uri)
        model = model_name(training["env"])
        _ensure_model(client, model, training["env"])
        tags = version_tags(training, evaluation, run_id) | {WEIGHTS_TAG: package.sha256(files / WEIGHTS)[:16]}
        version = _ensure_version(client, model, run_id, files, name, tags)
        is_champion, reason = _contest(client, model, version, evaluation, training["env"])
        verdict = RegistryVerdict(model, version, is_champion, reason)
        _note(client, verdict, training, evaluation, config)
        return verdict


def _read_training(policy_folder: Path) -> dict[str, Any]:
    """Return what `policy.json` says of the training."""
    try:
        training = json.loads((policy_folder / DESCRIPTION).read_text(encoding="utf-8"))["training"]
        return {**training, "env": str(training["env"]), "frames": int(training["frames"])}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise RegistryError(f"{policy_folder / DESCRIPTION} does not say what was trained: {error}") from error


def _ensure_model(client: Any, model: str, env: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(model, tags={"env": env}, description=describe_model(model, env))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _ensure_version(
    client: Any, model: str, run_id: str, files: Path, name: package.PackageName, tags: dict[str, str]
) -> int:
    """Return the version that holds this policy with this score; it is made after the last file has arrived."""
    for known in client.search_model_versions(f"name='{model}' and run_id='{run_id}'"):
        if tags.items() <= known.tags.items():
            return int(known.version)
    client.log_artifacts(run_id, str(files), f"{package.ROOT}/{name}")
    source = f"runs:/{run_id}/{package.ROOT}/{name}"
    return int(client.create_model_version(model, source, run_id=run_id, tags=tags).version)


def champion_version(client: Any, model: str) -> int | None:
    """Return the version that the alias names, or None where it names none."""
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_registered_model(model).aliases.get(ALIAS)
    except MlflowException as error:
        if is_missing(error):
            return None
        raise
    return None if found is None else int(found)


def _contest(client: Any, model: str, version: int, evaluation: Mapping[str, Any], env: str) -> tuple[bool, str]:
    """Give the version the alias if it deserves it; return whether it has it, and why."""
    try:
        score = Score.of(evaluation, env)
    except ValueError as error:
        return False, str(error)
    champion = champion_version(client, model)
    for _ in range(_ATTEMPTS):
        if champion == version:
            tags = client.get_model_version(model, str(version)).tags  # the call is repeated, or it was set by hand
            return True, tags[REASON] if tags.get(VERDICT) == ALIAS else "it has the title already"
        judgement = _judge(client, model, score, champion)
        if not judgement.is_better:
            return False, judgement.reason
        current = champion_version(client, model)
        if current == champion:
            client.set_registered_model_alias(model, ALIAS, str(version))
            return True, judgement.reason
        champion = current
    return False, f"others became {ALIAS} {_ATTEMPTS} times while it was compared; register it again"


def _judge(client: Any, model: str, score: Score, champion: int | None) -> Judgement:
    if champion is None:
        return Judgement(True, f"the first with a score on {score.tracks()}")
    called = f"version {champion}"
    try:
        holder = Score.of(fetch_evaluation(client, model, champion), score.env)
    except ValueError as error:
        return Judgement(
            False,
            f"cannot be compared with {called}, the {ALIAS}: {first_line(error)}; give the alias to another by hand",
        )
    return judge(score, holder, called)


def _note(
    client: Any,
    verdict: RegistryVerdict,
    training: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    config: Mapping[str, Any],
) -> None:
    """Write the verdict where people look for it; one of an earlier call stays, unless the title comes now."""
    version = str(verdict.version)
    if client.get_model_version(verdict.name, version).description and not verdict.is_champion:
        return
    for key, value in {VERDICT: ALIAS if verdict.is_champion else "challenger", REASON: verdict.reason}.items():
        client.set_model_version_tag(verdict.name, version, key, value)
    client.update_model_version(
        verdict.name, version, describe_version(verdict.is_champion, verdict.reason, training, evaluation, config)
    )
