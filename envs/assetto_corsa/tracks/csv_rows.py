"""Tables of numbers with a header, as the original keeps its tracks in."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from envs.errors import ConfigError
from envs.track.frames import FloatArray

MAX_BYTES = 64 << 20


def read_columns(path: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> dict[str, FloatArray]:
    """Return columns `(N,)` of a file by name: those needed, and those of the optional ones that it has.

    Raises:
        ConfigError: the file is not there, lacks a column, or a cell is no finite number; names the row of the file.
    """
    if not path.is_file():
        raise ConfigError(f"Expected a CSV with the columns {', '.join(needed)} at {path}: there is no such file.")
    if path.stat().st_size > MAX_BYTES:
        raise ConfigError(f"{path} has {path.stat().st_size >> 20} MiB: a track has at most {MAX_BYTES >> 20} MiB.")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is no CSV ({error}).") from error
    header = [name.strip() for name in rows[0]] if rows else []
    missing = [name for name in needed if name not in header]
    if missing:
        raise ConfigError(
            f"Expected {path} to begin with the line {','.join(needed)}, but {', '.join(missing)} is missing in "
            f"{','.join(header)[:200]!r}."
        )
    columns = {}
    for name in (*needed, *(name for name in optional if name in header)):
        columns[name] = _numbers(
            path, name, [row[header.index(name)] if len(row) == len(header) else "" for row in rows[1:]]
        )
    return columns


def write_columns(columns: Mapping[str, FloatArray]) -> bytes:
    """Return a CSV with these columns; numbers are the shortest that read as the same float64."""
    lines = [",".join(columns)]
    lines += [",".join(map(repr, row)) for row in zip(*(column.tolist() for column in columns.values()), strict=True)]
    return ("\n".join(lines) + "\n").encode()


def _numbers(path: Path, name: str, cells: Sequence[str]) -> FloatArray:
    try:
        values = np.array(cells, np.float64)
    except ValueError:
        values = np.array([_number(cell) for cell in cells])
    broken = np.flatnonzero(~np.isfinite(values))
    if len(broken):
        row = int(broken[0])
        raise ConfigError(
            f"Expected a finite number as {name} in each row of {path}, got {cells[row]!r} at row {row} "
            f"(line {row + 2})."
        )
    return values


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
