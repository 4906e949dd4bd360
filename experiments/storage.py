"""Checkpoints on storage that outlives a node (`paths.storage`): s3://, gs://, hdfs://, file://, through pyarrow."""

import logging
import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow.fs

from envs.errors import ConfigError
from experiments import folders
from experiments.checkpoints import MANIFEST, PREFIX, find_damage, list_checkpoints

logger = logging.getLogger(__name__)

_PROBE = ".writable"


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


def check_storage(uri: str) -> None:
    """Write, read and delete a file there.

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
    except OSError as error:
        raise ConfigError(f"paths.storage={uri} cannot be written to: {error}.") from error
    if content != b"chicane":
        raise ConfigError(f"paths.storage={uri}: what was written there came back as something else.")


class CheckpointMirror:
    """A trial's checkpoints on remote storage, copied in the background, one after another.

    A copy's manifest is written last: one without is no checkpoint.

    Args:
        uri: Of the storage; checkpoints go below it as below `paths.outputs`, `NAME/RUN/trials/ID/checkpoints`.
        trial: The trial's folder here.
    """

    def __init__(self, uri: str, trial: Path) -> None:
        self._system, root = open_storage(uri)
        self._root = "/".join([root, *trial.parts[-4:], folders.CHECKPOINTS])
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="storage")
        self._last: Future[None] | None = None

    def push(self, checkpoint: Path, keep: int) -> None:
        """Begin to copy a checkpoint; `wait` waits for it.

        Raises:
            OSError: The copy before it failed.
        """
        if self._last is not None and self._last.done():
            self._last.result()
        self._last = self._thread.submit(self._push, checkpoint, keep)

    def wait(self, timeout_s: float) -> None:
        """Wait until everything is there.

        Raises:
            OSError: It could not be copied.
            TimeoutError: It takes longer.
        """
        if self._last is not None:
            self._last.result(timeout_s)

    def pull_newest(self, folder: Path) -> Path | None:
        """Copy the newest whole checkpoint into `folder`, unless one as new is there; return what was copied.

        Raises:
            OSError: The storage does not answer.
        """
        names = self._names()
        local = [path.name for path in list_checkpoints(folder)]
        if not names or (local and local[-1] >= names[-1]):
            return None
        folder.mkdir(parents=True, exist_ok=True)
        fresh, final = folder / f".{names[-1]}.{os.getpid()}", folder / names[-1]
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()  # else the copy fails
        pyarrow.fs.copy_files(
            f"{self._root}/{names[-1]}",
            str(fresh),
            source_filesystem=self._system,
            destination_filesystem=pyarrow.fs.LocalFileSystem(),
        )
        damage = find_damage(fresh)
        if damage is not None:
            shutil.rmtree(fresh, ignore_errors=True)
            raise OSError(f"{self._root}/{names[-1]} came damaged: {damage}")
        os.replace(fresh, final)
        folders.point(folder / folders.LATEST, final)
        logger.info("Fetched %s from storage.", final)
        return final

    def close(self) -> None:
        """End the thread, without waiting for what it does."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _push(self, checkpoint: Path, keep: int) -> None:
        remote = f"{self._root}/{checkpoint.name}"
        self._system.create_dir(remote, recursive=True)
        files = [path for path in checkpoint.iterdir() if path.name != MANIFEST]
        for path in [*sorted(files), checkpoint / MANIFEST]:
            pyarrow.fs.copy_files(
                str(path),
                f"{remote}/{path.name}",
                source_filesystem=pyarrow.fs.LocalFileSystem(),
                destination_filesystem=self._system,
            )
        logger.info("Copied %s to storage.", checkpoint.name)
        for name in self._names()[:-keep]:
            self._system.delete_dir(f"{self._root}/{name}")

    def _names(self) -> list[str]:
        """Return the names of the whole checkpoints there, oldest first."""
        selector = pyarrow.fs.FileSelector(self._root, allow_not_found=True, recursive=True)
        manifests = [info.path for info in self._system.get_file_info(selector) if info.base_name == MANIFEST]
        names = [path.rsplit("/", 2)[-2] for path in manifests]
        return sorted(name for name in names if name.startswith(PREFIX))
