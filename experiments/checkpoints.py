"""Checkpoints on disk: written whole or not at all, found again after a crash, checked before they are believed."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from envs.errors import ConfigError
from experiments.folders import LATEST, follow, point

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
PREFIX = "frames_"


def write_checkpoint(
    folder: Path, frames: int, write: Callable[[Path], None], keep: int, replace_same: bool = False
) -> Path:
    """Write a checkpoint below `folder` and let `latest` name it.

    The files are written into a hidden folder, flushed to the disk together with a manifest of their hashes, and only
    then renamed; a crash at any moment leaves the previous checkpoint in force. Afterwards all but the `keep` newest
    are removed.

    Args:
        folder: The trial's `checkpoints/`.
        frames: Environment frames so far; they name the checkpoint and order it.
        write: Writes the files into the folder it is given.
        keep: How many checkpoints to keep.
        replace_same: Whether to replace an intact one of as many frames.
    """
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"{PREFIX}{frames:012d}"
    fresh = folder / f".{final.name}.{os.getpid()}"
    if final.exists() and not replace_same and find_damage(final) is None:  # saved already: not a step was taken since
        point(folder / LATEST, final)
        return final
    for abandoned in folder.glob(f".{PREFIX}*"):  # by a crash while they were written
        shutil.rmtree(abandoned, ignore_errors=True)
    fresh.mkdir()
    write(fresh)
    manifest = {path.name: _digest(path) for path in sorted(fresh.iterdir())}
    (fresh / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    for path in fresh.iterdir():
        _flush(path)
    if final.exists():  # it is damaged, or to be replaced
        shutil.rmtree(final)
    os.replace(fresh, final)
    if os.name == "posix":
        _flush(folder)
    point(folder / LATEST, final)
    _prune(folder, final, keep)
    return final


def _prune(folder: Path, newest: Path, keep: int) -> None:
    """Remove all but the `keep` newest, and those of a future that was given up: damaged ones, past a resume."""
    for checkpoint in list_checkpoints(folder):
        if checkpoint.name > newest.name:
            shutil.rmtree(checkpoint, ignore_errors=True)
    for old in list_checkpoints(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in `folder`, oldest first."""
    return sorted(folder.glob(f"{PREFIX}*"))


def checkpoint_frames(checkpoint: Path) -> int:
    """Return the environment frames after which a checkpoint was written."""
    return int(checkpoint.name.removeprefix(PREFIX))


def newest_whole_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint whose files are all intact, or None where there is none at all.

    A damaged one is named in a warning and passed over.

    Raises:
        ConfigError: There are checkpoints, but every one is damaged.
    """
    found = list_checkpoints(folder)
    for checkpoint in reversed(found):
        damage = find_damage(checkpoint)
        if damage is None:
            return checkpoint
        logger.warning("Checkpoint %s is damaged (%s); falling back to the one before it.", checkpoint, damage)
    if found:
        raise ConfigError(
            f"All {len(found)} checkpoints in {folder} are damaged; this run cannot go on. Start it anew."
        )
    return None


def latest_checkpoint(folder: Path, only: Collection[str] | None = None) -> Path:
    """Return the checkpoint that `latest` names, of which these files (`only`; all without it) are as written.

    Raises:
        ConfigError: There is none, or it is damaged.
    """
    link = folder / LATEST
    if not link.exists() and not link.is_symlink():
        raise ConfigError(f"No checkpoint in {folder}: the run stopped before its first was written.")
    checkpoint = follow(link)
    damage = find_damage(checkpoint, only)
    if damage is not None:
        others = ", ".join(path.name for path in list_checkpoints(folder) if path != checkpoint) or "none"
        raise ConfigError(f"Checkpoint {checkpoint} is damaged: {damage}. Other checkpoints beside it: {others}.")
    return checkpoint


def find_damage(checkpoint: Path, only: Collection[str] | None = None) -> str | None:
    """Say what is wrong with a checkpoint's files (`only` these), or return None if they are as they were written."""
    try:
        manifest = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
        for name, digest in manifest.items():
            if only is not None and name not in only:
                continue
            if _digest(checkpoint / name) != digest:
                return f"{name} is not as it was written"
    except (OSError, ValueError, AttributeError) as error:
        return str(error)
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)  # Windows flushes only what is writable
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
