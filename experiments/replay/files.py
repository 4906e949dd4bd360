"""Named arrays in one folder, each a memory-mapped file: what the replay ring keeps its data in."""

import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError
from experiments.folders import write_json

META_FILE = "meta.json"
FORMAT = 1
_NUM_STREAMS = "num_streams"  # in the layout: at creation
_GROWN_TO = "grown_to"  # beside the layout: streams since then


def num_streams_at_creation(directory: Path) -> int | None:
    """Return for how many streams the files in a folder were created, or None where there are none."""
    meta = directory / META_FILE
    return int(json.loads(meta.read_text())["layout"][_NUM_STREAMS]) if meta.exists() else None


class RingFiles:
    """Create the files of a set of arrays, or open those that a former process left, for more streams if need be.

    Every stream has as many rows as every other, one stream after the other, so that streams are added at the end of
    the files. Streams never go: a process that needs fewer finds all that there are.

    All bytes are reserved on the disk beforehand where the platform can (POSIX): a disk that fills up later would
    otherwise kill the process with SIGBUS, without a word. `meta.json` says what counts and is written last: a folder
    without it holds at most a creation that was interrupted, which is repeated, and a file that is longer than it
    says a growth that was.

    Attributes:
        arrays: name -> array over the file `NAME.bin`; writes reach the file even if the process is killed.
        num_streams: S, as many as were asked for or more.
        identity: a random word made at creation, by which a checkpoint recognises its files.
        is_new: whether the files were created here (then all arrays are zero).
    """

    def __init__(
        self,
        directory: Path,
        arrays: dict[str, tuple[tuple[int, ...], npt.DTypeLike]],
        num_streams: int,
        settings: dict[str, int],
    ) -> None:
        """Open or create; rows of streams that are added are zero.

        Args:
            directory: the folder; made if missing.
            arrays: name -> (shape, dtype) of one stream, its rows first. Names become file names.
            num_streams: how many there must be at least.
            settings: further numbers that must be the same in every process that opens the folder.

        Raises:
            ConfigError: the folder holds files of another shape or setting, damaged ones, or the disk is too small.
        """
        self._directory = directory
        self._specs = {name: (shape, np.dtype(dtype)) for name, (shape, dtype) in arrays.items()}
        self._settings = settings
        path = directory / META_FILE
        self.is_new = not path.exists()
        if self.is_new:
            directory.mkdir(parents=True, exist_ok=True)
            meta = {"identity": uuid.uuid4().hex, "layout": self._layout(num_streams)}
            there = 0
        else:
            meta = json.loads(path.read_text())
            there = meta.get(_GROWN_TO, meta["layout"][_NUM_STREAMS])
            self._check(meta["layout"], there)
        self.identity = str(meta["identity"])
        self.num_streams = max(there, num_streams)
        if self.num_streams > there:
            self._grow(there)
            write_json(path, meta if self.is_new else meta | {_GROWN_TO: self.num_streams})
        # Views as plain arrays: indexing a memmap runs Python code for every result.
        self._maps = {
            name: np.memmap(self._path(name), dtype=dtype, mode="r+", shape=(self.num_streams * shape[0], *shape[1:]))
            for name, (shape, dtype) in self._specs.items()
        }
        self.arrays: dict[str, npt.NDArray[Any]] = {name: np.asarray(array) for name, array in self._maps.items()}

    def flush(self) -> None:
        """Wait until everything written so far is on the disk (for power cuts; a killed process loses nothing)."""
        for array in self._maps.values():
            array.flush()

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.bin"

    def _num_bytes(self, name: str, num_streams: int) -> int:
        shape, dtype = self._specs[name]
        return num_streams * int(np.prod(shape, dtype=np.int64)) * dtype.itemsize

    def _layout(self, num_streams: int) -> dict[str, Any]:
        """Return what must be the same in every process that opens files created for so many streams."""
        return {
            "format": FORMAT,
            _NUM_STREAMS: num_streams,
            **self._settings,
            **{
                f"array {name}": [dtype.name, num_streams * shape[0], *shape[1:]]
                for name, (shape, dtype) in self._specs.items()
            },
        }

    def _grow(self, there: int) -> None:
        """Lengthen the files, which hold the streams that are there, to all streams."""
        self._cut(there)
        names = list(self._specs)
        needed = sum(self._num_bytes(name, self.num_streams - there) for name in names)
        free = shutil.disk_usage(self._directory).free
        if needed > free:
            raise ConfigError(self._disk_full(needed, free, there))
        try:
            for name in names:
                with self._path(name).open("r+b") as file:
                    _lengthen(file, self._num_bytes(name, there), self._num_bytes(name, self.num_streams))
        except OSError as error:
            self._cut(there)
            free = shutil.disk_usage(self._directory).free
            raise ConfigError(f"{self._disk_full(needed, free, there)} ({error})") from error

    def _cut(self, num_streams: int) -> None:
        """Let every file end with these streams; whatever stands after them is of no use."""
        for name in self._specs:
            with self._path(name).open("ab") as file:
                file.truncate(self._num_bytes(name, num_streams))

    def _disk_full(self, needed: int, free: int, there: int) -> str:
        growth, cure = "", "Ask for a smaller capacity or smaller images, or put the run on a larger disk"
        if there:
            growth = f" for {self.num_streams - there} more envs than before"
            cure = "Go on with fewer envs (ray.num_env_runners, ray.envs_per_runner), or move the run to a larger disk"
        return (
            f"The replay ring needs {needed} bytes ({needed / 1e9:.1f} GB){growth} in {self._directory}, where {free} "
            f"bytes ({free / 1e9:.1f} GB) are free. {cure} (paths.outputs)."
        )

    def _check(self, there: dict[str, Any], num_streams: int) -> None:
        """Compare the layout and the files that are there with what is asked for."""
        layout = self._layout(there[_NUM_STREAMS])
        differences = [
            f"{key}: {there.get(key, 'none')} there, {layout.get(key, 'none')} asked for"
            for key in {**there, **layout}
            if there.get(key) != layout.get(key)
        ]
        if differences:
            raise ConfigError(
                f"The replay files in {self._directory} were made for another configuration ({'; '.join(differences)})."
                " Go on with the configuration they were made with, or start in a new run folder."
            )
        for name in self._specs:
            path, expected = self._path(name), self._num_bytes(name, num_streams)
            size = path.stat().st_size if path.exists() else 0
            if size < expected:
                raise ConfigError(
                    f"The replay file {path} should have {expected} bytes and has {size}: it was deleted, cut or "
                    "copied in part. Bring it back, or start in a new run folder."
                )


def _lengthen(file: BinaryIO, start: int, end: int) -> None:
    """Let a file that ends at `start` end at `end`, by zeros, and wait until the disk knows."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), start, end - start)
    else:
        file.truncate(end)
    os.fsync(file.fileno())
