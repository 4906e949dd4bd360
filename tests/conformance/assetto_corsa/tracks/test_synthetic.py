"""Tracks out of a seed: what the original's files must be, read without our own reader."""

import csv
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from envs.assetto_corsa.tracks.checks import complaints
from envs.assetto_corsa.tracks.files import save_ac_track
from envs.assetto_corsa.tracks.occupancy import occupancy_grid
from envs.assetto_corsa.tracks.pickled_grid import write_pickled_grid
from envs.assetto_corsa.tracks.synthetic import synthetic_ac_track
from envs.errors import ConfigError

CLONE = os.environ.get("CHICANE_ACG", "")
HEADER = ["left_border_x", "left_border_y", "right_border_x", "right_border_y", "pos_x", "pos_y"]


def table(path):
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    return rows[0], np.array(rows[1:], float)


@pytest.mark.point("assetto_corsa", 42)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("seed", "line"), [(0, "centre"), (1, "centre"), (2, "centre"), (3, "centre"), (1, "minimum_curvature")]
)
def test_left_is_on_the_left_in_both_directions(synthetic, seed, line, reverse):
    track = synthetic(seed, line=line, reverse=reverse)
    tangent = np.roll(track.line_m, -1, axis=0) - np.roll(track.line_m, 1, axis=0)
    for border, side in ((track.left_m, 1), (track.right_m, -1)):
        offset = border - track.line_m
        assert (side * (tangent[:, 0] * offset[:, 1] - tangent[:, 1] * offset[:, 0]) > 0).all()
    assert complaints(track) == []


def test_the_other_way_round_is_the_same_road_backwards(synthetic):
    one, other = synthetic(1), synthetic(1, reverse=True)
    assert np.array_equal(one.line_m[0], other.line_m[0])
    assert np.array_equal(one.line_m[1:], other.line_m[:0:-1])
    assert np.array_equal(one.left_m[1:], other.right_m[:0:-1])


@pytest.mark.point("assetto_corsa", 41)
def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for folder in ("one", "other"):
        save_ac_track(synthetic_ac_track(7, has_curvature=True, has_target_speed=True), tmp_path / folder)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 3
    for path in files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "other" / path).read_bytes()
    save_ac_track(synthetic_ac_track(8), tmp_path / "one")
    borders = [(tmp_path / "one" / "tracks" / f"chicane_{seed}.csv").read_bytes() for seed in (7, 8)]
    assert borders[0] != borders[1]


@pytest.mark.parametrize("length", [800.0, 1500.0, 4200.0])
def test_files_are_as_the_original_wants_them(tmp_path, length):
    track = synthetic_ac_track(3, name="made", configuration="up", length_m=length, num_corners=10, min_width_m=10.0)
    save_ac_track(track, tmp_path)
    entry = yaml.safe_load((tmp_path / "tracks" / "config.yaml").read_text())["made-up"]
    assert (entry["track_name"], entry["track_configuration"]) == ("made", "up")
    header, rows = table(tmp_path / "tracks" / entry["track_file"])
    line_header, line = table(tmp_path / "tracks" / entry["ref_lap_file"])
    assert header == HEADER
    assert line_header == ["pos_x", "pos_y"]
    assert np.array_equal(rows[:, 4:], line)
    left, right = rows[:, :2], rows[:, 2:4]
    steps = np.linalg.norm(np.roll(line, -1, axis=0) - line, axis=1)  # the closing one is one of them: no duplicate
    assert len(rows) >= 1000
    assert steps.max() < 1.01 * steps.min()
    assert steps.max() <= 1.51
    assert len(rows[::10]) >= 100
    widths = np.linalg.norm(left - right, axis=1)
    assert widths.min() >= 9.99
    assert widths.max() <= 16
    assert entry["TrackLength"] == pytest.approx(steps.sum(), abs=1e-6)
    assert entry["TrackLength"] == pytest.approx(length, rel=1e-3)
    # Row 0 is on a straight: within 10 m the line turns by less than 3 degrees.
    headings = np.unwrap(np.arctan2(*np.diff(np.roll(line, 6, axis=0)[:13], axis=0).T[::-1]))
    assert np.ptp(headings) < np.radians(3)


def test_columns_of_the_line_belong_to_it(synthetic):
    track = synthetic(2, line="minimum_curvature", has_curvature=True, has_target_speed=True)
    a, b, c = np.roll(track.line_m, 1, axis=0), track.line_m, np.roll(track.line_m, -1, axis=0)
    area = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    sides = np.prod([np.linalg.norm(p - q, axis=1) for p, q in ((a, b), (b, c), (a, c))], axis=0)
    assert track.curvature == pytest.approx(4 * area / sides, abs=1e-9)  # of the circle through three points
    assert (track.target_speed_mps**2 * np.abs(track.curvature) < 14.0 + 1e-6).all()


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="line"):
        synthetic_ac_track(0, line="fastest")
    with pytest.raises(ConfigError, match="min_radius_m"):
        synthetic_ac_track(0, min_radius_m=5.0)
    with pytest.raises(ConfigError, match=r"name .*'\.\./up'"):
        synthetic_ac_track(0, name="../up")


@pytest.mark.point("assetto_corsa", 41)
@pytest.mark.skipif(not CLONE, reason="CHICANE_ACG names no clone of assetto_corsa_gym")
def test_files_load_in_the_original(tmp_path, synthetic, monkeypatch):
    track = synthetic(0)
    borders = save_ac_track(track, tmp_path)
    grid = tmp_path / "grid.pkl"
    write_pickled_grid(occupancy_grid(track, 0.5), grid)
    monkeypatch.syspath_prepend(str(next(Path(CLONE).rglob("AssettoCorsaEnv")).parent))
    from AssettoCorsaEnv.reference_lap import ReferenceLap
    from AssettoCorsaEnv.track import Track

    theirs = Track(track_file_path=str(borders), track_grid_file=str(grid))
    assert theirs.track_occupancy_grid.is_inside_grid(track.line_m[:5]).all()
    assert theirs.num_segments == len(range(0, track.num_rows, 10)) + ((track.num_rows - 1) % 10 > 0)
    lap = ReferenceLap(str(borders.with_name(f"{track.full_name}-racing_line.csv")), use_target_speed=False)
    assert lap.get_racing_line_time() == pytest.approx(track.line_m)
    for name in [name for name in sys.modules if name.startswith("AssettoCorsaEnv")]:
        monkeypatch.delitem(sys.modules, name)
