"""Named arrays in one folder, each a memory-mapped file: what the replay ring keeps its data in."""

import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError
from experiments.folders import write_json

META_FILE = "meta.json"


def stored_num_streams(directory: Path) -> int | None:
    """Return the number of streams of the ring that lies in a folder, or None where there is none."""
    meta = directory / META_FILE
    return int(json.loads(meta.read_text())["layout"]["num_streams"]) if meta.exists() else None


FORMAT = 1


class RingFiles:
    """Create the files of a set of arrays, or open those that a former process left.

    All bytes are reserved on the disk at creation where the platform can (POSIX): a disk that fills up later would
    otherwise kill the process with SIGBUS, without a word. `meta.json` is written last, so a folder without it holds
    at most a creation that was interrupted, and is created anew.

    Attributes:
        arrays: name -> array over the file `NAME.bin`; writes reach the file even if the process is killed.
        identity: a random word made at creation, by which a checkpoint recognises its files.
        is_new: whether the files were created here (then all arrays are zero).
    """

    def __init__(
        self,
        directory: Path,
        arrays: dict[str, tuple[tuple[int, ...], npt.DTypeLike]],
        settings: dict[str, int],
    ) -> None:
        """Open or create.

        Args:
            directory: the folder; made if missing.
            arrays: name -> (shape, dtype). Names become file names.
            settings: further numbers that must be the same in every process that opens the folder.

        Raises:
            ConfigError: the folder holds files of another shape or setting, damaged ones, or the disk is too small.
        """
        self._directory = directory
        self._specs = {name: (shape, np.dtype(dtype)) for name, (shape, dtype) in arrays.items()}
        layout = {
            "format": FORMAT,
            **settings,
            **{f"array {name}": [dtype.name, *shape] for name, (shape, dtype) in self._specs.items()},
        }
        meta = directory / META_FILE
        self.is_new = not meta.exists()
        if self.is_new:
            self._create()
            self.identity = uuid.uuid4().hex
            write_json(meta, {"identity": self.identity, "layout": layout})
        else:
            self.identity = self._check(json.loads(meta.read_text()), layout)
        # Views as plain arrays: indexing a memmap runs Python code for every result.
        self._maps = {
            name: np.memmap(self._path(name), dtype=dtype, mode="r+", shape=shape)
            for name, (shape, dtype) in self._specs.items()
        }
        self.arrays: dict[str, npt.NDArray[Any]] = {name: np.asarray(array) for name, array in self._maps.items()}

    def flush(self) -> None:
        """Wait until everything written so far is on the disk (for power cuts; a killed process loses nothing)."""
        for array in self._maps.values():
            array.flush()

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.bin"

    def _num_bytes(self, name: str) -> int:
        shape, dtype = self._specs[name]
        return int(np.prod(shape, dtype=np.int64)) * dtype.itemsize

    def _create(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        for name in self._specs:
            self._path(name).unlink(missing_ok=True)
        needed = sum(self._num_bytes(name) for name in self._specs)
        free = shutil.disk_usage(self._directory).free
        if needed > free:
            raise ConfigError(self._disk_full(needed, free))
        try:
            for name in self._specs:
                with self._path(name).open("wb") as file:
                    if hasattr(os, "posix_fallocate"):
                        os.posix_fallocate(file.fileno(), 0, self._num_bytes(name))
                    else:
                        file.truncate(self._num_bytes(name))
        except OSError as error:
            for name in self._specs:
                self._path(name).unlink(missing_ok=True)
            free = shutil.disk_usage(self._directory).free
            raise ConfigError(f"{self._disk_full(needed, free)} ({error})") from error

    def _disk_full(self, needed: int, free: int) -> str:
        return (
            f"The replay ring needs {needed} bytes ({needed / 1e9:.1f} GB) in {self._directory}, where {free} bytes "
            f"({free / 1e9:.1f} GB) are free. Ask for a smaller capacity or smaller images, or put the run on a "
            "larger disk (paths.outputs)."
        )

    def _check(self, meta: dict[str, Any], layout: dict[str, Any]) -> str:
        """Compare the folder with what is asked for.

        Returns:
            The identity of the files.
        """
        there = meta["layout"]
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
            path, expected = self._path(name), self._num_bytes(name)
            size = path.stat().st_size if path.exists() else 0
            if size != expected:
                raise ConfigError(
                    f"The replay file {path} should have {expected} bytes and has {size}: it was deleted, cut or "
                    "copied in part. Bring it back, or start in a new run folder."
                )
        return str(meta["identity"])
