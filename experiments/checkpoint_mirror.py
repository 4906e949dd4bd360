"""Copies of a trial's checkpoints on storage that outlives its node."""

import logging
import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from pathlib import Path

import pyarrow.fs

from experiments import folders
from experiments.checkpoints import MANIFEST, PREFIX, find_damage, list_checkpoints
from experiments.storage import open_storage

logger = logging.getLogger(__name__)

_LAST_COPY_S = 60.0


class _DamagedError(OSError):
    """A checkpoint came from the storage other than it was written."""


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
        """Begin to copy a checkpoint; `wait` waits for it. After one that failed it is waited for here.

        Raises:
            OSError: The copy before it failed, and this one too.
        """
        before, self._last = self._last, self._thread.submit(self._push, checkpoint, keep)
        if before is not None and before.done() and before.exception() is not None:
            logger.warning("A checkpoint did not reach the storage: %s", before.exception())
            self._last.result(_LAST_COPY_S)

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

        One that came damaged is named in a warning and passed over.

        Raises:
            OSError: The storage does not answer, or all that is newer there came damaged.
        """
        whole = (path.name for path in reversed(list_checkpoints(folder)) if find_damage(path) is None)
        local = next(whole, "")
        newer = [name for name in reversed(self._names()) if name > local]
        damaged = None
        for name in newer:
            try:
                return self._pull(name, folder)
            except _DamagedError as error:
                logger.warning("%s; falling back to the one before it.", error)
                damaged = damaged or error
        if damaged is not None and not local:
            raise damaged
        return None

    def _pull(self, name: str, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        fresh, final = folder / f".{name}.{os.getpid()}", folder / name
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()  # else the copy fails
        pyarrow.fs.copy_files(
            f"{self._root}/{name}",
            str(fresh),
            source_filesystem=self._system,
            destination_filesystem=pyarrow.fs.LocalFileSystem(),
        )
        damage = find_damage(fresh)
        if damage is not None:
            shutil.rmtree(fresh, ignore_errors=True)
            raise _DamagedError(f"{self._root}/{name} came damaged: {damage}")
        if find_damage(final) is None:  # another trial on this node fetched it at the same time
            shutil.rmtree(fresh)
        else:
            shutil.rmtree(final, ignore_errors=True)
            os.replace(fresh, final)
        folders.point(folder / folders.LATEST, final)
        logger.info("Fetched %s from storage.", final)
        return final

    def close(self) -> None:
        """Let what was pushed arrive, for a minute at most, and end the thread."""
        if self._last is not None:
            wait_for([self._last], _LAST_COPY_S)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _push(self, checkpoint: Path, keep: int) -> None:
        if not checkpoint.exists():  # the storage is slower than training: newer ones wait already
            logger.warning("%s was removed before it could be copied to storage.", checkpoint.name)
            return
        remote = f"{self._root}/{checkpoint.name}"
        if self._is_there(checkpoint):
            return
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
        # Newer ones are damaged, or of a node that was given up; some were removed here while they were copied.
        kept = [name for name in self._names() if name <= checkpoint.name][-keep:]
        for info in self._system.get_file_info(pyarrow.fs.FileSelector(self._root)):
            if info.base_name.startswith(PREFIX) and info.base_name not in kept:
                self._system.delete_dir(info.path)

    def _is_there(self, checkpoint: Path) -> bool:
        """Return whether these very files are; others of that name cease to be a checkpoint, to be replaced."""
        manifest = f"{self._root}/{checkpoint.name}/{MANIFEST}"
        if self._system.get_file_info(manifest).type == pyarrow.fs.FileType.NotFound:
            return False
        with self._system.open_input_stream(manifest) as file:
            if file.read() == (checkpoint / MANIFEST).read_bytes():
                return True
        self._system.delete_file(manifest)
        return False

    def _names(self) -> list[str]:
        """Return the names of the whole checkpoints there, oldest first."""
        selector = pyarrow.fs.FileSelector(self._root, allow_not_found=True, recursive=True)
        manifests = [info.path for info in self._system.get_file_info(selector) if info.base_name == MANIFEST]
        names = [path.rsplit("/", 2)[-2] for path in manifests]
        return sorted(name for name in names if name.startswith(PREFIX))
