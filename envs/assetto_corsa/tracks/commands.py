"""What `python -m envs.assetto_corsa.tracks` does: make a track, import one, write its grids."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from envs.app import ROOT
from envs.arguments import build_section, check_choice, check_types
from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.assetto_corsa.tracks.car_files import save_cars
from envs.assetto_corsa.tracks.driven_line import with_line
from envs.assetto_corsa.tracks.files import TRACKS_FOLDER, load_ac_track, pickled_grid_name, save_ac_track
from envs.assetto_corsa.tracks.importing import import_track
from envs.assetto_corsa.tracks.occupancy import CELL_M, occupancy_grid
from envs.assetto_corsa.tracks.pickled_grid import ORIGINAL_CELL_M, write_pickled_grid
from envs.assetto_corsa.tracks.synthetic import synthetic_ac_track
from envs.errors import ConfigError

SYNTHETIC, IMPORT, GRID = "synthetic", "import", "grid"
KINDS = (SYNTHETIC, IMPORT, GRID)


def carry_out(request: Mapping[str, Any]) -> str:
    """Do what is asked and return what to tell.

    Args:
        request: the keys of conf/assetto_corsa_track.yaml.

    Raises:
        ConfigError: it cannot be done; says why.
    """
    check_choice("kind", request["kind"], KINDS)
    folder = Path(request["folder"]).expanduser()
    _check_not_ours(folder)
    if request["kind"] == GRID:
        track = load_ac_track(folder, request["name"] or None)
        check_types(write_grids, request["grid"])
        return write_grids(track, folder, **request["grid"])
    track = _synthetic(request) if request["kind"] == SYNTHETIC else _imported(request)
    path = save_ac_track(track, folder)
    save_cars(folder)
    return f"{_described(track)} is in {path}.\nDrive it: env=assetto_corsa env.track={path}"


def _synthetic(request: Mapping[str, Any]) -> AcTrack:
    words = {key: str(request[key]) for key in ("name", "configuration")}
    return _built(synthetic_ac_track, words | request["synthetic"])


def _imported(request: Mapping[str, Any]) -> AcTrack:
    if request["source"] is None:
        raise ConfigError(
            "Expected source=FILE with kind=import: a .csv of borders, a .json of track info, or an .ai line."
        )
    keys = ("source", "name", "configuration", "length_m")
    track = _built(import_track, {key: request[key] for key in keys})
    return _built(with_line, {"track": track, "length_m": request["length_m"], **request["imported"]})


def _built(function: Callable[..., AcTrack], arguments: Mapping[str, Any]) -> AcTrack:
    check_types(function, arguments)
    track: AcTrack = build_section(function, arguments)
    return track


def write_grids(track: AcTrack, folder: Path, *, cell_m: float = CELL_M, pickle: bool = False) -> str:
    """Write the grid of a track of a folder, with `pickle` the original client's as well; return what to tell."""
    tracks = folder / TRACKS_FOLDER if (folder / TRACKS_FOLDER).is_dir() else folder
    path = tracks / f"{track.full_name}_{cell_m:g}m.npz"
    occupancy_grid(track, cell_m).save(path)
    told = f"The grid of {track.full_name} is in {path}."
    if pickle:
        pickled = tracks / pickled_grid_name(track.full_name)
        write_pickled_grid(occupancy_grid(track, ORIGINAL_CELL_M), pickled)
        told += f" For the original's client: {pickled}, {pickled.stat().st_size >> 20} MiB."
    return told


def _described(track: AcTrack) -> str:
    widths = track.widths_m
    return (
        f"{track.full_name}: {track.num_rows} rows, a lap of {track.length_m:.1f} m, {widths.min():.1f} to "
        f"{widths.max():.1f} m wide,"
    )


def _check_not_ours(folder: Path) -> None:
    """Tracks of users are not part of the project."""
    ours = [path for path in ROOT.iterdir() if path.is_dir() and (path / "__init__.py").exists()] + [ROOT / "conf"]
    if any(folder.resolve().is_relative_to(path) for path in ours):
        raise ConfigError(f"Expected a folder outside of the project's code, such as ~/tracks, got {folder}.")
