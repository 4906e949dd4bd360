"""`python -m envs.doctor env=trackmania`: sixteen things that go wrong, each with what was seen and what to do."""

import importlib.metadata
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from envs.errors import ConfigError, ProtocolError, SimulatorUnavailable
from envs.findings import OK, PROBLEM, SKIPPED, WARNING, Finding
from envs.trackmania import games, ghosts, readiness
from envs.trackmania.doctor_drive import TRAJECTORY, drive_checks
from envs.trackmania.doctor_link import link_checks
from envs.trackmania.env import TrackmaniaEnv
from envs.trackmania.layouts import IQN33
from envs.trackmania.tmrl_config import load_tmrl_config
from envs.trackmania.trajectory import load_trajectory

TMRL_DATA = Path.home() / "TmrlData"
_PACKAGES = ("numpy", "opencv-python-headless", "gymnasium", "numba")
_FOR_CONTROLS = {games.GAMEPAD: "vgamepad"}
_EDGES = "edges"


def diagnose(arguments: Mapping[str, Any], seconds: float, *, tmrl_data: Path = TMRL_DATA) -> list[Finding]:
    """Look at everything, in the order in which causes hide each other.

    Args:
        arguments: of `TrackmaniaEnv`.
        seconds: for which telemetry is watched.
        tmrl_data: TMRL's data folder, if there is one.

    Raises:
        ConfigError: an argument is wrong.
    """
    place = f"twin ({arguments['twin']})" if arguments.get("twin") else str(arguments.get("hosts", "127.0.0.1:9000"))
    trajectory = _trajectory(arguments, place)
    usable = dict(arguments)
    if trajectory.verdict != OK:
        usable["trajectory"] = None
        if usable.get("obs") == _EDGES and not usable.get("twin"):
            usable["obs"] = "lidar"
    env = TrackmaniaEnv(**usable)
    try:
        findings = {_number(one): one for one in _all(env, usable, place, seconds, trajectory, tmrl_data)}
    finally:
        env.close()
    return [findings[number] for number in sorted(findings)]


def _all(
    env: TrackmaniaEnv,
    arguments: Mapping[str, Any],
    place: str,
    seconds: float,
    trajectory: Finding,
    tmrl_data: Path,
) -> Iterator[Finding]:
    yield Finding(
        place,
        "6 plugin signature",
        "cannot be seen from outside",
        SKIPPED,
        "If the plugin does not appear in OpenPlanet: unsigned plugins need its developer mode.",
    )
    yield trajectory
    yield _imports(arguments, place)
    yield _tmrl_config(tmrl_data, place)
    yield Finding(place, "15 experiment log", "local: MLflow in a file, nothing is uploaded")
    yield _ghosts(arguments, place)
    is_there = True
    for finding in link_checks(env, place, seconds):
        is_there = is_there and finding.verdict not in (PROBLEM, SKIPPED)
        yield finding
    yield from drive_checks(env, place, is_there=is_there, has_trajectory=trajectory.verdict == OK)


def _number(finding: Finding) -> int:
    return int(finding.check.split()[0])


def _trajectory(arguments: Mapping[str, Any], place: str) -> Finding:
    """Look at the file; whether it fits the map is seen when the car is at the start."""
    check, file = TRAJECTORY, arguments.get("trajectory")
    if file is None:
        if arguments.get("twin"):
            return Finding(place, check, "the twin's own")
        cure = (
            "Record one on the map: python -m envs.record env=trackmania file=line.npz, then env.trajectory=line.npz."
        )
        return Finding(place, check, "none (env.trajectory)", PROBLEM, cure)
    try:
        trajectory = load_trajectory(file)
    except ConfigError as error:
        return Finding(place, check, str(error), PROBLEM, "Record it again, from a restart to the finish.")
    found = f"{len(trajectory.points)} points, {trajectory.length_m:.0f} m, {trajectory.source}"
    if arguments.get("layout") == IQN33.name and not arguments.get("twin"):
        return _for_the_loaded_map(Finding(place, check, found), trajectory.map_uid)
    return Finding(place, check, found)


def _for_the_loaded_map(finding: Finding, map_uid: str) -> Finding:
    """Compare with what the plugin of this layout says, if both know a map."""
    try:
        loaded = readiness.ask_readiness(port=readiness.PORT)
    except (SimulatorUnavailable, ProtocolError) as error:
        return replace(finding, found=f"{finding.found}; {error}", verdict=WARNING, cure="Load the plugin anew.")
    if not map_uid or loaded.map_uid in (None, map_uid):
        return replace(finding, found=f"{finding.found}; loaded map: {loaded.map_uid or loaded.error}")
    cure = "Load the map that the trajectory was driven on, or record one on this map."
    return replace(
        finding, found=f"driven on map {map_uid}, but {loaded.map_uid} is loaded", verdict=PROBLEM, cure=cure
    )


def _imports(arguments: Mapping[str, Any], place: str) -> Finding:
    check = "12 packages"
    wanted = list(_PACKAGES)
    if not arguments.get("twin"):
        wanted += [_FOR_CONTROLS[name] for name in (arguments.get("controls", games.GAMEPAD),) if name in _FOR_CONTROLS]
        wanted += [] if arguments.get("obs") == _EDGES else ["mss"]
    versions, missing = [f"Python {sys.version.split()[0]}"], []
    for package in wanted:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(package)
    if missing:
        cure = f"pip install {' '.join(missing)}"
        return Finding(place, check, f"{', '.join(versions)}; not installed: {', '.join(missing)}", PROBLEM, cure)
    return Finding(place, check, ", ".join(versions))


def _tmrl_config(folder: Path, place: str) -> Finding:
    check, file = "13 TMRL's config", folder / "config" / "config.json"
    if not file.is_file():
        return Finding(place, check, f"none at {file}: nothing to take over", SKIPPED)
    try:
        config = load_tmrl_config(file)
    except ConfigError as error:
        return Finding(place, check, str(error), WARNING, "Only needed to take TMRL's settings over.")
    odd = [*config.warnings, *(f"{name} has no effect." for name in config.dead)]
    odd = [one for one in odd if "not taken over" not in one]
    if odd:
        return Finding(place, check, " ".join(odd), WARNING, "Correct the keys in the file.")
    return Finding(place, check, "all keys are known")


def _ghosts(arguments: Mapping[str, Any], place: str) -> Finding:
    check = "16 replays"
    if not arguments.get("save_replays"):
        return Finding(place, check, "are not saved (env.save_replays)", SKIPPED)
    if ghosts.save_ghost(lambda seconds: None):
        return Finding(place, check, "the plugin answers")
    cure = "Load the plugin TMRL Save Ghost, or set env.save_replays=false; without it nothing is saved, and no more."
    return Finding(place, check, f"nobody listens at port {ghosts.PORT}", WARNING, cure)
