"""Points 16 to 20: what is observed, by hand-made screenshots, measured vectors and reflected tracks."""

import cv2
import numpy as np
import pytest
from gymnasium import spaces

from envs.errors import ConfigError
from envs.stacking import FrameStacker
from envs.track.frames import to_car_frame
from envs.trackmania.edges_preset import EdgeSettings, EdgesPreset
from envs.trackmania.images import Picture
from envs.trackmania.layouts import IQN33, MAP25, TMRL8, TMRL11
from envs.trackmania.lidar import PixelLidar
from envs.trackmania.presets import FullPreset, LidarPreset, LidarProgressPreset
from envs.trackmania.records import Record
from envs.trackmania.road import Road, load_road
from envs.trackmania.trajectory import resampled
from envs.trackmania.views import DictView, tmrl_preprocessed

DEMO = {  # screenshots of 958 x 488 on background 200, and what TMRL measured on them
    "plain": "457 465 488 531 603 550 484 445 423 417 423 445 484 550 603 531 488 465 458",
    "black": " ".join(["0"] * 19),
    "sides": "201 205 216 236 269 324 422 445 423 417 423 445 339 259 214 187 171 162 160",
    "above": "457 465 488 457 351 291 255 234 222 219 222 234 255 291 351 456 488 465 458",
}


def screen(kind, height=488, width=958):
    picture = np.full((height, width, 3), 0 if kind == "black" else 200, np.uint8)
    if kind == "sides":
        picture[:, :300] = picture[:, 700:] = 0
    if kind == "above":
        picture[:200] = 0
    return picture


def record(layout=TMRL11, received_s=0.0, **fields):
    values = {"x_m": 0.0, "y_m": 10.0, "z_m": 0.0, "gear": 1.0, "direction_z": 1.0} | fields
    return Record(layout, tuple(float(values.get(name, 0.0)) for name in layout.fields), received_s)


# --- pictures


@pytest.mark.point("trackmania", 17)
@pytest.mark.parametrize(
    ("red", "green", "blue", "gray"),  # 0.299 R + 0.587 G + 0.114 B, rounded
    [(255, 0, 0, 76), (0, 255, 0, 150), (0, 0, 255, 29), (255, 255, 255, 255), (100, 50, 200, 82), (0, 0, 0, 0)],
)
def test_grey_weighs_colours(red, green, blue, gray):
    shot = np.full((128, 256, 3), (blue, green, red), np.uint8)
    picture = Picture().of(shot)
    assert (picture.shape, picture.dtype) == ((64, 64), np.uint8)
    assert (picture == gray).all()
    colour = Picture(grayscale=False).of(shot)
    assert colour.shape == (64, 64, 3)
    assert (colour == (red, green, blue)).all()


@pytest.mark.point("trackmania", 17)
def test_pictures_are_resized_before_they_are_grey():
    """A bilinear pixel of half the size is the mean of four: columns of red 2 and 0 are red 1, which is grey 0."""
    shot = np.zeros((128, 128, 3), np.uint8)
    shot[:, ::2, 2] = 2
    assert (Picture().of(shot) == 0).all()
    assert (Picture(grayscale=False).of(shot) == (1, 0, 0)).all()
    assert cv2.resize(cv2.cvtColor(shot, cv2.COLOR_BGR2GRAY), (64, 64)).max() == 1  # the other way round


@pytest.mark.point("trackmania", 17)
def test_pictures_keep_their_sides():
    shot = np.zeros((100, 200, 3), np.uint8)
    shot[:50, :100] = 80  # upper left
    picture = Picture(width=32, height=16).of(shot)
    assert picture.shape == (16, 32)
    assert (picture[:8, :16] == 80).all()
    assert picture[8:].max() == picture[:, 16:].max() == 0


@pytest.mark.point("trackmania", 17)
def test_the_division_by_256_loses_nothing():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    scaled = tmrl_preprocessed(("speed", "gear", "rpm", "image"), [np.ones(1)] * 3 + [levels])[3]
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal((scaled * np.float32(256)).astype(np.uint8), levels)


# --- lidar


@pytest.mark.point("trackmania", 18)
@pytest.mark.parametrize("kind", DEMO)
def test_the_lidar_measures_as_tmrls(kind):
    expected = [float(word) for word in DEMO[kind].split()]
    assert PixelLidar(488, 958).read(screen(kind)).tolist() == expected


