"""Keeps runs in MLflow, from the driver process, in the background: a lost store neither stops nor slows training."""

import contextlib
import functools
import getpass
import json
import logging
import math
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from experiments.backlog import Backlog, Request
from experiments.mlflow_store import check_no_password, check_settings, open_store
from experiments.mlflow_view import complete_experiment, page
from experiments.tracker import STATUSES, NoTracker, RunHandle, Tracker

_logger = logging.getLogger(__name__)

__all__ = ["MlflowTracker", "NoTracker", "flatten"]  # saved configs name both trackers here

# Limits of the tracking store. Source: mlflow/utils/validation.py, MLflow 3.17.
_KEY_CHARS, _PARAM_CHARS, _TAG_CHARS, _PARAMS_PER_BATCH = 250, 6000, 8000, 100


class MlflowTracker(Tracker):
    """Write runs to MLflow, one request after another, in a background thread.

    No method raises when the store fails: requests wait in order and are repeated with back-off until it works again.
    Methods return at once; only `run_id`, `flush` and `close` wait, each no longer than its `timeout_s`.
    A pickled copy is a new tracker with the same settings and nothing waiting.
    """

    def __init__(
        self,
        *,
        uri: str,
        artifact_root: str,
        experiment: str,
        retry_first_s: float = 1.0,
        retry_max_s: float = 60.0,
        max_waiting: int = 10_000,
    ) -> None:
        """Check the settings; MLflow is imported and the store opened in the background, by the first request.

        Args:
            uri: `sqlite:////abs/mlflow.db`, another database, or `http://HOST:PORT` of a server.
            artifact_root: absolute folder for artifacts; a server chooses its own.
            experiment: name of the MLflow experiment, made when it does not exist.
            retry_first_s: pause after the first failure; doubled after each further one.
            retry_max_s: longest pause between two attempts.
            max_waiting: requests kept while the store is away; above it, the oldest metrics are dropped.

        Raises:
            ConfigError: if MLflow 3 cannot write to such a `uri`, it holds a password, a path is not absolute, or
                `experiment` is empty.
        """
        check_settings(uri, artifact_root, experiment)
        check_no_password(uri)
        self._uri, self._artifact_root, self._experiment = uri, artifact_root, experiment
        self._retries: dict[str, Any] = {
            "retry_first_s": retry_first_s,
            "retry_max_s": retry_max_s,
            "max_waiting": max_waiting,
        }
        self._backlog = Backlog(store=uri, **self._retries)
        self._client: Any = None
        self._experiment_id = ""

    def __reduce__(self) -> tuple[Callable[[], "MlflowTracker"], tuple[()]]:
        """Pickle the settings only: Tune pickles its callbacks, and a thread or a database cannot travel."""
        settings: dict[str, Any] = {
            "uri": self._uri,
            "artifact_root": self._artifact_root,
            "experiment": self._experiment,
        }
        return functools.partial(MlflowTracker, **settings, **self._retries), ()

    def start_run(
        self,
        *,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, Any],
        parent_id: RunHandle | str | None = None,
        run_id: str | None = None,
    ) -> RunHandle:
        """Begin a run, or go on with one.

        Args:
            name: what the runs table shows.
            tags: what tells this run from others (env, algo, seed, …); `commit` is also shown as the source's version.
            params: the config, nested; flattened with dots. Those that MLflow already has are left as they are.
            parent_id: the run that this one is a part of.
            run_id: the run to go on with; when the store does not have it, a new one is begun and a warning says so.

        Returns:
            What the other methods want. Its `run_id` is filled in as soon as MLflow has given one.
        """
        run = RunHandle(name, run_id=run_id)
        start = functools.partial(self._start, run, _all_tags(name, tags), parent_id, _now_ms())
        self._backlog.put(Request(f"run {name}", start, refused=functools.partial(self._settle, run, None)))
        self._put(run, f"parameters of {name}", functools.partial(self._log_params, run, flatten(params)))
        return run

    def run_id(self, run: RunHandle, timeout_s: float = 0.0) -> str | None:
        """Return MLflow's id of the run once it has one, waiting for it up to `timeout_s`; else None."""
        self._backlog.wait_for(lambda: run.is_settled, timeout_s)
        return run.run_id

    def log(self, run: RunHandle, metrics: Mapping[str, float], step: int) -> None:
        """Log metrics in one `log_batch`, leaving out what is not finite (MLflow's charts cannot show it).

        Args:
            run: the run from `start_run`.
            metrics: name -> value.
            step: environment frames.
        """
        finite = {_clean(name): float(value) for name, value in metrics.items() if math.isfinite(value)}
        if finite:
            self._put(run, "metrics", functools.partial(self._log, run, finite, step, _now_ms()), is_metrics=True)

    def tag(self, run: RunHandle, tags: Mapping[str, str]) -> None:
        """Set tags, also of a run that has ended; `mlflow.note.content` is its description, in Markdown."""
        cut = {_clean(key): _cut(str(value), _TAG_CHARS) for key, value in tags.items()}
        self._put(run, "tags", functools.partial(self._tag, run, cut))

    def log_artifact(self, run: RunHandle, path: str | Path, folder: str | None = None) -> None:
        """Copy a file, or all files of a folder, to the run's artifacts, below `folder` where one is named."""
        source = Path(path).absolute()
        self._put(run, f"artifact {source.name}", functools.partial(self._log_artifact, run, source, folder))

    def register(
        self,
        run: RunHandle,
        policy_folder: Path,
        evaluation: Mapping[str, Any],
        config: Mapping[str, Any],
        say: Callable[[str], None],
    ) -> None:
        """Put a policy into the model registry, see `experiments.registry.register`, and say what became of it."""

        def act() -> None:
            from experiments.registry.register import register

            assert run.run_id is not None
            say(str(register(self._uri, run.run_id, policy_folder, evaluation, config)))

        self._put(run, f"the policy of {run.name} for the registry", act)

    def page(self) -> str | None:
        """Return the page of the scores, to be put behind the address of `mlflow ui`; None before it was reached."""
        return page(self._experiment_id) if self._experiment_id else None

    def finish(self, run: RunHandle, status: str) -> None:
        """End the run as one of `STATUSES`."""
        if status not in STATUSES:
            raise ValueError(f"A run ends as one of {', '.join(STATUSES)}, not as {status!r}.")
        end_ms = _now_ms()
        self._put(run, "end of run", lambda: self._client.set_terminated(run.run_id, status, end_ms))

    def flush(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` until MLflow has everything; return whether it has."""
        return self._backlog.flush(timeout_s)

    def close(self, timeout_s: float = 20.0) -> None:
        """Wait up to `timeout_s` until MLflow has everything, then give up what is left. Twice is fine."""
        self._backlog.close(timeout_s)

    def _put(self, run: RunHandle, what: str, action: Callable[[], None], *, is_metrics: bool = False) -> None:
        def act() -> None:
            if run.run_id is not None:  # else MLflow refused the run, and a warning said so
                action()

        self._backlog.put(Request(what, act, is_metrics=is_metrics))

    def _settle(self, run: RunHandle, run_id: str | None) -> None:
        run.run_id, run.is_settled = run_id, True

    # What follows runs in the background thread.

    def _start(self, run: RunHandle, tags: dict[str, str], parent: RunHandle | str | None, start_ms: int) -> None:
        if self._client is None:
            client, self._experiment_id = open_store(self._uri, self._artifact_root, self._experiment)
            complete_experiment(client, self._experiment_id)
            self._client = client
        parent_id = parent.run_id if isinstance(parent, RunHandle) else parent
        if parent_id is not None:
            tags = {**tags, "mlflow.parentRunId": parent_id}
        if run.run_id is not None and self._has_run(run.run_id):
            self._client.update_run(run.run_id, status="RUNNING")
            self._settle(run, run.run_id)
            return
        if run.run_id is not None:
            _logger.warning(
                "MLflow at %s has no run %s to go on with (deleted, or another database). A new run %s is begun there; "
                "earlier metrics are in progress.csv.",
                *(self._uri, run.run_id, run.name),
            )
            run.run_id = None  # so that a repetition does not warn again
        created = self._client.create_run(self._experiment_id, start_time=start_ms, tags=tags, run_name=run.name)
        self._settle(run, created.info.run_id)

    def _has_run(self, run_id: str) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            return bool(self._client.get_run(run_id).info.lifecycle_stage == "active")
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise

    def _log_params(self, run: RunHandle, params: dict[str, str]) -> None:
        from mlflow.entities import Param

        known = self._client.get_run(run.run_id).data.params
        new = [Param(key, value) for key, value in params.items() if key not in known]
        for first in range(0, len(new), _PARAMS_PER_BATCH):
            self._client.log_batch(run.run_id, params=new[first : first + _PARAMS_PER_BATCH])

    def _log(self, run: RunHandle, metrics: dict[str, float], step: int, time_ms: int) -> None:
        from mlflow.entities import Metric

        self._client.log_batch(
            run.run_id, metrics=[Metric(name, value, time_ms, step) for name, value in metrics.items()]
        )

    def _tag(self, run: RunHandle, tags: dict[str, str]) -> None:
        for key, value in tags.items():
            self._client.set_tag(run.run_id, key, value)

    def _log_artifact(self, run: RunHandle, path: Path, folder: str | None) -> None:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist (any more)")
        copy = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
        copy(run.run_id, str(path), folder)


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a nested config as flat parameters: keys joined with dots, values as text, both cut to MLflow's limits."""
    flat: dict[str, str] = {}
    for key, value in params.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{name}."))
        else:
            text = json.dumps(value, default=str) if isinstance(value, Mapping | list | tuple) else str(value)
            flat[_clean(name)] = _cut(text, _PARAM_CHARS)
    return flat


def _all_tags(name: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Add what MLflow's pages show of a run (its source, version, user and description) to our tags."""
    ours = {_clean(key): str(value) for key, value in tags.items()}
    summary = " · ".join(f"{key} {value}" for key, value in ours.items() if not key.startswith("mlflow."))
    shown = {
        "mlflow.source.name": Path(sys.argv[0]).name,
        "mlflow.source.type": "LOCAL",
        "mlflow.note.content": f"**{name}**: {summary}",
    }
    if "commit" in ours:
        shown["mlflow.source.git.commit"] = ours["commit"]
    with contextlib.suppress(OSError, KeyError, ImportError):  # a container may have no name for its user
        shown["mlflow.user"] = getpass.getuser()
    return {key: _cut(value, _TAG_CHARS) for key, value in (shown | ours).items()}


def _clean(name: str) -> str:
    """Return the name with what MLflow does not allow in keys replaced."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:_KEY_CHARS]


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _now_ms() -> int:
    return int(time.time() * 1000)
