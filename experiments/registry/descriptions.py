"""What MLflow's pages say of a registered model and of its versions: Markdown and tags."""

from collections.abc import Mapping
from typing import Any

from experiments.registry.contest import MIN_TRACKS
from experiments.registry.store import ALIAS


def describe_model(model: str, env: str) -> str:
    """Return the page of a model: what it is, and how it is used."""
    return (
        f"Policies that drive `env={env}`. `{ALIAS}` names the best: a version takes its place where the 95 % interval "
        "of the difference of returns, over the same tracks, lies above 0; a version with fewer than "
        f"{MIN_TRACKS} tracks never does.\n\n"
        f"```\npython -m experiments.evaluate run=models:/{model}@{ALIAS}\n"
        f"python -m experiments.export run=models:/{model}/1 format=onnx\n```"
    )


def describe_version(
    is_champion: bool,
    reason: str,
    training: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    config: Mapping[str, Any],
) -> str:
    """Return the page of a version, written as what happened when it came, which stays true.

    Tables of versions show its first words, as plain text.
    """
    rows = {
        "algorithm, model": f"{training.get('algo', '?')}, {training.get('model', '?')}",
        "experiment": training.get("experiment") or config.get("name"),
        "seed": training.get("seed"),
        "frames": f"{training['frames']:,}",
        "commit": f"`{training.get('commit', '?')}`",
        "return": _score(evaluation),
        "tracks": f"{evaluation.get('episodes')} from seed {evaluation.get('first_seed')}",
        "p10, median": f"{_number(evaluation.get('p10'))}, {_number(evaluation.get('median'))}",
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items() if value is not None)
    event = "became" if is_champion else "did not become"
    return f"{_number(evaluation.get('mean'))}, {event} {ALIAS}: {reason}.\n\n| | |\n|---|---|\n{table}"


def version_tags(training: Mapping[str, Any], evaluation: Mapping[str, Any], run_id: str) -> dict[str, str]:
    """Return what tells versions apart; tables show them in this order."""
    low, high = (_number(evaluation.get(key)) for key in ("ci95_low", "ci95_high"))
    found = {
        "score_mean": _number(evaluation.get("mean")),
        "score_ci95": None if low is None else f"{low} to {high}",
        "tracks": f"{evaluation.get('episodes')} from seed {evaluation.get('first_seed')}",
        **{key: training.get(key) for key in ("frames", "seed", "algo", "model", "experiment", "commit")},
        "run_id": run_id,
    }
    return {key: str(value) for key, value in found.items() if value is not None}


def _score(evaluation: Mapping[str, Any]) -> str:
    mean, low, high = (_number(evaluation.get(key)) for key in ("mean", "ci95_low", "ci95_high"))
    return f"**{mean}**" if low is None else f"**{mean}** (95 % interval {low} to {high})"


def _number(value: Any) -> str | None:
    return f"{value:.1f}" if isinstance(value, int | float) else None
