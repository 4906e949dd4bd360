"""Files of others may hold anything: what is no track is refused in words, and nothing else happens."""

import contextlib
import json
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.assetto_corsa.tracks.files import load_ac_track
from envs.assetto_corsa.tracks.importing import import_track
from envs.errors import ConfigError

HEADER = "left_border_x,left_border_y,right_border_x,right_border_y,pos_x,pos_y\n"
CELLS = st.sampled_from(["0", "1.5", "-3e300", "1e999", "nan", "inf", "", "x", "0x10", "1_0", "\x00", "٣", '"', "1,2"])
SPOILS = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def is_refused_or_a_track(read, *arguments, **words):
    with contextlib.suppress(ConfigError):
        assert isinstance(read(*arguments, **words), AcTrack)


@SPOILS
@given(st.lists(st.lists(CELLS, min_size=5, max_size=7), max_size=40), st.binary(max_size=40))
def test_borders(tmp_path, rows, rest):
    path = tmp_path / "borders.csv"
    path.write_bytes((HEADER + "\n".join(",".join(row) for row in rows)).encode() + rest)
    is_refused_or_a_track(import_track, path)
    path.write_bytes(rest)
    is_refused_or_a_track(import_track, path)


@SPOILS
@given(st.integers(-5, 60), st.binary(max_size=60 * 92 + 40))
def test_ai_lines(tmp_path, count, rest):
    path = tmp_path / "fast_lane.ai"
    path.write_bytes(struct.pack("<2i", 7, count) + rest)
    is_refused_or_a_track(import_track, path, name="mine")


def test_an_ai_line_of_odd_numbers(tmp_path):
    for fill in (b"\x00", b"\xff", b"\x7f\x80\x00\x00", struct.pack("<f", 1e38), struct.pack("<f", 0.5)):
        path = tmp_path / "fast_lane.ai"
        path.write_bytes(struct.pack("<4i", 7, 50, 0, 0) + (fill * (50 * 92))[: 50 * 92])
        is_refused_or_a_track(import_track, path, name="mine")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(10**30), 10**30) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)


@SPOILS
@given(st.dictionaries(st.sampled_from(["left_lane", "right_lane", "fast_lane", "speed_arr", "more"]), JSON))
def test_replies_about_tracks(tmp_path, reply):
    path = tmp_path / "info.json"
    path.write_text(json.dumps(reply))
    is_refused_or_a_track(import_track, path, name="mine")


@pytest.mark.parametrize(
    "value", ["nan", "1e400", "[]", "{}", "'x'", "null", "-5", "!!python/object/apply:os.getcwd []"]
)
@pytest.mark.parametrize("key", ["TrackLength", "track_name", "track_file", "track_configuration"])
def test_configs(tmp_path, key, value):
    entry = {"track_name": "a", "track_configuration": "b", "track_file": "a.csv", "ref_lap_file": "b.csv"}
    lines = [f"  {name}: {text}" for name, text in (entry | {"TrackLength": "5", key: value}).items()]
    (tmp_path / "config.yaml").write_text("a:\n" + "\n".join(lines) + "\n")
    for name in ("a.csv", "b.csv"):
        angles = np.arange(40) / 40 * 2 * np.pi
        out = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        rows = np.hstack([40 * out, 50 * out, 45 * out])
        (tmp_path / name).write_text(HEADER + "\n".join(",".join(map(str, row)) for row in rows.tolist()))
    is_refused_or_a_track(load_ac_track, tmp_path)