@pytest.mark.point("trackmania", 18)
@pytest.mark.parametrize(("colour", "distance"), [((55, 55, 55), 417), ((54, 54, 54), 219), ((54, 54, 200), 417)])
def test_a_border_is_dark_in_all_channels(colour, distance):
    picture = screen("plain")
    picture[:200] = colour
    assert PixelLidar(488, 958).read(picture)[9] == distance


@pytest.mark.point("trackmania", 18)
def test_a_small_window_is_measured_anew():
    """256 x 128: the origin is in row 44 * 128 // 49 = 114 and column 128."""
    lidar = PixelLidar(128, 256)
    plain = lidar.read(screen("plain", 128, 256))
    assert plain[[0, 9, 18]].tolist() == [106, 93, 107]  # columns 148…254, rows 94…1, columns 108…1: last indices
    picture = screen("plain", 128, 256)
    picture[:64] = 0
    assert lidar.read(picture)[9] == 114 - 63 - 20
    with pytest.raises(ValueError, match="another size"):
        lidar.read(screen("plain"))
    preset = LidarPreset(488, 958)
    preset.reset(record(), screen("plain"))
    assert preset.step(record(), picture, 0.0)[1][-1, 9] == 31


# --- presets


def full(gray=True):
    return FullPreset(TMRL11, Picture(grayscale=gray))


PRESETS = {
    "full": (full, (128, 256), [(1,), (1,), (1,), (4, 64, 64)]),
    "full_colour": (lambda: full(gray=False), (128, 256), [(1,), (1,), (1,), (4, 64, 64, 3)]),
    "lidar": (LidarPreset, (488, 958), [(1,), (4, 19)]),
    "lidar_progress": (LidarProgressPreset, (488, 958), [(1,), (1,), (4, 19)]),
}
VIEWED = {
    "full": {"speed": (1,), "gear": (1,), "rpm": (1,), "image": (64, 64, 1), "actions": (6,)},
    "full_colour": {"speed": (1,), "gear": (1,), "rpm": (1,), "image": (64, 64, 3), "actions": (6,)},
    "lidar": {"speed": (1,), "lidar": (76,), "actions": (6,)},
    "lidar_progress": {"speed": (1,), "progress": (1,), "lidar": (76,), "actions": (6,)},
}


def shots(size):
    generator = np.random.default_rng(0)
    while True:
        yield generator.integers(0, 256, (*size, 3)).astype(np.uint8)


@pytest.mark.point("trackmania", 16)
@pytest.mark.parametrize("name", PRESETS)
def test_elements_are_tmrls_and_within_their_spaces(name):
    build, size, shapes = PRESETS[name]
    preset, pictures = build(), shots(size)
    assert [box.shape for box in preset.boxes] == shapes
    observations = [preset.reset(record(), next(pictures))]
    for speed, gear, rpm, progress in ((-4.0, -1, 0, 0.0), (277.0, 7, 20000, 0.9999), (50.0, 5, 9000, 0.5)):
        told = record(speed_mps=speed, gear=gear, rpm=rpm)
        observations.append(preset.step(told, next(pictures), progress))
    for observation in observations:
        assert spaces.Tuple(preset.boxes).contains(observation)
        assert observation[0].dtype == np.float32
    assert observations[-1][0] == 50.0


@pytest.mark.point("trackmania", 19)
def test_progress_is_0_at_reset_and_histories_are_filled_with_the_first_reading():
    preset, pictures = LidarProgressPreset(), shots((488, 958))
    _, progress, lidar = preset.reset(record(), next(pictures))
    assert progress.tolist() == [0.0]
    assert (lidar == lidar[0]).all()
    _, progress, after = preset.step(record(), next(pictures), 1234 / 25245)
    assert progress.tolist() == [np.float32(1234 / 25245)]
    np.testing.assert_array_equal(after[:3], lidar[1:])  # oldest first
    assert (after[3] != lidar[0]).any()


@pytest.mark.point("trackmania", 19)
def test_pictures_of_the_first_observation_are_the_same():
    preset, pictures = full(), shots((128, 256))
    images = preset.reset(record(), next(pictures))[3]
    assert (images == images[0]).all()
    assert (preset.step(record(), next(pictures), 0.0)[3][:3] == images[1:]).all()


