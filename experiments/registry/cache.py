"""Brings registered policies from the store into `outputs/registry`, checked against their manifest."""

import json
import os
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from experiments.folders import EVALUATION
from experiments.registry import package

FOLDER = "registry"  # below paths.outputs
_RUNS = "runs"  # below it, what was fetched by a run's id; models have folders of their names


@dataclass(frozen=True)
class Origin:
    """Where in the store a package lies.

    Attributes:
        run_id: Of the run whose artifact it is.
        name: Of the package.
    """

    run_id: str
    name: package.PackageName

    @classmethod
    def of_source(cls, source: str) -> Self:
        """Return what a version's source means.

        Raises:
            ValueError: It is not of the kind that `register` writes.
        """
        run_id, _, text = source.removeprefix("runs:/").partition(f"/{package.ROOT}/")
        name = package.PackageName.parse(text)
        if name is None or source != f"runs:/{run_id}/{package.ROOT}/{name}":
            raise ValueError(f"it was not registered by this suite (its source is {source})")
        return cls(run_id, name)

    @property
    def path(self) -> str:
        """Return its place in the run's artifacts."""
        return f"{package.ROOT}/{self.name}"


def version_folder(outputs: Path, model: str, version: int) -> Path:
    """Return where a version's files, and the results of driving it, are kept."""
    return outputs / FOLDER / model / str(version)


def run_folder(outputs: Path, run_id: str) -> Path:
    """Return the same for a policy that was named by its run."""
    return outputs / FOLDER / _RUNS / run_id


def fetch(client: Any, origin: Origin, folder: Path) -> Path:
    """Return `folder/policy` with the package in it, fetched unless it is there whole.

    Another package that was kept there (of another store, or before more training) is set aside with its results.

    Raises:
        ValueError: What the store holds is not what was registered.
        OSError: The disk is full, or does not let us.
    """
    kept = folder / package.ROOT
    if package.find_package_damage(kept, origin.name.digest) is None:
        return kept
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        fresh = download(client, origin, Path(temporary), package.LIMITS)
        damage = package.find_package_damage(fresh, origin.name.digest)
        if damage is not None:
            raise ValueError(damage)
        _set_aside(folder, origin.name.digest)
        folder.mkdir(exist_ok=True)
        try:
            os.replace(fresh, kept)
        except OSError:  # another process was faster
            if package.find_package_damage(kept, origin.name.digest) is not None:
                raise
    return kept


def fetch_evaluation(client: Any, model: str, version: int) -> dict[str, Any]:
    """Return the evaluation that was registered with a version.

    Raises:
        ValueError: There is none, or it is not as it was registered.
    """
    origin = Origin.of_source(client.get_model_version(model, str(version)).source)
    with tempfile.TemporaryDirectory(prefix="chicane_") as temporary:
        folder = download(client, origin, Path(temporary), [EVALUATION])
        damage = package.find_package_damage(folder, origin.name.digest, only=[EVALUATION])
        if damage is not None:
            raise ValueError(damage)
        content = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{EVALUATION} holds no evaluation")
    return content


def download(client: Any, origin: Origin, into: Path, names: Collection[str]) -> Path:
    """Fetch the manifest and those of the named files that there are; nothing that is too large begins to arrive."""
    sizes = {Path(info.path).name: info.file_size for info in client.list_artifacts(origin.run_id, origin.path)}
    if package.MANIFEST not in sizes:
        raise ValueError(f"run {origin.run_id} holds no files at {origin.path} (any more)")
    wanted = [name for name in (package.MANIFEST, *names) if name in sizes]
    for name in wanted:
        package.check_size(name, sizes[name])
    files = into / package.ROOT
    files.mkdir()
    for name in wanted:
        arrived = Path(client.download_artifacts(origin.run_id, f"{origin.path}/{name}", str(into)))
        shutil.move(arrived, files / name)
    return files


def _set_aside(folder: Path, digest: str) -> None:
    """Move what another package left in `folder` out of the way; a damaged copy of the same one is removed."""
    kept = folder / package.ROOT
    manifest = kept / package.MANIFEST
    if not manifest.is_file() or package.sha256(manifest)[:16] == digest:
        shutil.rmtree(kept, ignore_errors=True)
        return
    other = folder.with_name(f"{folder.name}_{package.sha256(manifest)[:16]}")
    shutil.rmtree(other, ignore_errors=True)
    os.replace(folder, other)
