"""The files of a registered policy: plain ones, named and hashed in a manifest, which names their folder."""

import hashlib
import json
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from experiments import folders
from experiments.mlflow_store import without_password
from experiments.policy_description import DESCRIPTION, POLICY_FILES, WEIGHTS

MANIFEST = "manifest.json"
# What may be in a package and how large it may be, in bytes: 4 GiB are a thousand million float32 weights.
LIMITS = {WEIGHTS: 4 << 30, DESCRIPTION: 4 << 20, folders.EVALUATION: 64 << 20, folders.CONFIG: 4 << 20}
REQUIRED = (*POLICY_FILES, folders.EVALUATION)
MANIFEST_LIMIT = 64 << 10
ROOT = "policy"  # in a run's artifacts
_NAME = re.compile(r"frames_(\d{12,20})_([0-9a-f]{16})")


@dataclass(frozen=True)
class PackageName:
    """How a package's folder is called: after the frames of training and the manifest, so that none is overwritten.

    Attributes:
        frames: Environment frames that the policy was trained for.
        digest: The first 16 hexadecimal digits of the manifest's SHA-256.
    """

    frames: int
    digest: str

    def __str__(self) -> str:
        """Return the folder's name; of one run's, the last in alphabetical order was trained longest."""
        return f"frames_{self.frames:012d}_{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return what `str` wrote, or None for any other text."""
        match = _NAME.fullmatch(text)
        return cls(int(match[1]), match[2]) if match else None


def write_package(
    folder: Path, policy_folder: Path, evaluation: Mapping[str, Any], config: Mapping[str, Any], frames: int
) -> PackageName:
    """Put a policy, its evaluation and its config into `folder`, with a manifest.

    Args:
        folder: Empty.
        policy_folder: Where `policy.safetensors` and `policy.json` are, as in a checkpoint.
        evaluation: The content of `evaluation.json`.
        config: The run's; passwords in its addresses stay behind.
        frames: That the policy was trained for.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: A file is larger than whoever fetches it would take.
    """
    for name in POLICY_FILES:
        shutil.copyfile(policy_folder / name, folder / name)
    folders.write_json(folder / folders.EVALUATION, dict(evaluation))
    text = yaml.safe_dump(dict(config), sort_keys=False)
    (folder / folders.CONFIG).write_text(without_password(text), encoding="utf-8")
    files = {name: asdict(_entry(folder / name)) for name in sorted(LIMITS)}
    (folder / MANIFEST).write_text(json.dumps({"files": files}, indent=1), encoding="utf-8")
    return PackageName(frames, sha256(folder / MANIFEST)[:16])


@dataclass(frozen=True)
class FileEntry:
    """What a manifest says of a file."""

    bytes: int
    sha256: str


def read_manifest(folder: Path) -> dict[str, FileEntry]:
    """Return what a manifest says of the files that it names.

    Raises:
        ValueError: It names other files than a package has, lacks one that is needed, or one is too large.
    """
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        found = {str(name): FileEntry(int(entry["bytes"]), str(entry["sha256"])) for name, entry in files.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{MANIFEST} cannot be read: {error}") from error
    if unknown := sorted(set(found) - set(LIMITS)):
        raise ValueError(f"{MANIFEST} names {', '.join(unknown)}; expected only {', '.join(LIMITS)}")
    if missing := [name for name in REQUIRED if name not in found]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    for name, entry in found.items():
        check_size(name, entry.bytes)
    return found


def check_size(name: str, size: int | None) -> None:
    """Raise a ValueError if a file is larger than its kind may be, or nobody knows how large."""
    limit = LIMITS.get(name, MANIFEST_LIMIT)
    if size is None or not 0 <= size <= limit:
        raise ValueError(f"{name} has {size} bytes; at most {limit} are taken")


def find_package_damage(folder: Path, digest: str | None = None, only: Collection[str] | None = None) -> str | None:
    """Say what is wrong with a package's files (`only` these), or return None if they are as they were written.

    With `digest`, it must be the package of that name.
    """
    try:
        if digest is not None and sha256(folder / MANIFEST)[:16] != digest:
            return f"{MANIFEST} is not as it was registered"
        for name, entry in read_manifest(folder).items():
            if (only is None or name in only) and _entry(folder / name) != entry:
                return f"{name} is not as it was registered"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is not there"
    except (OSError, ValueError) as error:
        return str(error)
    return None


def is_package(folder: Path) -> bool:
    """Return whether a folder is one that `experiments.registry.cache` keeps a package in."""
    return folder.name == ROOT and (folder / MANIFEST).is_file()


def sha256(path: Path) -> str:
    """Return the hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _entry(path: Path) -> FileEntry:
    size = path.stat().st_size
    check_size(path.name, size)
    return FileEntry(size, sha256(path))
