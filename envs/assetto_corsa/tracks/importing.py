"""Import a user's own track: borders, a reply of the plugin, or the game's AI line. Checked before anything is kept."""

import json
from pathlib import Path

from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.assetto_corsa.tracks.checks import check_track
from envs.assetto_corsa.tracks.files import load_ac_track
from envs.assetto_corsa.tracks.lanes import track_from_ai_line, track_from_info
from envs.errors import ConfigError

MAX_BYTES = 64 << 20


def import_track(
    source: str | Path, *, name: str = "", configuration: str = "", length_m: float | None = None
) -> AcTrack:
    """Return the track of a file, checked.

    Args:
        source: `.csv` borders, `.json` a reply to `get_track_info`, `.ai` the game's line; or a folder with one track.
        name: as the game calls the track; needed for `.json` and `.ai`.
        configuration: its layout.
        length_m: of a lap, as the game tells it; the line's own by default.

    Raises:
        ConfigError: the file is none of these, or the track cannot be one; names the rows.
    """
    path = Path(source)
    if not path.exists():
        raise ConfigError(f"Expected a track to import at {path} (source): there is no such file.")
    if path.is_dir() or path.suffix == ".csv":
        track = load_ac_track(path)
        track = AcTrack(
            name or track.name,
            configuration if name else track.configuration,
            track.left_m,
            track.right_m,
            track.line_m,
            track.curvature,
            track.target_speed_mps,
            length_m or track.length_m,
        )
    elif path.suffix in (".json", ".ai"):
        if not name:
            raise ConfigError(f"Expected name=… with {path}: as the game calls the track, such as ks_barcelona.")
        read = _from_json if path.suffix == ".json" else track_from_ai_line
        track = read(path, name, configuration, length_m)
    else:
        raise ConfigError(
            f"Expected a source that ends in .csv (borders), .json (a reply to get_track_info) or .ai (the game's AI "
            f"line), got {path.name}."
        )
    check_track(track, str(path))
    return track


def _from_json(path: Path, name: str, configuration: str, length_m: float | None) -> AcTrack:
    if path.stat().st_size > MAX_BYTES:
        raise ConfigError(
            f"{path} has {path.stat().st_size >> 20} MiB: a track info has at most {MAX_BYTES >> 20} MiB."
        )
    try:
        reply = json.loads(path.read_bytes())
    except ValueError as error:
        raise ConfigError(f"Expected a JSON object, a reply to get_track_info, in {path}: {error}.") from error
    if not isinstance(reply, dict):
        raise ConfigError(
            f"Expected a JSON object, a reply to get_track_info, in {path}, got a {type(reply).__name__}."
        )
    return track_from_info(reply, name, configuration, length_m)
