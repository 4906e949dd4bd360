"""Files of tracks: what is written is read again; what is wrong is said in words."""

from dataclasses import replace

import numpy as np
import pytest

from envs.assetto_corsa.tracks.car_files import save_cars
from envs.assetto_corsa.tracks.files import load_ac_track, save_ac_track
from envs.errors import ConfigError


def is_same(one, other):
    arrays = ("left_m", "right_m", "line_m", "curvature", "target_speed_mps")
    return one.digest == other.digest and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays if getattr(one, name) is not None
    )


def test_a_track_comes_back_to_the_last_bit(tmp_path, synthetic):
    plain = replace(synthetic(0), name="plain", length_m=2497.25)
    full = replace(synthetic(1, has_curvature=True, has_target_speed=True), name="full", configuration="long")
    save_ac_track(plain, tmp_path)
    assert is_same(load_ac_track(tmp_path), plain)
    save_ac_track(full, tmp_path, description="the long one")
    for source in (tmp_path, tmp_path / "tracks"):
        assert is_same(load_ac_track(source, "full-long"), full)
    again = load_ac_track(tmp_path / "tracks" / "full-long.csv")
    assert is_same(again, full)
    assert (again.name, again.configuration, again.full_name) == ("full", "long", "full-long")
    assert load_ac_track(tmp_path / "tracks" / "plain.csv").length_m == 2497.25  # as config.yaml says
    with pytest.raises(ConfigError, match="plain, full-long; got None"):
        load_ac_track(tmp_path)
    with pytest.raises(ConfigError, match="plain, full-long; got 'monza'"):
        load_ac_track(tmp_path, "monza")


def test_borders_alone_are_a_track(tmp_path, make_circle):
    track = make_circle()
    path = save_ac_track(track, tmp_path)
    alone = tmp_path / "alone.csv"
    alone.write_bytes(path.read_bytes())
    read = load_ac_track(alone)
    assert read.full_name == "alone"
    assert np.array_equal(read.line_m, track.line_m)
    assert read.length_m == pytest.approx(2 * np.pi * 200, rel=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("left_border_x", "left_x", 1), "left_border_x is missing"),
        (lambda text: text.replace("\n", "\n1,2,3\n", 1), r"got '' at row 0 \(line 2\)"),
        (lambda text: text + "1,2,3,4,5,many\n", "pos_y .*'many' at row 838"),
        (lambda text: text + "1,2,3,4,5,nan\n", "pos_y .*'nan' at row 838"),
        (lambda text: text + "1,2,3,4,5,6\n", r"a row for each of the 839 of .*, got 838"),
        (lambda text: text.splitlines()[0] + "\n", "at least 30"),
        (lambda text: "", "left_border_x, .* is missing in ''"),
    ],
)
def test_broken_borders_are_named(tmp_path, make_circle, change, words):
    path = save_ac_track(make_circle(), tmp_path)
    path.write_text(change(path.read_text()))
    if "at least" in words:
        line = path.with_name("circle-racing_line.csv")
        line.write_text(line.read_text().splitlines()[0] + "\n")
    with pytest.raises(ConfigError, match=words):
        load_ac_track(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("circle: {track_name: circle}", "track_file, ref_lap_file and a number as TrackLength of circle"),
        ("circle: 5", "one section a track"),
        ("- circle", "one section a track"),
        ("{", "is no YAML"),
        ("", "none; got None"),
        (
            "circle: {track_name: a, track_file: ../up.csv, ref_lap_file: b.csv, TrackLength: 5}",
            "TrackLength of circle",
        ),
    ],
)
def test_a_broken_config_is_named(tmp_path, text, words):
    (tmp_path / "tracks").mkdir()
    (tmp_path / "tracks" / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_ac_track(tmp_path)


def test_no_track_is_no_silence(tmp_path):
    with pytest.raises(ConfigError, match=r"python -m envs\.assetto_corsa\.tracks"):
        load_ac_track(tmp_path)
    with pytest.raises(ConfigError, match="there is no such file"):
        load_ac_track(tmp_path / "none.csv")


def test_what_looks_wrong_is_logged_and_read(tmp_path, make_circle, caplog):
    path = save_ac_track(make_circle(half_width=25.0), tmp_path)
    assert load_ac_track(path).widths_m.max() == pytest.approx(50.0)
    assert "4 … 40 m wide" in caplog.text


def test_files_of_cars_hold_what_is_known_of_them(tmp_path):
    assert len(save_cars(tmp_path)) == 6
    steer = (tmp_path / "cars" / "dallara_f317" / "steer_map.csv").read_text().split()
    assert steer[1:] == ["-0.5341796875,-240.0", "0.5341796875,240.0"]
    brake = np.loadtxt(tmp_path / "cars" / "bmw_z4_gt3" / "brake_map.csv", delimiter=",", skiprows=1)
    assert brake[[0, 10, 20]] == pytest.approx(np.array([(-1, 0), (0, 0.5**2.4), (1, 1)]))
    (tmp_path / "cars" / "dallara_f317" / "steer_map.csv").write_text("mine")
    assert save_cars(tmp_path) == []
