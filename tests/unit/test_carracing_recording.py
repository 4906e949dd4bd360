"""Recorded episodes of CarRacing replay frame for frame."""

import numpy as np
import pytest

from envs.carracing.recording import ActionRecorder, Recording

ARGUMENTS = {"image_size": 32, "renderer": "fast", "action_repeat": 4, "actions": "pedal"}


@pytest.fixture
def driven():
    """Drive two episodes, the second without a seed of its own; return what was seen of it, and its recording."""
    env = ActionRecorder(**ARGUMENTS)
    env.reset(seed=5)
    env.step(np.zeros(2, np.float32))
    env.reset()
    random = np.random.default_rng(0)
    seen = [env.step(random.uniform([-0.5, 0], [0.5, 1]).astype(np.float32)) for _ in range(60)]
    return seen, env.recording()


def test_a_saved_episode_replays_every_picture(driven, tmp_path):
    seen, recording = driven
    recording.save(tmp_path / "episode.npz")
    again = [step for _, step in Recording.load(tmp_path / "episode.npz").replay()]
    assert len(again) == len(seen) == 60
    for one, other in zip(seen, again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        assert one[1:4] == other[1:4]
        assert one[4]["speed_mps"] == other[4]["speed_mps"]


def test_a_replay_may_look_otherwise(driven):
    _, recording = driven
    env, step = next(recording.replay(renderer="exact", image_size=96, render_mode="rgb_array"))
    assert step[0].shape == (96, 96, 3)
    assert env.render().shape == (400, 600, 3)


def test_another_episode_is_noticed(driven):
    _, recording = driven
    other = Recording(recording.arguments, recording.seed, recording.actions, recording.rewards + 0.1)
    with pytest.raises(RuntimeError, match="Decision 0 of the recorded episode"):
        next(other.replay())


def test_what_is_no_recording_is_refused(driven, tmp_path):
    path = tmp_path / "episode.npz"
    with pytest.raises(ValueError, match="holds no recording"):
        Recording.load(path)
    path.write_bytes(b"PK nonsense")
    with pytest.raises(ValueError, match="holds no recording"):
        Recording.load(path)
    np.savez(path, head=np.array({"format": 1}, dtype=object))  # a pickle
    with pytest.raises(ValueError, match="holds no recording"):
        Recording.load(path)
    with pytest.raises(RuntimeError, match="reset"):
        ActionRecorder(**ARGUMENTS).recording()