@pytest.mark.parametrize("name", PRESETS)
def test_the_dict_has_the_tuples_numbers(name):
    build, size, _ = PRESETS[name]
    preset, pictures = build(), shots(size)
    view = DictView(preset.names, preset.boxes, num_actions=2)
    actions = (np.array([0.1, 0.2, 0.3], np.float32), np.array([-1.0, 1.0, 0.5], np.float32))
    stacker = None
    for step in range(6):
        told = record(speed_mps=12.5 + step, gear=3, rpm=9000)
        elements = preset.step(told, next(pictures), 0.25) if step else preset.reset(told, next(pictures))
        parts = view.of((*elements, *actions))
        assert {part: value.shape for part, value in parts.items()} == VIEWED[name]
        assert view.space.contains(parts)
        by_name = dict(zip(preset.names, elements, strict=True))
        for part in set(parts) - {"image", "actions"}:
            np.testing.assert_array_equal(parts[part], by_name[part].ravel())
        np.testing.assert_array_equal(parts["actions"], np.concatenate(actions))
        if "image" in parts:
            boxes = {"image": view.space["image"]}
            stacker = stacker or FrameStacker(1, 4, boxes)
            stack = stacker.push({"image": parts["image"][None]}, np.zeros(1, bool))["image"][0]
            channels = parts["image"].shape[2]
            for age in range(4):  # newest last, as TMRL's history
                newest = by_name["image"][3 - age].reshape(64, 64, channels)
                begin = (3 - age) * channels
                np.testing.assert_array_equal(stack[:, :, begin : begin + channels], newest)


@pytest.mark.parametrize(("name", "size"), [("full", 3 + 16384 + 6), ("lidar", 83), ("lidar_progress", 84)])
def test_networks_get_as_many_numbers_as_tmrls(name, size):
    build, shape, _ = PRESETS[name]
    preset = build()
    told = record(speed_mps=50.0, gear=5, rpm=9000)
    elements = (*preset.reset(told, next(shots(shape))), np.zeros(3, np.float32), np.zeros(3, np.float32))
    ready = tmrl_preprocessed(preset.names, elements)
    assert sum(element.size for element in ready) == size
    assert all(element.dtype == np.float32 for element in ready)
    if name == "full":
        assert [float(element[0]) for element in ready[:3]] == pytest.approx([0.05, 0.5, 0.9])
    else:
        assert ready[0] == 50.0
        assert ready[-3].shape == (76,)


@pytest.mark.parametrize(
    ("name", "scaling", "speed"), [("full", "tmrl", 0.05), ("full", "scaled", 0.5), ("lidar", "tmrl", 50.0)]
)
def test_scalings_have_names_of_their_own(name, scaling, speed):
    build, shape, _ = PRESETS[name]
    preset = build()
    view = DictView(preset.names, preset.boxes, num_actions=0, scaling=scaling)
    parts = view.of(preset.reset(record(speed_mps=50.0), next(shots(shape))))
    assert parts["speed"] == pytest.approx([speed])
    assert view.space.contains(parts)


def test_a_layout_without_gears_has_no_full_observation():
    with pytest.raises(ConfigError, match=r"gear, rpm.*TMRL8.*env.obs=lidar"):
        FullPreset(TMRL8, Picture())


# --- edges


def snake(mirrored=False):
    """A drive of 600 m in the game's frame, straight at first, then in bends of 150 m radius."""
    headings = np.concatenate([np.zeros(500), 0.9 * np.sin(np.arange(5500) / 700.0)])
    x, z = np.cumsum(np.sin(headings)) * 0.1, np.cumsum(np.cos(headings)) * 0.1
    side = -1.0 if mirrored else 1.0
    return np.stack([side * x, np.full(6000, 10.0), z], axis=1)


def parts_of(preset, elements):
    telemetry = dict(zip(preset.telemetry_names, elements[0].tolist(), strict=True))
    left_ahead, left_left, right_ahead, right_left, mask = elements[1].reshape(5, -1)
    return telemetry, np.stack([left_ahead, left_left], 1), np.stack([right_ahead, right_left], 1), mask


