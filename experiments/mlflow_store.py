"""Opens the store that MLflow writes to: a database file of ours, another database, or a server."""

import contextlib
import logging
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

from envs.errors import ConfigError
from experiments.mlflow_view import experiment_tags

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


def check_settings(uri: str, artifact_root: str, experiment: str) -> None:
    """Raise a ConfigError if MLflow 3 cannot write to such a `uri`, a path is not absolute, or a name is missing."""
    kind = re.split(r"[:+]", uri, maxsplit=1)[0]
    if kind not in (*_DATABASES, "http", "https") or "://" not in uri:
        raise ConfigError(
            f"tracking.uri is {uri!r}; MLflow 3 needs a database ({', '.join(_DATABASES)}) or a server (http, https), "
            "for example sqlite:////abs/path/mlflow.db. Folders such as ./mlruns are no longer written. "
            "tracking=none trains without MLflow."
        )
    if kind == "sqlite" and not Path(uri.partition(":///")[2]).is_absolute():
        raise ConfigError(f"tracking.uri is {uri!r}; the path must be absolute: sqlite:////abs/path/mlflow.db.")
    if not Path(artifact_root).is_absolute():
        raise ConfigError(
            f"tracking.artifact_root is {artifact_root!r}; it must be an absolute folder (see conf/paths)."
        )
    if not experiment.strip():
        raise ConfigError("tracking.experiment is empty; give the run a name: name=NAME.")


def check_no_password(uri: str) -> None:
    """Raise a ConfigError if an address has a password: saved configs, parameters and the console would show it."""
    if re.search(r"//[^/@:\s]*:[^/@\s]+@|[?&]password=", uri):
        raise ConfigError(
            f"tracking.uri holds a password ({without_password(uri)}), which would stand in config.yaml and among "
            "MLflow's parameters. Leave it out: Postgres reads ~/.pgpass (or PGPASSFILE, PGPASSWORD), a server's is "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        )


def without_password(text: str) -> str:
    """Return the text without user and password in its addresses: they are not for logs."""
    return re.sub(r"([?&]password=)[^&\s]*", r"\1…", re.sub(r"//[^/@\s]*@", "//", text))


def open_store(uri: str, artifact_root: str, experiment: str) -> tuple[Any, str]:
    """Return MLflow's client and the experiment's id, having made the database and the experiment where missing."""
    # Before the import: MLflow would report its use to its makers, wait minutes for a server and print into our line.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # repeating is the backlog's work
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")  # s
    import mlflow  # 1.6 s

    # A new database prints its migrations, and each failed attempt a stack trace that our one warning sums up.
    logging.getLogger("alembic").setLevel(logging.ERROR)
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    is_server = uri.startswith("http")
    if uri.startswith("sqlite"):
        _prepare_sqlite(uri)
    client = mlflow.MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    if found is not None:
        return client, found.experiment_id
    location = None if is_server else Path(artifact_root).as_uri()
    tags = experiment_tags(experiment)
    return client, client.create_experiment(experiment, artifact_location=location, tags=tags)


def _prepare_sqlite(uri: str) -> None:
    """Fail at once where there can be no database (MLflow tries for 100 s); readers shall not lock the writer."""
    from sqlalchemy.engine import make_url

    path = Path(make_url(uri).database or "")
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")  # stays switched on in the file
