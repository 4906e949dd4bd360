"""What the world model sees and says of images and vectors."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from models.world_model.images import ImageDecoder, ImageEncoder, num_halvings
from models.world_model.predictions import Predictions

LAST = gym.spaces.Box(-1, 1, (2,), np.float32)


def image(*shape):
    return gym.spaces.Box(0, 255, shape, np.uint8)


@pytest.mark.parametrize(
    ("size", "halvings"), [((64, 64), 4), ((96, 96), 4), ((40, 40), 3), ((48, 64), 3), ((128, 128), 5), ((8, 8), 1)]
)
def test_images_end_with_four_pixels_or_a_little_more(size, halvings):
    assert num_halvings(*size) == halvings
    encoder = ImageEncoder((*size, 3), 2)
    decoder = ImageDecoder((*size, 3), 2, deter=16, latent_dim=6, units=4, num_blocks=8)
    pixels = torch.randint(0, 256, (2, *size, 3), dtype=torch.uint8)
    assert encoder(pixels).shape == (2, encoder.token_dim)
    pictures = decoder(torch.randn(2, 22))
    assert pictures.shape == (2, *size, 3)
    assert 0.0 <= float(pictures.detach().min()) <= float(pictures.detach().max()) <= 1.0


@pytest.mark.parametrize("size", [(50, 50), (84, 84), (2, 2), (64, 66)])
def test_images_that_cannot_be_halved_often_enough(make_encoder, size):
    with pytest.raises(ValueError, match=r"cannot halve an image of .* often enough.*multiples of 16"):
        make_encoder(gym.spaces.Dict({"image": image(*size, 1), "action_history": LAST}))


def test_what_it_cannot_model(make_encoder):
    with pytest.raises(ValueError, match=r"set env.action_history=1"):
        make_encoder(gym.spaces.Dict({"image": image(8, 8, 1)}))
    with pytest.raises(ValueError, match="nothing to model"):
        make_encoder(gym.spaces.Dict({"action_history": LAST}))
    with pytest.raises(ValueError, match="at most one image, got back, front"):
        make_encoder(gym.spaces.Dict({"front": image(8, 8, 1), "back": image(8, 8, 1), "action_history": LAST}))


@pytest.mark.parametrize("seen", [("image",), ("vector",), ("image", "vector")])
def test_losses_are_squared_errors_of_what_was_seen_and_of_nothing_else(make_encoder, space, make_observation, seen):
    encoder = make_encoder(gym.spaces.Dict({name: space[name] for name in (*seen, "action_history")}))
    predictions = Predictions(encoder)
    observation = make_observation(2, 3)
    losses = predictions.reconstruction_losses(encoder, torch.randn(2, 3, encoder.feature_dim), observation)
    assert set(losses) == {{"image": "image", "vector": "vectors"}[name] for name in seen}
    if "image" in seen:  # one grey level everywhere is told as 1/2: an error of (v - 1/2)^2 a pixel
        torch.nn.init.zeros_(predictions.image_decoder.convolutions[-1].weight)
        observation["image"][:] = 51
        losses = predictions.reconstruction_losses(encoder, torch.randn(2, 3, encoder.feature_dim), observation)
        torch.testing.assert_close(losses["image"], torch.full((2, 3), 64 * 0.3**2))
    if "vector" in seen:  # nothing is told: the error is symlog(v)^2
        torch.nn.init.zeros_(predictions.vector_decoder[-1].weight)
        observation["vector"][:] = torch.tensor([np.e - 1, 1 - np.e**2, 0.0])
        losses = predictions.reconstruction_losses(encoder, torch.randn(2, 3, encoder.feature_dim), observation)
        torch.testing.assert_close(losses["vectors"], torch.full((2, 3), 1.0 + 4.0))


def test_every_pixel_and_every_vector_is_seen(make_encoder, make_observation):
    encoder = make_encoder()
    observation, state = make_observation(1, 1), torch.zeros(1, encoder.state_dim)
    first = torch.ones(1, 1, dtype=torch.bool)

    def seen(changed):
        return encoder.observe(changed, state, first, is_random=False).posterior

    before = seen(observation)
    for row, column in ((0, 0), (0, 7), (7, 0), (7, 7), (3, 4)):
        changed = {name: part.clone() for name, part in observation.items()}
        changed["image"][0, 0, row, column] ^= 255
        assert not torch.equal(seen(changed), before)
    for k in range(3):
        changed = {name: part.clone() for name, part in observation.items()}
        changed["vector"][0, 0, k] += 1.0
        assert not torch.equal(seen(changed), before)
