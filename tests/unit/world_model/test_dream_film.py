"""The video of the dream: what is seen is reconstructed, the rest is imagined from the real actions alone."""

import numpy as np
import pytest
import torch

from experiments.dream_film import dream_pictures, write_dream
from models.dreamer_module import DreamerModule

TINY = {"deter": 16, "latents": 3, "classes": 4, "hidden": 8, "blocks": 2, "depth": 2, "units": 8, "layers": 1}


@pytest.fixture
def net(space, action_space):
    torch.manual_seed(0)
    return DreamerModule(
        observation_space=space,
        action_space=action_space,
        inference_only=False,
        model_config={
            "encoder": {"_target_": "models.world_model.encoder.WorldModelEncoder", **TINY},
            "head": {"_target_": "models.world_model.actor_head.DreamerHead", "layers": 1, "units": 8},
            "precision": "float32",
            "shared_encoder": True,
        },
    )


@pytest.fixture
def batch(make_observation, net):
    torch.manual_seed(1)
    return {
        "obs": {name: part.numpy() for name, part in make_observation(2, 9).items()},
        "state": np.zeros((2, net.state_dim), np.float32),
        "is_first": np.zeros((2, 9), bool),
        "places": np.zeros((2, 2), np.int64),
    }


def pictures(net, batch):
    torch.manual_seed(2)
    return dream_pictures(net, batch, torch.device("cpu"))


def test_real_pictures_are_real_and_the_first_five_are_seen(net, batch):
    real, told, imagined = pictures(net, batch)
    np.testing.assert_array_equal(real, batch["obs"]["image"])
    assert told.shape == imagined.shape == real.shape
    np.testing.assert_array_equal(imagined[:, :5], told[:, :5])
    assert (imagined[:, 5:] != told[:, 5:]).any()


def test_imagination_sees_no_later_picture_but_knows_the_actions(net, batch):
    _, _, before = pictures(net, batch)
    batch["obs"]["image"][:, 5:] ^= 255
    _, _, blind = pictures(net, batch)
    np.testing.assert_array_equal(blind, before)
    batch["obs"]["action_history"][:, 6] *= -1
    # The action before slot 6 reaches slot 6 and all after it, what was drawn is drawn alike before.
    _, _, otherwise = pictures(net, batch)
    np.testing.assert_array_equal(otherwise[:, :6], before[:, :6])
    assert (otherwise[:, 6:] != before[:, 6:]).any()


def test_imagination_begins_anew_with_another_episode(net, batch):
    """What was seen in the first one's slot 6 and before is nothing to the second, which begins at slot 7."""
    batch["is_first"][:, 7] = True
    _, told, before = pictures(net, batch)
    np.testing.assert_array_equal(before[:, 7], told[:, 7])
    assert (before[:, 5:7] != told[:, 5:7]).any()
    batch["obs"]["image"][:, :5] ^= 255
    _, _, otherwise = pictures(net, batch)
    assert (otherwise[:, :7] != before[:, :7]).any()
    np.testing.assert_array_equal(otherwise[:, 8:], before[:, 8:])


def test_the_video_is_whole(net, batch, tmp_path):
    import imageio_ffmpeg

    path = tmp_path / "dreams" / "dream.mp4"
    write_dream(net, batch, torch.device("cpu"), path)
    reader = imageio_ffmpeg.read_frames(str(path))
    size = next(reader)["size"]
    # Three pictures of 8x8, 16 times as large and framed, for each of two sequences.
    assert size == (3 * (128 + 8), 2 * (128 + 8))
    assert sum(1 for _ in reader) == 9
    assert [file.name for file in path.parent.iterdir()] == ["dream.mp4"]
