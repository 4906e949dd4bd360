"""What every preset of every encoder of an image promises, and what sets TMRL's and IMPALA's apart."""

import copy
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
import yaml
from torch import nn
from torch.nn import functional as F

from experiments.presets import expand_preset
from models.cnn_tmrl import TMRLEncoder
from models.encoder import Encoder, build
from models.impala import ImpalaEncoder

BATCH, SIDE, FRAMES, NUMBERS = 5, 64, 4, 9
MODELS = Path(__file__).resolve().parent.parent.parent / "conf" / "model"
YAMLS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in MODELS.glob("*.yaml")}
PRESETS = [(model, preset) for model, section in YAMLS.items() for preset in section.get("presets", {})]
TMRL = {"channels": [64, 64, 128, 128], "kernels": [8, 4, 4, 4], "strides": [2, 2, 2, 2], "hidden": [256, 256]}
IMPALA = {"channels": [16, 32, 32], "num_blocks": 2, "image_features": 256, "vector_features": 64}


def space_of(*, side=SIDE, frames=FRAMES, numbers=NUMBERS):
    parts = {"image": gym.spaces.Box(0, 255, (side, side, frames), np.uint8)}
    if numbers:
        parts["vector"] = gym.spaces.Box(-np.inf, np.inf, (numbers,), np.float32)
    return gym.spaces.Dict(parts)


def observation_of(*, side=SIDE, frames=FRAMES, numbers=NUMBERS):
    image = torch.randint(0, 256, (BATCH, side, side, frames), dtype=torch.uint8)
    return {"image": image} | ({"vector": torch.randn(BATCH, numbers)} if numbers else {})


@pytest.fixture(scope="module", params=PRESETS, ids="-".join)
def encoder(request):
    model, preset = request.param
    torch.manual_seed(0)
    return build(expand_preset(YAMLS[model] | {"preset": preset}), Encoder, observation_space=space_of())


@pytest.fixture
def observation():
    torch.manual_seed(1)
    return observation_of()


def test_features_have_the_promised_shape(encoder, observation):
    features = encoder(observation)
    assert features.shape == (BATCH, encoder.feature_dim)
    assert features.dtype == torch.float32


@pytest.mark.parametrize(("model", "preset"), PRESETS)
def test_an_image_without_vectors_will_do(observation, model, preset):
    target = expand_preset(YAMLS[model] | {"preset": preset})
    alone = build(target, Encoder, observation_space=space_of(numbers=0))
    features = alone({"image": observation["image"]})
    assert features.shape == (BATCH, alone.feature_dim)
    assert (features - features.flip(0)).abs().max() > 1e-4


@pytest.mark.parametrize("changed", ["image", "vector"])
def test_image_and_vector_both_matter_to_every_row(encoder, observation, changed):
    other = encoder(observation | {changed: observation[changed].flip(0)})
    moved = (other - encoder(observation)).abs().amax(dim=1) > 1e-4
    assert moved.tolist() == [True, True, False, True, True]  # flipped, the third of five stays where it is


def test_rows_of_a_batch_do_not_mix(encoder, observation):
    order = torch.tensor([3, 0, 4, 2, 1])
    permuted = encoder({name: part[order] for name, part in observation.items()})
    torch.testing.assert_close(permuted, encoder(observation)[order], rtol=1e-4, atol=1e-4)


def test_gradients_reach_every_parameter(encoder, observation):
    features = encoder(observation)
    encoder.zero_grad()
    (features * torch.randn_like(features)).sum().backward()
    assert [name for name, parameter in encoder.named_parameters() if not parameter.grad.any()] == []


def test_bfloat16_is_the_same_within_its_mantissa(encoder, observation):
    """Eight bits: a part in 256 a product; roundings of a dozen layers in a row add up to a few of these."""
    half = copy.deepcopy(encoder)
    half.precision = torch.bfloat16
    exact, found = encoder(observation), half(observation)
    assert found.dtype == torch.float32
    assert 0 < (found - exact).norm() < 0.04 * exact.norm()
    half.zero_grad()
    (found * torch.randn_like(found)).sum().backward()
    assert {parameter.grad.dtype for parameter in half.parameters()} == {torch.float32}


def test_impala_has_its_halves():
    impala = ImpalaEncoder(observation_space=space_of(side=9), **IMPALA)
    observation = observation_of(side=9)
    before = impala(observation)
    for changed, still in (("image", slice(256, None)), ("vector", slice(0, 256))):
        after = impala(observation | {changed: observation[changed].flip(0)})
        assert torch.equal(after[:, still], before[:, still])


@pytest.mark.parametrize(
    ("encoder_class", "sizes", "count"),
    [
        # Counted in TMRL's own actor: 578,182, of which (256 + 1) 3 weights each are its mean and its deviation.
        (TMRLEncoder, TMRL, 578_182 - 2 * (256 + 1) * 3),
        # By hand: 592 + 4 * 2,320; 4,640 + 4 * 9,248; 5 * 9,248; 8 * 8 * 32 to 256, LayerNorm; 9 to 64, LayerNorm.
        (ImpalaEncoder, IMPALA, 9_872 + 41_632 + 46_240 + 524_544 + 512 + 640 + 128),
    ],
)
def test_there_are_as_many_parameters_as_in_the_original(encoder_class, sizes, count):
    with torch.device("meta"):
        encoder = encoder_class(observation_space=space_of(), **sizes)
    assert sum(parameter.numel() for parameter in encoder.parameters()) == count