def drive_edges(layout, line, *, speed=80.0, offset_m=0.0, settings=None):
    """Drive along a line, `offset_m` to the side of its +x; yield preset, telemetry and edges of each step of 50 ms."""
    preset = EdgesPreset(layout, Road.along(line), settings)
    step = round(speed * 0.05 * 10)
    for index, row in enumerate(range(0, len(line) - 1, step)):
        here, ahead = line[row], line[min(row + 1, len(line) - 1)] - line[row]
        unit = ahead / np.linalg.norm(ahead)
        side_m = offset_m(row / len(line)) if callable(offset_m) else offset_m
        place = here + side_m * np.array([unit[2], 0.0, -unit[0]])
        told = record(
            layout,
            received_s=0.05 * index,
            **dict(zip(("x_m", "y_m", "z_m"), place, strict=True)),
            **dict(zip(("direction_x", "direction_y", "direction_z"), unit, strict=True)),
            **dict(zip(("velocity_x", "velocity_y", "velocity_z"), unit * speed, strict=True)),
            speed_mps=speed,
            rpm=8000.0,
        )
        elements = preset.reset(told, None) if index == 0 else preset.step(told, None, 0.0)
        assert spaces.Tuple(preset.boxes).contains(elements)
        yield parts_of(preset, elements)


@pytest.mark.point("trackmania", 20)
def test_the_road_lies_where_the_driver_sees_it():
    """A car at the start of a straight along +z: left is +x in a right-handed frame, 12.8 m to either edge."""
    telemetry, left, right, mask = next(drive_edges(IQN33, snake(), offset_m=2.0))
    ahead = np.linspace(0.0, 160.0, 15)
    straight = ahead < 48.0
    np.testing.assert_allclose(left[straight, 0] * 160.0, ahead[straight], atol=0.2)
    np.testing.assert_allclose(left[straight, 1] * 160.0, 10.8, atol=0.2)
    np.testing.assert_allclose(right[straight, 1] * 160.0, -14.8, atol=0.2)
    assert telemetry["offset_left_m"] * 20.0 == pytest.approx(2.0, abs=0.05)
    assert telemetry["speed_mps"] == pytest.approx(0.8)
    assert mask.all()


@pytest.mark.point("trackmania", 20)
@pytest.mark.parametrize("layout", [IQN33, TMRL11], ids=lambda layout: layout.name)
def test_a_reflected_track_is_seen_reflected(layout):
    lateral = {"left_mps", "yaw_rate_radps", "offset_left_m", "heading_sine"}
    one = drive_edges(layout, snake(), offset_m=3.0)
    other = drive_edges(layout, snake(mirrored=True), offset_m=-3.0)
    for (telemetry, left, right, mask), (mirrored, m_left, m_right, m_mask) in zip(one, other, strict=True):
        flip = np.array([1.0, -1.0])
        np.testing.assert_allclose(left, m_right * flip, atol=1e-5)
        np.testing.assert_allclose(right, m_left * flip, atol=1e-5)
        np.testing.assert_array_equal(mask, m_mask)
        for name, value in telemetry.items():
            assert mirrored[name] == pytest.approx(-value if name in lateral else value, abs=1e-5)


@pytest.mark.point("trackmania", 20)
def test_edges_are_valid_from_start_to_finish_without_jumps():
    spacing = 160.0 / 14
    line = snake()
    before = None
    masks = []
    for step, (_, left, right, mask) in enumerate(drive_edges(IQN33, line)):
        masks.append(mask)
        assert (np.abs(left[0]) * 160.0 < 30.0).all()  # beside the car, not behind a bend
        row = min(step * 40, len(line) - 2)
        unit = line[row + 1] - line[row]
        pose = (line[row][2], line[row][0], np.arctan2(unit[0], unit[2]))
        seen = np.stack([left, right]) * 160.0
        cos, sin = np.cos(pose[2]), np.sin(pose[2])
        in_world = seen @ np.array([[cos, sin], [-sin, cos]]) + pose[:2]
        if before is not None:
            assert np.linalg.norm(in_world - before, axis=-1).max() <= 2 * spacing
        before = in_world
    assert not masks[-1].all()  # at the end most points lie past the finish, where the edges go straight on
    gaps = np.linalg.norm(np.diff(before[0], axis=0), axis=1)
    np.testing.assert_allclose(gaps, spacing, rtol=0.2)


