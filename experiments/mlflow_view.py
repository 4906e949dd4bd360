"""How an experiment looks in MLflow's pages: its kind, its description, and a view whose columns are the scores."""

import json
import time
from typing import Any

from experiments import metrics

KEY = "scores"  # of the shared view
_COLUMNS = (
    "metrics.`score/mean`",
    "metrics.`score/p10`",
    f"metrics.`{metrics.RETURN_MEAN}`",
    f"metrics.`{metrics.FRAMES}`",
    f"metrics.`{metrics.FRAMES_PER_S}`",
    f"metrics.`{metrics.WALL_S}`",
    "attributes.`Duration`",
    "tags.`state`",
    "tags.`seed`",
    "tags.`commit`",
)
_NOTE = (
    "Runs of Chicane: a parent is a run or a sweep, its children are the trials. `score/mean` is the mean return over "
    "unseen tracks; the view *Scores* has a column for it and sorts by it. `python -m experiments.compare name={name}` "
    "compares with intervals."
)


def experiment_tags(name: str) -> dict[str, str]:
    """Return the tags that a new experiment gets.

    The view is MLflow's own format of shared views, read from the pages of MLflow 3.17; others ignore the tag.
    """
    now_ms = int(time.time() * 1000)
    state = {
        "orderByKey": "metrics.`score/mean`",
        "orderByAsc": False,
        "searchFilter": "tags.`mlflow.parentRunId` != ''",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "selectedColumns": list(_COLUMNS),
    }
    view = {"name": "Scores", "createdAt": now_ms, "updatedAt": now_ms, "state": json.dumps(state)}
    return {
        "mlflow.experimentKind": "custom_model_development",  # else pages are laid out for language models
        "mlflow.note.content": _NOTE.format(name=name),
        f"mlflow.sharedViewState.{KEY}": json.dumps(view),
    }


def complete_experiment(client: Any, experiment_id: str) -> None:
    """Give an experiment what it lacks of these tags: one that was made by hand, or before there was the view."""
    found = client.get_experiment(experiment_id)
    for key, value in experiment_tags(found.name).items():
        if key not in found.tags:
            client.set_experiment_tag(experiment_id, key, value)


def page(experiment_id: str) -> str:
    """Return the page of an experiment's scores, to be put behind the address of `mlflow ui`."""
    return f"#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={KEY}"
