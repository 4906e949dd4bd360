"""Reads runs, their metrics and their scores back out of MLflow."""

import json
import logging
import os
import re
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from envs.errors import ConfigError
from experiments import folders, metrics
from experiments.comparison.results import Curve, Evaluation, TrialResult
from experiments.mlflow_store import check_settings, open_store

logger = logging.getLogger(__name__)

PARENT = "mlflow.parentRunId"
_ASSIGNED = "assigned."
_CHANGED = "tuned/"  # metrics of a trial that a population gave other settings: tune/callbacks.py
_PAGE = 1000  # runs a request
_READERS = 8  # requests at a time: a server answers them side by side
# How a run without the tag `state` ended, from MLflow's own status.
_STATES = {"FINISHED": "finished", "RUNNING": "running", "SCHEDULED": "running", "KILLED": "stopped: by hand"}


class RunHistory:
    """An MLflow store, read only.

    Args:
        uri: of the store, as in `conf/tracking/mlflow.yaml`.
        artifact_root: an absolute folder.

    Raises:
        ConfigError: There is no store.
    """

    def __init__(self, uri: str, artifact_root: str) -> None:
        check_settings(uri, artifact_root, "any")
        path = Path(uri.partition(":///")[2])
        if uri.startswith("sqlite") and not path.is_file():
            raise ConfigError(
                f"There is no {path}: nothing was tracked there yet. paths.outputs=FOLDER looks elsewhere."
            )
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        try:
            self.client, _ = open_store(uri, artifact_root, "Default")  # which every store has: nothing is made
        except Exception as error:  # a server's, a database's, or a file's own
            raise ConfigError(f"MLflow at {uri} cannot be read: {_first_line(error)}") from error
        self.uri = uri

    def run(self, run_id: str) -> Any:
        """Return an MLflow run.

        Raises:
            ConfigError: The store has no such run.
        """
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_run(run_id)
        except MlflowException as error:
            raise ConfigError(f"MLflow at {self.uri} has no run {run_id}: {_first_line(error)}") from error

    def children(self, parent: Any) -> list[Any]:
        """Return the trials of a sweep's run."""
        wanted = f"tags.`{PARENT}` = '{parent.info.run_id}'"
        return self._search([parent.info.experiment_id], wanted)

    def of_experiment(self, name: str) -> list[Any]:
        """Return all runs of an MLflow experiment, parents and trials.

        Raises:
            ConfigError: There is no such experiment; those that there are, are listed.
        """
        found = self.client.get_experiment_by_name(name)
        if found is None:
            known = ", ".join(sorted(one.name for one in self.client.search_experiments())) or "none"
            raise ConfigError(f"name={name}: MLflow at {self.uri} has no such experiment; it has {known}.")
        return self._search([found.experiment_id], "")

    def _search(self, experiment_ids: Sequence[str], wanted: str) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            page = self.client.search_runs(
                experiment_ids, wanted, max_results=_PAGE, order_by=["attributes.start_time ASC"], page_token=token
            )
            found += page
            token = page.token
            if not token:
                return found

    def results(self, runs: Sequence[Any], parents: dict[str, Any]) -> list[TrialResult]:
        """Return what is known of these trials, in their order.

        Args:
            runs: MLflow runs of trials.
            parents: the runs of their sweeps, by id.
        """
        with ThreadPoolExecutor(_READERS) as pool, tempfile.TemporaryDirectory() as place:
            return list(pool.map(lambda run: self._result(run, parents, Path(place)), runs))

    def _result(self, run: Any, parents: dict[str, Any], place: Path) -> TrialResult:
        tags, params = dict(run.data.tags), dict(run.data.params)
        parent = parents.get(tags.get(PARENT, ""))
        folder = Path(tags["folder"]) if "folder" in tags else None
        run_id = run.info.run_id
        return TrialResult(
            run_id=run_id,
            name=tags.get("trial") or (folder.name if folder else run_id[:8]),
            state=tags.get("state") or _STATES.get(run.info.status, "failed: see its log"),
            tags=tags,
            params=params,
            curve=self._curve(run_id),
            assigned={key.removeprefix(_ASSIGNED): value for key, value in params.items() if key.startswith(_ASSIGNED)},
            defaults=dict(parent.data.params) if parent is not None else {},
            folder=folder,
            evaluation=self._evaluation(run_id, folder, place),
            frames_per_s=run.data.metrics.get(metrics.FRAMES_PER_S),
            has_changed=any(name.startswith(_CHANGED) for name in run.data.metrics),
        )

    def _curve(self, run_id: str) -> Curve:
        points, wall_points = (
            self.client.get_metric_history(run_id, name) for name in (metrics.RETURN_MEAN, metrics.WALL_S)
        )
        walls = {(point.step, point.timestamp): point.value for point in wall_points}
        return curve_of([(p.timestamp, p.step, p.value, walls.get((p.step, p.timestamp))) for p in points])

    def _evaluation(self, run_id: str, folder: Path | None, place: Path) -> Evaluation | None:
        """Return the score in the trial's folder, where `experiments.evaluate` puts new ones; else MLflow's copy."""
        from mlflow.exceptions import MlflowException

        if folder is not None and (folder / folders.EVALUATION).is_file():
            return read_evaluation(folder / folders.EVALUATION)
        try:
            if all(artifact.path != folders.EVALUATION for artifact in self.client.list_artifacts(run_id)):
                return None
            into = place / run_id
            into.mkdir()
            copy = Path(self.client.download_artifacts(run_id, folders.EVALUATION, str(into)))
        except (MlflowException, OSError) as error:
            logger.warning("The score of run %s cannot be fetched from MLflow: %s", run_id, _first_line(error))
            return None
        return read_evaluation(copy, f"{folders.EVALUATION} of MLflow's run {run_id}")


def curve_of(rows: Sequence[tuple[int, int, float, float | None]]) -> Curve:
    """Return the curve of rows of time (ms), step (frames), training return and wall clock (s), in any order.

    A resumed trial goes on from its checkpoint, so it repeats frames: of two stretches the later one counts.
    """
    kept: list[tuple[int, int, float, float | None]] = []
    for row in sorted(rows, key=lambda row: row[:2], reverse=True):
        if np.isfinite(row[2]) and (not kept or row[1] < kept[-1][1]):
            kept.append(row)
    kept.reverse()
    wall_s = [np.nan if row[3] is None else row[3] for row in kept]
    return Curve(
        frames=np.array([row[1] for row in kept], np.float64),
        returns=np.array([row[2] for row in kept], np.float64),
        wall_s=np.array(wall_s, np.float64),
    )


def read_evaluation(path: Path, name: str | None = None) -> Evaluation:
    """Return the score of an `evaluation.json`.

    Args:
        path: of the file.
        name: of it, for people; None: its path.

    Raises:
        ConfigError: It is no such file, or its returns are no finite numbers.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = Evaluation(int(content["first_seed"]), np.array(content["returns"], np.float64))
        if found.returns.ndim != 1 or not len(found.returns) or not np.isfinite(found.returns).all():
            raise ValueError("expected a list of finite returns")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{name or path} is no evaluation: {error!r}. Score the trial anew: experiments.evaluate."
        ) from error
    return found


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def is_run_id(word: str) -> bool:
    """Whether a word looks like one of MLflow's run ids."""
    return re.fullmatch(r"[0-9a-f]{32}", word) is not None