@pytest.mark.point("trackmania", 20)
def test_a_section_10_m_away_is_not_taken_for_the_own():
    """There and back, 10 m apart, joined by a wide loop: 6 m towards the other section, that is the nearer one."""
    there = np.stack([np.zeros(4000), np.full(4000, 10.0), np.arange(4000) * 0.1], axis=1)
    angle = np.linspace(0.0, 1.0, 3000)[1:-1] * (2.0 * np.pi - 2.0 * np.arcsin(0.1))  # around (50, 440): radius 50
    begin = np.pi + np.arcsin(0.1) + 0.0
    loop = np.stack([5.0 + 50.0 * np.cos(begin - angle), np.full(2998, 10.0), 450.0 + 50.0 * np.sin(begin - angle)], 1)
    back = np.stack([np.full(4000, 10.0), np.full(4000, 10.0), 400.0 - np.arange(4000) * 0.1], axis=1)
    line = resampled(np.concatenate([there, loop, back]))
    found = drive_edges(IQN33, line, offset_m=lambda share: 6.0 if abs(share - 0.5) > 0.3 else 0.0)
    shares = [telemetry["progress"] for telemetry, *_ in found]
    np.testing.assert_allclose(shares, np.arange(len(shares)) * 4.0 / (0.1 * len(line)), atol=0.01)


def test_fields_that_a_layout_lacks_are_absent():
    road = Road.along(snake())
    few, many = EdgesPreset(TMRL11, road).telemetry_names, EdgesPreset(MAP25, road).telemetry_names
    assert {"left_mps", "slip_front_left"}.isdisjoint(few)
    assert {"left_mps", "slip_front_left", "slip_rear_right"} <= set(many)
    assert EdgesPreset(TMRL8, road).telemetry_names == (
        *("speed_mps", "ahead_mps", "yaw_rate_radps"),
        *("offset_left_m", "heading_sine", "heading_cosine", "progress"),
    )


def test_points_reach_as_far_as_speed_says():
    settings = EdgeSettings(points=5, ahead_m=200.0, ahead_s=2.0, least_ahead_m=40.0)
    assert settings.distances_m(0.0).tolist() == [0, 10, 20, 30, 40]
    assert settings.distances_m(50.0)[-1] == 100.0
    assert settings.distances_m(150.0)[-1] == 200.0


def test_sliding_is_told_apart_from_driving():
    """The car goes along +z and points 0.2 rad to the left of it: it slides to its right."""
    preset = EdgesPreset(IQN33, Road.along(snake()))
    nose = {"direction_x": np.sin(0.2), "direction_z": np.cos(0.2)}
    preset.reset(record(IQN33, **nose), None)
    told = record(IQN33, received_s=0.05, z_m=2.0, velocity_z=40.0, speed_mps=40.0, **nose)
    telemetry, *_ = parts_of(preset, preset.step(told, None, 0.0))
    assert telemetry["ahead_mps"] * 100.0 == pytest.approx(40.0 * np.cos(0.2), rel=1e-5)
    assert telemetry["left_mps"] * 20.0 == pytest.approx(-40.0 * np.sin(0.2), rel=1e-5)
    assert telemetry["heading_sine"] == pytest.approx(np.sin(0.2), abs=1e-3)


def test_edges_of_a_file_are_used(tmp_path):
    line = snake()[:3000]
    path = tmp_path / "edges.npz"
    np.savez(path, left=line + np.array([8.0, 0.0, 0.0]), right=line - np.array([5.0, 0.0, 0.0]))
    road = load_road(line, path)
    left, right = to_car_frame(road.edges_at(10.0), np.array([10.0, 0.0, 0.0]))
    np.testing.assert_allclose(left, [0.0, 8.0], atol=0.2)
    np.testing.assert_allclose(right, [0.0, -5.0], atol=0.2)
    np.savez(path, left=line)
    with pytest.raises(ConfigError, match="left and right"):
        load_road(line, path)


@pytest.mark.parametrize(
    ("left_m", "right_m", "seems"), [(-5.0, 8.0, "swapped"), (5.0, 8.0, "same side"), (-5.0, -8.0, "same side")]
)
def test_edges_on_wrong_sides_are_refused(left_m, right_m, seems, tmp_path):
    line = np.stack([np.zeros(1000), np.full(1000, 10.0), 0.1 * np.arange(1000)], axis=1)  # along +z: left is +x
    path = tmp_path / "edges.npz"
    np.savez(path, left=line + np.array([left_m, 0.0, 0.0]), right=line + np.array([right_m, 0.0, 0.0]))
    with pytest.raises(
        ConfigError, match=rf"{left_m:+.1f} and {right_m:+.1f} m to its left.*{seems}".replace("+", "[+]")
    ):
        load_road(line, path)
