"""The store that the registry lies in, reached without making anything in it, and the one error it raises."""

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from envs.errors import ConfigError
from experiments.mlflow_store import check_settings, without_password

ALIAS = "champion"

# MLflow's own word for a request that stays wrong however often it is repeated (see `experiments.backlog`).
_FOR_GOOD = "INVALID_PARAMETER_VALUE"
# What repeating does not mend; all else that a store's driver raises may be an outage.
_MISTAKES = (FileNotFoundError, ImportError, TypeError, ValueError, AttributeError, LookupError)
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}  # where databases listen unless told otherwise
_ANSWER_S = 10.0


class RegistryError(RuntimeError):
    """The registry could not be asked, or did not take what it was given; training has nothing to fear from it.

    Attributes:
        error_code: MLflow's word for what went wrong, empty where there is none. `Backlog` repeats by it.
    """

    def __init__(self, message: str, error_code: str = _FOR_GOOD) -> None:
        super().__init__(message)
        self.error_code = error_code


def connect(uri: str) -> Any:
    """Return an `MlflowClient` of the store at `uri`; a database that is not there is not made.

    Args:
        uri: `sqlite:////abs/mlflow.db`, another database, or `http://HOST:PORT` of a server.

    Raises:
        RegistryError: MLflow cannot have such an address, the file does not exist, or nobody answers there.
    """
    try:
        check_settings(uri, artifact_root=os.path.abspath(os.sep), experiment="any")
    except ConfigError as error:
        raise RegistryError(str(error)) from error
    # As `mlflow_store.open_store`, which training calls first, has them: whoever waits here waits 10 s, not minutes.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")  # s
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    if not uri.startswith("http"):
        _check_database(uri)
    import mlflow  # 1.6 s

    logging.getLogger("alembic").setLevel(logging.ERROR)
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # a stack trace for every attempt that failed
    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


def _check_database(uri: str) -> None:
    """Find out whether there is a database: MLflow would make a missing file, and try for minutes to reach a host."""
    from sqlalchemy.engine import make_url

    url = make_url(uri)
    kind = url.get_backend_name()
    if kind == "sqlite":
        if not Path(url.database or "").is_file():
            raise RegistryError(f"There is no {url.database}: no run was tracked there yet.")
    elif url.host is not None:
        host, port = url.host, url.port or _PORTS[kind]
        try:
            socket.create_connection((host, port), _ANSWER_S).close()
        except OSError as error:
            raise RegistryError(f"No database answers at {host}:{port} ({error}). Is it running?", "") from error


@contextlib.contextmanager
def as_registry_errors(uri: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into a RegistryError that names the store and the first line of the reason."""
    try:
        yield
    except (RegistryError, ConfigError):
        raise
    except Exception as error:  # a store's drivers raise what they like: SQLAlchemy, requests, botocore …
        code = getattr(error, "error_code", _FOR_GOOD if isinstance(error, _MISTAKES) else "")
        raise RegistryError(f"{without_password(uri)}: {first_line(error)}", code) from error


def is_missing(error: Exception) -> bool:
    """Return whether MLflow says that it does not have what was asked for."""
    return getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST"


def first_line(error: Exception) -> str:
    """Return what an error says, short enough for a message of ours."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return without_password(lines[0])[:300]
