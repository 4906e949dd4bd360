import re
import subprocess

import imageio_ffmpeg
import numpy as np
import pytest

from envs.dummy import DummyEnv
from envs.errors import ConfigError
from experiments import videos
from experiments.drive import Episode
from experiments.videos import compose, record_best_median_worst, record_episode

DUMMY = {"_target_": "envs.dummy.DummyEnv", "obs": "image", "num_decisions": 6, "frame_stack": 4}


class Straight:
    """Goes straight on, at half pedal; sees the last four frames."""

    def start(self, num_envs):
        self.frames = []

    def act(self, observation, is_first):
        self.frames = [*(self.frames or [observation[0]] * 3), observation[0]][-4:]
        return np.tile(np.array([0.0, 0.5], np.float32), (len(observation), 1))

    def view(self):
        return np.concatenate(self.frames, axis=2)


class Blind(Straight):
    def view(self):
        return None


def describe(path):
    """What ffmpeg itself says about the file."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(path), "-map", "0:v", "-f", "null", "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def first_frame(path):
    reader = imageio_ffmpeg.read_frames(str(path))
    width, height = next(reader)["size"]
    frame = np.frombuffer(next(reader), np.uint8).reshape(height, width, 3)
    reader.close()
    return frame


def test_a_video_plays_everywhere_and_shows_both_sides(tmp_path):
    path = tmp_path / "episode.mp4"
    episode = record_episode(Straight(), DUMMY, 10000, path)
    assert episode.seed == 10000
    description = describe(path)
    assert "Video: h264" in description
    assert "yuv420p" in description
    assert " 20 fps" in description  # DummyEnv's render_fps, one frame a decision
    assert int(re.findall(r"frame=\s*(\d+)", description)[-1]) == episode.decisions + 20  # the end stays for a second
    frame = first_frame(path)
    # Left 32 pixels x 13 = 416; right 32 x 10 = 320 (the largest whole factor within 80 % of 416); 8 between, 32 below.
    assert frame.shape == (416 + 32, 416 + 8 + 320, 3)
    env = DummyEnv(obs="image", num_decisions=6)
    seen, _ = env.reset(seed=10000)
    centres = np.arange(32) * 13 + 6
    shown = frame[centres][:, centres].mean(axis=2)
    assert np.abs(shown - seen[..., 0]).mean() < 12  # the codec smears edges a little
    centres = np.arange(32) * 10 + 5
    shown = frame[centres][:, 424 + centres].mean(axis=2)
    assert np.abs(shown - seen[..., 0]).mean() < 12
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("given", "said"), [(None, " 5 fps"), (12.5, " 12.50 fps")])
def test_real_time_counts_decisions_not_frames(tmp_path, monkeypatch, given, said):
    def make_env(config, *, training, render_mode):
        assert not training
        return DummyEnv(obs="image", num_decisions=6, render_mode=render_mode)

    monkeypatch.setattr(videos, "make_env", make_env)
    record_episode(Straight(), {"action_repeat": 4, "frame_stack": 4}, 1, tmp_path / "a.mp4", fps=given)
    assert said in describe(tmp_path / "a.mp4")


def test_a_policy_without_eyes_has_no_right_side(tmp_path):
    record_episode(Blind(), DUMMY, 1, tmp_path / "a.mp4")
    assert first_frame(tmp_path / "a.mp4").shape == (448, 416, 3)


def test_a_broken_episode_leaves_no_file(tmp_path):
    with pytest.raises(RuntimeError, match="fails in step 3"):
        record_episode(Straight(), {**DUMMY, "fail_at_step": 3}, 1, tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_an_env_without_rate_or_pictures_is_refused(tmp_path, monkeypatch):
    class Dark(DummyEnv):
        metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

        def render(self):
            return None

    monkeypatch.setattr(videos, "make_env", lambda config, **more: Dark(obs="image", num_decisions=6))
    with pytest.raises(ConfigError, match="render_fps"):
        record_episode(Straight(), DUMMY, 1, tmp_path / "a.mp4")
    with pytest.raises(ConfigError, match=r"uint8 pictures .* not NoneType"):
        record_episode(Straight(), DUMMY, 1, tmp_path / "a.mp4", fps=10)


def test_the_view_is_shown_sharp_newest_large_and_older_in_order():
    view = np.zeros((64, 64, 4), np.uint8)
    view[..., 0], view[..., 1], view[..., 2] = 50, 100, 150
    view[..., 3] = np.random.default_rng(0).integers(0, 256, (64, 64))
    image = compose(np.full((400, 600, 3), 9, np.uint8), view, "", num_frames=4)
    # 64 x 5 = 320 is the largest whole factor within 80 % of 400; the older ones share its width.
    assert image.shape == (432, 600 + 8 + 320, 3)
    assert (image[:400, :600] == 9).all()
    right = image[:400, 608:]
    np.testing.assert_array_equal(right[:320][2::5, 2::5, 0], view[..., 3])
    np.testing.assert_array_equal(right[:320:5], right[4:320:5])
    assert [int(right[340, x, 0]) for x in (20, 130, 250)] == [50, 100, 150]


@pytest.mark.parametrize(
    ("picture", "view", "num_frames", "expected"),
    [
        ((401, 301), (31, 47, 3), 1, (434, 302 + 8 + 12 * 47)),  # colour, alone: 12 x 31 = 372 fits 401
        ((1440, 2001), None, 1, (720 + 32, 1000)),
        ((400, 400), (500, 500, 2), 2, (432, 400 + 8 + 500)),  # larger than the picture: cut, never shrunk
        ((400, 400), (64, 64, 8), 8, (432, 400 + 8 + 320)),
    ],
)
def test_sizes_are_even(picture, view, num_frames, expected):
    stack = None if view is None else np.zeros(view, np.uint8)
    image = compose(np.zeros((*picture, 3), np.uint8), stack, "a", num_frames=num_frames)
    assert image.shape[0] % 2 == image.shape[1] % 2 == 0
    assert image.shape[0] == expected[0]
    assert image.shape[1] - expected[1] in (0, 1)


def test_a_view_of_another_stack_is_refused():
    with pytest.raises(ValueError, match=r"\(H, W, 4\) or \(H, W, 12\)"):
        compose(np.zeros((400, 400, 3), np.uint8), np.zeros((64, 64, 5), np.uint8), "", num_frames=4)


def test_best_median_and_worst(tmp_path, monkeypatch):
    def record(policy, env_config, seed, path, **_):
        path.write_text("")
        return Episode(seed=seed, episode_return=returns[seed])

    monkeypatch.setattr(videos, "record_episode", record)
    returns = {10: 700.0, 11: 100.0, 12: 900.0, 13: 400.0, 14: 650.0}
    episodes = [Episode(seed=seed, episode_return=value) for seed, value in returns.items()]
    made = record_best_median_worst(Straight(), DUMMY, episodes, tmp_path / "videos")
    assert {name: film.video.name for name, film in made.items()} == {
        "best": "best_seed12.mp4",
        "median": "median_seed14.mp4",
        "worst": "worst_seed11.mp4",
    }
    assert all(film.video.exists() for film in made.values())
    assert set(record_best_median_worst(Straight(), DUMMY, episodes[:1], tmp_path)) == {"best"}
    assert set(record_best_median_worst(Straight(), DUMMY, episodes[:2], tmp_path)) == {"best", "worst"}


def test_a_video_that_differs_from_the_evaluation_says_so(tmp_path, caplog):
    record_best_median_worst(Straight(), DUMMY, [Episode(seed=1, episode_return=99.0)], tmp_path)
    assert "the evaluation had 99.0" in caplog.text
