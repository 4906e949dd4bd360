"""A user's own tracks: three sources, one set of checks, and every complaint names its rows."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest

from envs.assetto_corsa.tracks.files import load_ac_track, save_ac_track
from envs.assetto_corsa.tracks.importing import import_track
from envs.errors import ConfigError


@pytest.fixture
def imported(tmp_path):
    """Return a function that writes a track's borders and imports them."""
    return lambda track: import_track(save_ac_track(track, tmp_path))


@pytest.mark.point("assetto_corsa", 44)
def test_a_width_of_72_9_m_is_refused_with_its_row(imported, make_circle):
    track = make_circle(radius=300.0)
    right = track.right_m.copy()
    right[417] = track.left_m[417] + (right[417] - track.left_m[417]) * 72.9 / 12.0
    with pytest.raises(ConfigError, match=r"row 417 .*4 … 40 m wide; the worst is row 417: 72\.9 m"):
        imported(replace(track, right_m=right))


def test_a_good_track_is_taken(imported, synthetic):
    assert imported(synthetic(4)).digest == synthetic(4).digest


def moved(array, row, by):
    changed = array.copy()
    changed[row] += by
    return changed


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: {"left_m": t.right_m, "right_m": t.left_m}, "left border is not on the left .*swapped"),
        (lambda t: {"line_m": np.roll(t.line_m, 5, axis=0)[::-1]}, "driving direction"),
        (lambda t: {"line_m": moved(t.line_m, 100, t.line_m[101] - t.line_m[100] * 1.0001)}, "row 100 .*apart"),
        (lambda t: {"left_m": moved(t.left_m, 40, (60.0, 30.0))}, "crosses|not on the left|wide"),
        (
            lambda t: {name: getattr(t, name)[:-30] for name in ("left_m", "right_m", "line_m")},
            "does not close: .*row, 807",
        ),
        (
            lambda t: {
                name: np.append(rows := getattr(t, name), rows[:1], 0) for name in ("left_m", "right_m", "line_m")
            },
            "row, 838, is 0 m from its first.*duplicate",
        ),
    ],
)
def test_what_cannot_be_driven_is_named(imported, make_circle, spoil, words):
    track = make_circle()
    with pytest.raises(ConfigError, match=words):
        imported(replace(track, **spoil(track)))


def test_crossing_borders_are_named(imported, make_stadium):
    track = make_stadium()
    left = track.left_m.copy()
    left[[20, 21]] = left[[21, 20]]  # a loop
    with pytest.raises(ConfigError, match=r"left border at row .* crosses the left one at row"):
        imported(replace(track, left_m=left))