def test_tmrl_joins_late(observation):
    """Against the same layers written down one after another; 64 pixels end in a map of one, as in TMRL."""
    encoder = TMRLEncoder(observation_space=space_of(), **TMRL)
    convolutions = [
        nn.Conv2d(4, 64, 8, 2),
        nn.Conv2d(64, 64, 4, 2),
        nn.Conv2d(64, 128, 4, 2),
        nn.Conv2d(128, 128, 4, 2),
    ]
    linear = [nn.Linear(128 + NUMBERS, 256), nn.Linear(256, 256)]
    weights = iter(encoder.parameters())
    for layer in (*convolutions, *linear):
        layer.weight, layer.bias = next(weights), next(weights)
    x = observation["image"].permute(0, 3, 1, 2) / 255
    for layer in convolutions:
        x = layer(x).relu()
    assert x.shape[2:] == (1, 1)
    x = torch.cat([x.flatten(1), observation["vector"]], dim=-1)
    for layer in linear:
        x = layer(x).relu()
    torch.testing.assert_close(encoder(observation), x, rtol=1e-4, atol=1e-5)


def test_tmrl_does_not_round_vectors(observation):
    encoder = TMRLEncoder(observation_space=space_of(), **TMRL)
    nn.init.zeros_(encoder.convolutions[-3].weight)  # the last one: what is seen is 0 in any precision
    seen = observation | {"vector": torch.full((BATCH, NUMBERS), 217.3)}  # 217 in bfloat16
    exact = encoder(seen)
    encoder.precision = torch.bfloat16
    assert torch.equal(encoder(seen), exact)


def test_impala_is_its_figure(observation):
    """One stage with two blocks in double precision: convolve, pool, twice add relu-conv-relu-conv, relu, features."""
    sizes = {"channels": [3], "num_blocks": 2, "image_features": 8, "vector_features": 4}
    encoder = ImpalaEncoder(observation_space=space_of(side=7), **sizes)
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.5)
    observation = observation_of(side=7)
    weights = iter(parameter.double() for parameter in encoder.parameters())
    with torch.no_grad():
        x = F.conv2d(observation["image"].permute(0, 3, 1, 2).double() / 255, next(weights), next(weights), padding=1)
        x = F.max_pool2d(x, 3, 2, padding=1)
        assert x.shape == (BATCH, 3, 4, 4)
        for _ in range(2):
            inner = F.conv2d(x.relu(), next(weights), next(weights), padding=1)
            x = x + F.conv2d(inner.relu(), next(weights), next(weights), padding=1)
        x = F.linear(x.relu().flatten(1), next(weights), next(weights))
        by_hand = F.layer_norm(x, (8,), next(weights), next(weights)).tanh()
    torch.testing.assert_close(encoder(observation)[:, :8].double(), by_hand, rtol=1e-4, atol=1e-4)


def test_tmrl_needs_fifty_pixels():
    """By hand, from the last convolution back: 4 -> (4 - 1) 2 + 4 = 10 -> 22 -> (22 - 1) 2 + 8 = 50."""
    smallest = TMRLEncoder(observation_space=space_of(side=50), **TMRL)
    assert smallest(observation_of(side=50)).shape == (BATCH, 256)
    with pytest.raises(ValueError, match=r"49x49 is too small .*smallest is 50 pixels a side"):
        TMRLEncoder(observation_space=space_of(side=49), **TMRL)


@pytest.mark.parametrize("side", [1, 2, 7])
def test_impala_takes_images_of_any_size(side):
    impala = ImpalaEncoder(observation_space=space_of(side=side), **IMPALA)
    assert impala(observation_of(side=side)).shape == (BATCH, 256 + 64)


@pytest.mark.parametrize(
    ("encoder_class", "sizes", "words"),
    [
        (TMRLEncoder, TMRL | {"hidden": []}, "at least one width"),
        (TMRLEncoder, TMRL | {"hidden": [256, 0]}, r"hidden=\[256, 0\]: sizes must be at least 1"),
        (TMRLEncoder, TMRL | {"strides": [2]}, "must be of one length, got 4, 4, 1"),
        (ImpalaEncoder, IMPALA | {"channels": [0]}, r"channels=\[0\]: sizes must be at least 1"),
        (ImpalaEncoder, IMPALA | {"num_blocks": 0}, "num_blocks=0: sizes must be at least 1"),
        (ImpalaEncoder, IMPALA | {"image_features": 0}, "image_features=0: sizes must be at least 1"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_in_words(encoder_class, sizes, words):
    with pytest.raises(ValueError, match=words):
        encoder_class(observation_space=space_of(), **sizes)


@pytest.mark.parametrize(("encoder_class", "sizes"), [(TMRLEncoder, TMRL), (ImpalaEncoder, IMPALA)])
def test_exactly_one_image_is_needed(encoder_class, sizes):
    image, vector = space_of().spaces.values()
    for parts, found in (({"speed": vector}, "speed"), ({"front": image, "rear": image}, "front, rear")):
        with pytest.raises(ValueError, match=f"{encoder_class.__name__} expects exactly one image .*got {found}"):
            encoder_class(observation_space=gym.spaces.Dict(parts), **sizes)
