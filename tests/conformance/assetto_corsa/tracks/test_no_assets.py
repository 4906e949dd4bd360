"""Nothing of the original, of the game or of its tracks lies in the project."""

import hashlib
import os
from pathlib import Path

import pytest

CLONE = os.environ.get("CHICANE_ACG", "")
FOLDERS = ("envs", "conf", "models", "experiments", "tune", "dashboard", "tests", "docs", "examples", "benchmarks")
# Tracks of the original by their full names, and files of it and of the game by their endings.
TRACKS = (
    *("ks_barcelona-layout_gp", "monza", "ks_silverstone-gp", "ks_red_bull_ring-layout_gp", "indianapolis_sp"),
    *("china-gp", "imola", "ks_laguna_seca", "thunderhill_raceway_park-twomilewest", "monaco"),
)
ENDINGS = (
    *(".pkl", ".pickle", ".pth", ".pt", ".ai", ".kn5", ".acd", ".ld", ".ldx", ".parquet"),
    *("-racing_line.csv", "_0.1m.npz"),
)
BORDERS = b"left_border_x,left_border_y"
LEAST_BYTES = 200  # of a file whose hash says whose it is; an empty one is everybody's


def files_of(root, folders):
    for folder in folders:
        for path in (root / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and ".git" not in path.parts:
                yield path


@pytest.mark.point("assetto_corsa", 45)
def test_no_file_is_named_or_made_like_an_asset(root):
    files = list(files_of(root, FOLDERS))
    assert len(files) > 300
    for path in files:
        assert not path.name.endswith(ENDINGS), path
        assert path.stem not in TRACKS, path
        if path.suffix == ".csv":
            assert not path.read_bytes().startswith(BORDERS), path


@pytest.mark.point("assetto_corsa", 45)
@pytest.mark.skipif(not CLONE, reason="CHICANE_ACG names no clone of assetto_corsa_gym")
def test_no_file_has_the_bytes_of_one_of_the_original(root):
    def hashes(paths):
        big = (path for path in paths if path.stat().st_size >= LEAST_BYTES)
        return {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in big}

    theirs, ours = hashes(files_of(Path(CLONE), ["."])), hashes(files_of(root, FOLDERS))
    assert len(theirs) > 20
    shared = {ours[one].as_posix() for one in theirs.keys() & ours.keys()}
    assert shared == set()