def ai_line(track, has_integer, speeds):
    """Return a line of the game, whose x and z are the plan frame's y and x; the file's first int is its version."""
    tangent = track.line_m - np.roll(track.line_m, 1, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    left, right = (
        np.linalg.norm(track.left_m - track.line_m, axis=1),
        np.linalg.norm(track.right_m - track.line_m, axis=1),
    )
    count = len(tangent)
    data = struct.pack("<4i", 7, count, 0, count)
    for row, (x, y) in enumerate(track.line_m):
        data += struct.pack("<4fi", y, 55.0, x, 1.5 * row, row)
    data += struct.pack("<i", count) if has_integer else b""
    for row in range(count):
        detail = [0.0] * 18
        # With the integer, details begin with speed; without, as the plugin counts them, one later.
        shift = 0 if has_integer else 1
        for place, value in ((0, speeds[row]), (1, 0.5), (2, 0.25), (5, left[row]), (6, right[row])):
            detail[place + shift] = value
        data += struct.pack("<18f", *detail)
    return data + b"a grid follows"


@pytest.mark.parametrize("has_integer", [True, False])
def test_an_ai_line_is_read_in_both_layouts(tmp_path, make_circle, has_integer):
    track = make_circle(half_width=5.0)
    speeds = np.linspace(5, 60, track.num_rows)
    (tmp_path / "fast_lane.ai").write_bytes(ai_line(track, has_integer, speeds))
    read = import_track(tmp_path / "fast_lane.ai", name="mine", configuration="gp", length_m=1250.0)
    assert (read.full_name, read.length_m) == ("mine-gp", 1250.0)
    assert read.line_m == pytest.approx(track.line_m, abs=1e-4)  # float32
    # Perpendicular to the way from the row before, the borders are half a row askew, and no farther from the line.
    for border, side in ((read.left_m, -5.0), (read.right_m, 5.0)):
        assert np.linalg.norm(border, axis=1) == pytest.approx(200 + side, abs=0.02)
        assert np.linalg.norm(border - read.line_m, axis=1) == pytest.approx(5.0, abs=1e-4)
    assert read.target_speed_mps == pytest.approx(np.maximum(speeds, 15.0), abs=1e-4)


def test_an_ai_line_by_hand(tmp_path, make_stadium):
    # On the lower straight towards +x, a car's left is +y: in the game, +z is ahead and +x to the left.
    track = make_stadium()
    track = replace(track, right_m=track.line_m + 0.6 * (track.right_m - track.line_m))  # 3 m to the right
    (tmp_path / "fast_lane.ai").write_bytes(ai_line(track, True, np.full(track.num_rows, 30.0)))
    read = import_track(tmp_path / "fast_lane.ai", name="mine")
    assert read.line_m[5] == pytest.approx((7.5, 0.0), abs=0.01)
    assert read.left_m[5] == pytest.approx((7.5, 5.0), abs=0.01)
    assert read.right_m[5] == pytest.approx((7.5, -3.0), abs=0.01)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:5000], r"got 5000 bytes and a count of 838"),
        (lambda data: b"", "got 0 bytes and a count of 0"),
        (lambda data: struct.pack("<2i", 7, 2**31 - 1) + data[8:], "count of 2147483647"),
        (lambda data: struct.pack("<2i", 7, -5) + data[8:], "count of -5"),
        (
            lambda data: (
                data[: 16 + 20 * 838 + 4 + 72 * 9] + struct.pack("<f", 900) + data[16 + 20 * 838 + 8 + 72 * 9 :]
            ),
            "speed .* 900 at place 9",
        ),
    ],
)
def test_a_broken_ai_line_is_named(tmp_path, make_circle, change, words):
    data = ai_line(make_circle(), True, np.full(838, 30.0))
    (tmp_path / "fast_lane.ai").write_bytes(change(data))
    with pytest.raises(ConfigError, match=words):
        import_track(tmp_path / "fast_lane.ai", name="mine")


def test_a_reply_about_the_track_is_imported(tmp_path, synthetic):
    track = synthetic(0)
    speeds = np.full(track.num_rows, 42.0)
    lanes = {"left_lane": track.left_m, "right_lane": track.right_m, "fast_lane": track.line_m, "speed_arr": speeds}
    reply = {name: lane.tolist() for name, lane in lanes.items()} | {"angle_array": [0.0]}
    (tmp_path / "info.json").write_text(json.dumps(reply))
    read = import_track(tmp_path / "info.json", name="mine", length_m=2501.0)
    assert np.array_equal(read.left_m, track.left_m)
    assert np.array_equal(read.right_m, track.right_m)
    assert read.target_speed_mps[3] == 42.0
    (tmp_path / "info.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"left_lane .* no AI line"):
        import_track(tmp_path / "info.json", name="mine")
    (tmp_path / "info.json").write_text(json.dumps(reply | {"speed_arr": [1.0]}))
    with pytest.raises(ConfigError, match="lanes of one length"):
        import_track(tmp_path / "info.json", name="mine")


def test_rows_that_repeat_the_first_are_left_out_of_what_users_cannot_edit(tmp_path, make_circle):
    track = make_circle()
    lanes = {"left_lane": track.left_m, "right_lane": track.right_m, "fast_lane": track.line_m}
    reply = {name: [*lane.tolist(), lane[0].tolist()] for name, lane in lanes.items()} | {"speed_arr": [20.0] * 839}
    (tmp_path / "info.json").write_text(json.dumps(reply))
    assert import_track(tmp_path / "info.json", name="mine").num_rows == 838


def test_sources_are_told_apart(tmp_path):
    for name, words in (("a.kn5", "ends in .csv"), ("a.ai", "name=…"), ("none.csv", "no such file")):
        if name != "none.csv":
            (tmp_path / name).write_text("")
        with pytest.raises(ConfigError, match=words):
            import_track(tmp_path / name)


def test_an_imported_track_can_be_renamed(tmp_path, make_circle):
    path = save_ac_track(make_circle(), tmp_path)
    track = import_track(path, name="mine", configuration="gp", length_m=1257.0)
    assert (track.full_name, track.length_m) == ("mine-gp", 1257.0)
    assert load_ac_track(path).full_name == "circle"
