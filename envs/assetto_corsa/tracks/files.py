"""Tracks in the original's files: a folder `tracks` with one config.yaml and two CSV a track, or the borders alone."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.assetto_corsa.tracks.checks import complaints
from envs.assetto_corsa.tracks.csv_rows import read_columns, write_columns
from envs.assetto_corsa.whole_files import write_whole
from envs.errors import ConfigError

TRACKS_FOLDER, CONFIG_FILE = "tracks", "config.yaml"
BORDER_COLUMNS = ("left_border_x", "left_border_y", "right_border_x", "right_border_y", "pos_x", "pos_y")
LINE_COLUMNS, LINE_OPTIONS = ("pos_x", "pos_y"), ("curvature", "target_speed")
_LINE_SUFFIX = "-racing_line.csv"

log = logging.getLogger(__name__)


def load_ac_track(source: str | Path, name: str | None = None) -> AcTrack:
    """Read a track.

    What looks wrong is logged as a warning and not refused: the original takes its own tracks as they are. Import a
    track (`envs.assetto_corsa.tracks.importing`) to have it checked.

    Args:
        source: a configuration folder of the original, or its folder `tracks`, or a CSV with the borders, beside which
            a line may lie as `NAME-racing_line.csv`.
        name: full name of the track in a folder that has several.

    Raises:
        ConfigError: there is no such track; lists those that are.
    """
    path = Path(source)
    track = _from_csv(path, name) if path.suffix == ".csv" else _from_folder(path, name)
    for complaint in complaints(track):
        log.warning("The track %s of %s: %s", track.full_name, path, complaint)
    return track


def save_ac_track(track: AcTrack, folder: str | Path, *, description: str = "") -> Path:
    """Write a track into a configuration folder, beside those that are there; return the borders' file.

    Args:
        track: replaces one of the same full name.
        folder: in which `tracks/` lies or is made.
        description: for people who read config.yaml.

    Raises:
        ConfigError: the folder's config.yaml is none.
    """
    tracks = Path(folder) / TRACKS_FOLDER
    tracks.mkdir(parents=True, exist_ok=True)
    config = tracks / CONFIG_FILE
    entries = _entries(config) if config.exists() else {}
    full = track.full_name
    borders = dict(zip(BORDER_COLUMNS, np.column_stack([track.left_m, track.right_m, track.line_m]).T, strict=True))
    line = dict(zip(LINE_COLUMNS, track.line_m.T, strict=True))
    options = dict(zip(LINE_OPTIONS, (track.curvature, track.target_speed_mps), strict=True))
    line |= {column: values for column, values in options.items() if values is not None}
    write_whole(tracks / f"{full}.csv", write_columns(borders))
    write_whole(tracks / f"{full}{_LINE_SUFFIX}", write_columns(line))
    entries[full] = {
        "track_name": track.name,
        "track_configuration": track.configuration or None,
        "track_file": f"{full}.csv",
        "track_grid_file": pickled_grid_name(full),
        "ref_lap_file": f"{full}{_LINE_SUFFIX}",
        "TrackLength": track.length_m,
        **({"description": description} if description else {}),
    }
    write_whole(config, yaml.safe_dump(entries, sort_keys=False, allow_unicode=True).encode())
    return tracks / f"{full}.csv"


def pickled_grid_name(full_name: str) -> str:
    """Return the file name under which the original looks for a track's grid."""
    return f"{full_name}_0.1m.pkl"


def _from_folder(folder: Path, name: str | None) -> AcTrack:
    tracks = folder / TRACKS_FOLDER if (folder / TRACKS_FOLDER).is_dir() else folder
    config = tracks / CONFIG_FILE
    if not config.is_file():
        raise ConfigError(
            f"Expected a track at {folder}: a CSV of borders, or a folder with {TRACKS_FOLDER}/{CONFIG_FILE}. Make one "
            "with python -m envs.assetto_corsa.tracks."
        )
    entries = _entries(config)
    if name is None and len(entries) == 1:
        name = next(iter(entries))
    if name not in entries:
        raise ConfigError(
            f"Expected one of the tracks of {config}: {', '.join(entries) or 'none'}; got {name!r}. The CSV of its "
            "borders also names a track."
        )
    return _from_entry(config, name, entries[name])


def _from_csv(path: Path, name: str | None) -> AcTrack:
    """Read borders: as the config.yaml beside them says, or with the line beside them, or with the line in them."""
    config = path.with_name(CONFIG_FILE)
    entries = _entries(config) if config.is_file() else {}
    for known, entry in entries.items():
        if entry.get("track_file") == path.name and name in (None, known):
            return _from_entry(config, known, entry)
    line = path.with_name(path.stem + _LINE_SUFFIX)
    return _track((name or path.stem, ""), path, line if line.exists() else None, None)


def _from_entry(config: Path, name: str, entry: Mapping[str, Any]) -> AcTrack:
    try:
        borders, line = (config.with_name(str(entry[key])) for key in ("track_file", "ref_lap_file"))
        length = float(entry["TrackLength"])
        words = (str(entry["track_name"]), str(entry.get("track_configuration") or ""))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"Expected track_name, track_file, ref_lap_file and a number as TrackLength of {name} in {config}, "
            f"got {dict(entry)}."
        ) from error
    return _track(words, borders, line, length)


def _track(words: tuple[str, str], borders: Path, line: Path | None, length: float | None) -> AcTrack:
    rows = read_columns(borders, BORDER_COLUMNS)
    left, right, middle = (
        np.column_stack([rows[x], rows[y]]) for x, y in zip(*[iter(BORDER_COLUMNS)] * 2, strict=True)
    )
    extra: dict[str, Any] = {}
    if line is not None:
        extra = dict(read_columns(line, LINE_COLUMNS, LINE_OPTIONS))
        middle = np.column_stack([extra[name] for name in LINE_COLUMNS])
        if len(middle) != len(left):
            raise ConfigError(
                f"Expected {line} with a row for each of the {len(left)} of {borders}, got {len(middle)}."
            )
    if length is None:
        length = float(np.linalg.norm(np.roll(middle, -1, axis=0) - middle, axis=1).sum())
    return AcTrack(*words, left, right, middle, extra.get("curvature"), extra.get("target_speed"), length)


def _entries(config: Path) -> dict[str, Mapping[str, Any]]:
    try:
        entries = yaml.safe_load(config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{config} is no YAML ({error}).") from error
    if entries is None:
        return {}
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise ConfigError(f"Expected {config} to hold one section a track, by its full name.")
    return entries
