"""Storage that outlives a node (`paths.storage`): s3://, gs://, hdfs://, file://, through pyarrow."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.fs

from envs.errors import ConfigError

_ROOT = Path(__file__).resolve().parent.parent  # not from envs.app, which would bring Hydra into every trial
_PROBE = ".writable"
_ANSWER_S = 60.0  # pyarrow tries servers that do not answer for many minutes, and cannot be interrupted
_REFUSED = 3  # exit code of the question below: it cannot be written to
_QUESTION = f"""
import sys
from envs.errors import ConfigError
from experiments.storage import write_and_read
try:
    write_and_read(sys.argv[1])
except ConfigError as error:
    print(error, file=sys.stderr)
    sys.exit({_REFUSED})
"""


def open_storage(uri: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """Return the file system that a URI names, and the folder in it.

    Raises:
        ConfigError: It is no such URI.
    """
    try:
        system, root = pyarrow.fs.FileSystem.from_uri(uri)
    except (OSError, ValueError, NotImplementedError) as error:
        raise ConfigError(
            f"paths.storage={uri}: {error}. Expected s3://BUCKET/FOLDER, gs://BUCKET/FOLDER, hdfs://HOST:PORT/FOLDER "
            "or file:///FOLDER, or null."
        ) from error
    return system, root.rstrip("/")


@functools.cache
def check_storage(uri: str) -> None:
    """Check that files can be written there, read and deleted; once for all trials of a sweep.

    Raises:
        ConfigError: They cannot, or nobody answers within a minute; the message says why.
    """
    question = [sys.executable, "-c", _QUESTION, uri]
    try:
        answer = subprocess.run(question, cwd=_ROOT, capture_output=True, text=True, timeout=_ANSWER_S)
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            f"paths.storage={uri} did not answer within {_ANSWER_S:g} s. Are the server's address and the credentials "
            "right, and do firewalls let it through? See docs/cluster.md, Shared storage."
        ) from error
    if answer.returncode == _REFUSED:
        raise ConfigError(answer.stderr.strip())
    if answer.returncode != 0:
        raise ConfigError(f"paths.storage={uri} cannot be written to: {answer.stderr[-500:].strip()}")


def write_and_read(uri: str) -> None:
    """Write, read and delete a file there, however long that takes.

    Raises:
        ConfigError: One of it fails; the message says why.
    """
    system, root = open_storage(uri)
    path = f"{root}/{_PROBE}.{os.getpid()}"
    try:
        system.create_dir(root, recursive=True)
        with system.open_output_stream(path) as file:
            file.write(b"chicane")
        with system.open_input_stream(path) as file:
            content = file.read()
        system.delete_file(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"paths.storage={uri} cannot be written to: {error}.") from error
    if content != b"chicane":
        raise ConfigError(f"paths.storage={uri}: what was written there came back as something else.")
