"""Encoders, heads and the actor: shapes, what depends on what, and errors in words."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import nn

from models.actor import Actor
from models.cnn import CNNEncoder
from models.distributions import BetaActions, SquashedGaussianActions
from models.encoder import Encoder, build
from models.heads import ActionHead, QHeads, SquashedGaussianHead, ValueHead
from models.layers import EnsembleLinear, mlp
from models.mlp import MLPEncoder

BATCH = 5
NATURE = {"channels": [32, 64, 64], "kernels": [8, 4, 3], "strides": [4, 2, 1]}  # Mnih et al., 2015
LATENTS = {"image_features": 8, "vector_features": 4}


def image_box(side=12, channels=1):
    return gym.spaces.Box(0, 255, (side, side, channels), np.uint8)


@pytest.fixture
def encoder(single_space, tiny_encoder):
    return build(tiny_encoder, Encoder, observation_space=single_space)


def test_features_have_the_promised_shape(encoder, observation, tiny_encoder):
    features = encoder(observation)
    assert features.shape == (BATCH, encoder.feature_dim) == (BATCH, 8 + 4)
    assert features.abs().max() <= 1  # behind a tanh
    image_only = build(tiny_encoder, Encoder, observation_space=gym.spaces.Dict({"image": image_box()}))
    assert image_only({"image": observation["image"]}).shape == (BATCH, image_only.feature_dim) == (BATCH, 8)


@pytest.mark.parametrize(("changed", "moves"), [("image", slice(0, 8)), ("vector", slice(8, 12))])
def test_only_the_half_of_the_changed_part_changes(encoder, observation, changed, moves):
    other = observation | {changed: observation[changed].flip(0)}
    before, after = encoder(observation), encoder(other)
    assert not torch.isclose(before[0, moves], after[0, moves]).any()
    still = torch.ones(12, dtype=torch.bool)
    still[moves] = False
    assert torch.equal(before[:, still], after[:, still])


def test_rows_of_a_batch_do_not_mix(encoder, observation):
    order = torch.tensor([3, 0, 4, 2, 1])
    permuted = encoder({name: part[order] for name, part in observation.items()})
    torch.testing.assert_close(permuted, encoder(observation)[order])
    torch.testing.assert_close(
        encoder({name: part[2:3] for name, part in observation.items()}), encoder(observation)[2:3]
    )


def test_every_frame_of_a_stack_is_seen(tiny_encoder):
    stacked = build(tiny_encoder, Encoder, observation_space=gym.spaces.Dict({"image": image_box(channels=4)}))
    image = torch.zeros(1, 12, 12, 4, dtype=torch.uint8)
    for channel in range(4):
        other = image.clone()
        other[..., channel] = 255
        assert not torch.allclose(stacked({"image": other}), stacked({"image": image}))


def test_images_are_scaled_to_one(encoder, observation):
    nn.init.normal_(encoder.convolutions[0].bias)  # with none, the LayerNorm would hide another scale
    scaled = observation["image"].permute(0, 3, 1, 2).double() / 255
    with torch.no_grad():
        layer, (linear, normalise, squash) = encoder.convolutions[0], encoder.image_latent
        seen = nn.functional.conv2d(scaled, layer.weight.double(), layer.bias.double(), layer.stride).relu().flatten(1)
        latent = nn.functional.linear(seen, linear.weight.double(), linear.bias.double())
        by_hand = squash(nn.functional.layer_norm(latent, latent.shape[1:], eps=normalise.eps))
    torch.testing.assert_close(encoder(observation)[:, :8].double(), by_hand, rtol=1e-4, atol=1e-5)


def test_an_image_of_the_smallest_size_fits_and_a_smaller_one_is_refused():
    """By hand, from the last convolution back: 1 -> 3 -> (3 - 1) 2 + 4 = 8 -> (8 - 1) 4 + 8 = 36."""
    sizes = NATURE | LATENTS
    smallest = CNNEncoder(observation_space=gym.spaces.Dict({"image": image_box(36)}), **sizes)
    assert smallest({"image": torch.zeros(1, 36, 36, 1, dtype=torch.uint8)}).shape == (1, 8)
    with pytest.raises(ValueError, match=r"35x35 is too small .*smallest is 36 pixels"):
        CNNEncoder(observation_space=gym.spaces.Dict({"image": image_box(35)}), **sizes)


@pytest.mark.parametrize(
    ("height", "width", "pad", "unseen"),
    # By hand: 48 -> (48 - 8) / 4 + 1 = 11, of which kernels of 4 by strides of 2 reach 10: the last 4 pixels are lost.
    [
        (48, 48, False, 4),
        (48, 48, True, 0),
        (64, 64, True, 0),
        (84, 84, False, 0),
        (37, 51, True, 0),
        (96, 96, True, 0),
    ],
)
def test_padding_lets_every_pixel_be_seen(height, width, pad, unseen):
    space = gym.spaces.Dict({"image": gym.spaces.Box(0, 255, (height, width, 1), np.uint8)})
    layers = CNNEncoder(observation_space=space, pad=pad, **NATURE, **LATENTS).convolutions
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1.0)  # no path from a pixel to a feature cancels another
    pixels = torch.ones(1, 1, height, width, requires_grad=True)
    layers(pixels).sum().backward()
    expected = torch.zeros(height, width, dtype=torch.bool)
    expected[: height - unseen, : width - unseen] = True
    assert torch.equal(pixels.grad[0, 0] > 0, expected)


def test_weights_have_the_names_that_saved_policies_know(single_space):
    cnn = CNNEncoder(observation_space=single_space, channels=[4, 4], kernels=[4, 2], strides=[2, 1], **LATENTS)
    layers = ["convolutions.0", "convolutions.2", "image_latent.0", "image_latent.1", "vector_latent.0"]
    names = [f"{layer}.{part}" for layer in [*layers, "vector_latent.1"] for part in ("weight", "bias")]
    assert list(cnn.state_dict()) == names


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kernels": [4, 4]}, "must be of one length, got 1, 2, 1"),
        ({"channel": [4]}, "no argument channel; it takes channels, kernels, strides"),
        ({"image_features": None}, "CNNEncoder"),
        ({"_target_": "models.cnn.Nothing"}, "models.cnn.Nothing does not import"),
        ({"_target_": "models.nowhere.Encoder"}, "models.nowhere.Encoder does not import"),
        ({"_target_": "not a name"}, "does not import"),
    ],
)
def test_wrong_encoders_are_refused_in_words(single_space, tiny_encoder, changes, words):
    with pytest.raises(ValueError, match=words):
        build(tiny_encoder | changes, Encoder, observation_space=single_space)


def test_a_missing_size_is_named(single_space, tiny_encoder):
    del tiny_encoder["strides"]
    with pytest.raises(ValueError, match="'strides'"):
        build(tiny_encoder, Encoder, observation_space=single_space)


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({"speed": gym.spaces.Box(-1, 1, (3,), np.float32)}, "got speed"),
        ({"front": image_box(), "rear": image_box()}, "got front, rear"),
    ],
)
def test_the_cnn_needs_exactly_one_image(tiny_encoder, parts, found):
    with pytest.raises(ValueError, match=f"exactly one image in the observation, {found}"):
        build(tiny_encoder, Encoder, observation_space=gym.spaces.Dict(parts))


def test_an_ensemble_is_that_many_linear_layers():
    torch.manual_seed(1)
    ensemble = EnsembleLinear(num_members=3, in_dim=5, out_dim=4)
    nn.init.normal_(ensemble.bias)
    x = torch.randn(3, 7, 5)
    for member in range(3):
        layer = nn.Linear(5, 4)
        layer.load_state_dict({"weight": ensemble.weight[member].T, "bias": ensemble.bias[member, 0]})
        torch.testing.assert_close(ensemble(x)[member], layer(x[member]))
    weight = ensemble.weight[0].detach()  # (5, 4), orthonormal columns times the gain of ReLU
    torch.testing.assert_close(weight.T @ weight, 2 * torch.eye(4), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(ensemble.weight[0], ensemble.weight[1])


def test_critics_are_independent():
    torch.manual_seed(2)
    heads = QHeads(feature_dim=6, action_dim=2, hidden=[8, 8])
    features, actions = torch.randn(BATCH, 6), torch.randn(BATCH, 2)
    values = heads(features, actions)
    assert values.shape == (2, BATCH)
    assert not torch.isclose(values[0], values[1]).any()
    gradients = torch.autograd.grad(values[0].sum(), list(heads.parameters()))
    assert all(gradient[0].any() and not gradient[1].any() for gradient in gradients)


def test_critics_depend_on_features_and_actions():
    heads = QHeads(feature_dim=6, action_dim=2, hidden=[8])
    features, actions = torch.randn(BATCH, 6, requires_grad=True), torch.randn(BATCH, 2, requires_grad=True)
    for gradient in torch.autograd.grad(heads(features, actions).sum(), (features, actions)):
        assert gradient.any()


def test_a_value_head_gives_one_number_a_row():
    assert ValueHead(feature_dim=6, hidden=[8])(torch.randn(BATCH, 6)).shape == (BATCH,)
    assert [type(layer) for layer in mlp(6, [8], 1)] == [nn.Linear, nn.ReLU, nn.Linear]


@pytest.mark.parametrize(
    ("head", "kind"), [("BetaHead", BetaActions), ("SquashedGaussianHead", SquashedGaussianActions)]
)
def test_an_actor_starts_near_the_middle_and_acts_deterministically(
    single_space, action_space, tiny_encoder, observation, head, kind
):
    torch.manual_seed(3)
    head = {"_target_": f"models.heads.{head}", "hidden": [8]}
    actor = Actor(observation_space=single_space, action_space=action_space, encoder=tiny_encoder, head=head)
    actions = actor.step(observation, None)[0]
    assert isinstance(actor(observation), kind)
    assert actions.shape == (BATCH, 2)
    assert not actions.requires_grad
    assert actions.abs().max() < 0.1  # the last layer's gain is a hundredth
    assert torch.equal(actions, actor.step(observation, None)[0])


@pytest.mark.parametrize(("raw", "log_std"), [(-50.0, -3.0), (0.0, -1.0), (50.0, 1.0)])
def test_the_log_deviation_stays_in_its_range(raw, log_std):
    head = build(
        {"_target_": "models.heads.SquashedGaussianHead", "hidden": [], "log_std_range": [-3.0, 1.0]},
        ActionHead,
        feature_dim=1,
        action_dim=1,
    )
    nn.init.zeros_(head.layers[0].weight)
    head.layers[0].bias.data = torch.tensor([0.0, raw])
    # At the mean 0 the squashing has slope 1, so the log density is the Gaussian's: -log_std - log(2 pi) / 2.
    density = head(torch.zeros(1, 1)).log_prob(torch.zeros(1, 1)).item()
    assert density == pytest.approx(-log_std - 0.918939, abs=1e-5)


def test_mlp_reads_every_vector_and_keeps_features_in_range():
    boxes = {"far": gym.spaces.Box(-5, 5, (3,), np.float32), "near": gym.spaces.Box(-5, 5, (2,), np.float32)}
    encoder = MLPEncoder(observation_space=gym.spaces.Dict(boxes), hidden=[16], features=8)
    observation = {name: torch.randn(4, *box.shape, requires_grad=True) for name, box in boxes.items()}
    features = encoder(observation)
    assert features.shape == (4, encoder.feature_dim) == (4, 8)
    assert features.abs().max() <= 1.0
    features.square().sum().backward()
    assert all((part.grad != 0).any() for part in observation.values())


@pytest.mark.parametrize(
    ("sizes", "words"), [({"hidden": [0], "features": 8}, "hidden"), ({"hidden": [], "features": 0}, "features")]
)
def test_mlp_refuses_sizes_below_one(sizes, words):
    space = gym.spaces.Dict({"vector": gym.spaces.Box(-1, 1, (3,), np.float32)})
    with pytest.raises(ValueError, match=words):
        MLPEncoder(observation_space=space, **sizes)


@pytest.mark.parametrize("std", [0.1, 0.6, 2.0])
def test_squashed_gaussian_begins_with_the_deviation_asked_for(std):
    head = SquashedGaussianHead(feature_dim=4, action_dim=2, hidden=[8], initial_std=std)
    raw = torch.atanh(head(torch.zeros(20_000, 4)).sample().double().clamp(-1 + 1e-9, 1 - 1e-9))
    assert raw[raw.abs() < 8].std().item() == pytest.approx(std, rel=0.05)


def test_squashed_gaussian_refuses_a_deviation_beyond_its_range():
    with pytest.raises(ValueError, match="initial_std=8"):
        SquashedGaussianHead(feature_dim=4, action_dim=2, hidden=[8], initial_std=8.0)
