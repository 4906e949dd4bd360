"""The line that rewards are paid along: points of a drive, one every 10 cm, and the files that hold them."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError
from envs.trackmania.pickled_array import read_pickled_array

SPACING_M = 0.1  # TMRL's
LEAST_POINTS, LEAST_LENGTH_M = 100, 10.0
SPACINGS_M = (0.05, 0.2)  # of the median
MAX_BYTES = 64 << 20
_FORMAT = 1


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A drive from start to finish.

    Attributes:
        points: `(N, 3)` float64, x, y (up) and z, metres; about `SPACING_M` apart.
        map_uid: of the map, as the game has it; empty if nobody told.
        source: where the points come from, with a hash of them.

    Raises:
        ConfigError: points that cannot be such a drive; names the check.
    """

    points: npt.NDArray[np.float64]
    map_uid: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        """Check the points."""
        points = np.array(self.points, np.float64, order="C")
        problem = _problem(points)
        if problem:
            raise ConfigError(f"The trajectory {self.source or 'given'} cannot be driven along: {problem}")
        points.setflags(write=False)
        object.__setattr__(self, "points", points)

    @property
    def length_m(self) -> float:
        """Of the whole line."""
        return float(np.linalg.norm(np.diff(self.points, axis=0), axis=1).sum())

    @property
    def digest(self) -> str:
        """Hash of the points, by which maps and recordings are compared."""
        return hashlib.sha256(self.points.tobytes()).hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write an npz."""
        head = {"format": _FORMAT, "map_uid": self.map_uid, "source": self.source, "digest": self.digest}
        np.savez_compressed(path, head=np.array(json.dumps(head)), points=self.points)


def resampled(points: npt.ArrayLike, spacing_m: float = SPACING_M) -> npt.NDArray[np.float64]:
    """Return points `(M, 3)` at equal arc lengths of a polyline `(N, 3)`; what is left at its end is dropped."""
    line = np.asarray(points, np.float64)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    keep = np.concatenate([[True], np.diff(along) > 0.0])
    wanted = np.arange(int(along[-1] / spacing_m + 1e-9) + 1) * spacing_m
    return np.stack([np.interp(wanted, along[keep], line[keep, axis]) for axis in range(3)], axis=1)


def load_trajectory(path: str | Path) -> Trajectory:
    """Read our npz, or a reward.pkl of TMRL, of which nothing is executed.

    Raises:
        ConfigError: there is no such file, it is neither, or its points fail a check.
    """
    file = Path(path)
    if not file.is_file():
        raise ConfigError(
            f"Expected env.trajectory to be a file, got {file}. Record one with python -m envs.record "
            "env=trackmania, or name a reward.pkl of TMRL."
        )
    size = file.stat().st_size
    if size > MAX_BYTES:
        raise ConfigError(f"{file} has {size >> 20} MiB: a trajectory has at most {MAX_BYTES >> 20} MiB.")
    data = file.read_bytes()
    if data[:2] == b"PK":
        return _from_npz(file)
    try:
        points = read_pickled_array(data)
    except ValueError as error:
        raise ConfigError(f"{file} is no reward file of TMRL: {error}. Nothing of it was executed.") from error
    return Trajectory(points.astype(np.float64), source=f"{file.name} sha256:{hashlib.sha256(data).hexdigest()[:16]}")


def _from_npz(file: Path) -> Trajectory:
    try:
        with np.load(file, allow_pickle=False) as archive:
            head = json.loads(str(archive["head"]))
            if head["format"] != _FORMAT:
                raise ValueError(f"its format is {head['format']}")
            points, uid, source = archive["points"], str(head["map_uid"]), str(head["source"])
            if points.dtype.kind not in "fiu":
                raise ValueError(f"its points are of type {points.dtype}, expected numbers")
    except (OSError, BadZipFile, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{file} holds no trajectory of format {_FORMAT} ({error}).") from error
    trajectory = Trajectory(points, uid, source)
    if trajectory.digest != head.get("digest"):
        raise ConfigError(
            f"The points of {file} have the hash {trajectory.digest}, and it was recorded with {head.get('digest')}: "
            "the file was changed. Record the map again."
        )
    return trajectory


def _problem(points: npt.NDArray[np.float64]) -> str | None:
    """Return what is wrong with points, None if nothing is."""
    if points.ndim != 2 or points.shape[1] != 3:
        return f"its shape is {points.shape}, expected (N, 3)."
    if len(points) == 2:
        return (
            "it has 2 points. It was recorded while the game still showed the finish of the race before: restart the "
            "race, then record again."
        )
    if len(points) < LEAST_POINTS:
        return f"it has {len(points)} points, expected at least {LEAST_POINTS}."
    if not np.isfinite(points).all():
        return f"point {int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])} is not finite."
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    low, high = SPACINGS_M
    if not low <= float(np.median(steps)) <= high:
        return f"its points are {np.median(steps):.3g} m apart, expected {low} … {high} m."
    if steps.sum() < LEAST_LENGTH_M:
        return f"it is {steps.sum():.3g} m long, expected at least {LEAST_LENGTH_M} m."
    return None
