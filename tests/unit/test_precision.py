"""Products in bfloat16: what stays float32, how close the results are, and what a scaled first layer is worth."""

import copy

import pytest
import torch
from torch import nn

from models.encoder import Encoder, build
from models.layers import PixelConv2d, floats
from models.ppo_module import PPOModule
from models.sac_module import SACModule


@pytest.fixture
def pixels():
    torch.manual_seed(1)
    return torch.randint(0, 256, (3, 2, 9, 9), dtype=torch.uint8)


def test_a_convolution_of_pixels_is_one_of_their_255th(pixels):
    over_pixels = PixelConv2d(2, 4, 3, 2)
    plain = nn.Conv2d(2, 4, 3, 2)
    plain.load_state_dict(over_pixels.state_dict())
    ours, expected = over_pixels(pixels.float()), plain(pixels.float() / 255.0)
    torch.testing.assert_close(ours, expected)
    ours.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(over_pixels.weight.grad, plain.weight.grad)
    torch.testing.assert_close(over_pixels.bias.grad, plain.bias.grad)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_pixels_are_cast_exactly_to_what_products_are_computed_in(precision):
    every = torch.arange(256, dtype=torch.uint8)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        cast = floats(every)
    assert cast.dtype == precision
    assert cast.tolist() == list(range(256))


def test_vectors_are_not_rounded(single_space, tiny_encoder, observation):
    torch.manual_seed(0)
    exact: Encoder = build(tiny_encoder, Encoder, observation_space=single_space)
    half = copy.deepcopy(exact)
    half.precision = torch.bfloat16
    seen = observation | {"vector": torch.full((5, 3), 217.3)}  # 217 in bfloat16
    assert torch.equal(half(seen)[:, 8:], exact(seen)[:, 8:])  # behind the image's eight features


def test_an_encoder_in_bfloat16_is_the_same_within_its_mantissa(single_space, tiny_encoder, observation):
    torch.manual_seed(0)
    exact: Encoder = build(tiny_encoder, Encoder, observation_space=single_space)
    half = copy.deepcopy(exact)
    half.precision = torch.bfloat16
    expected, found = exact(observation), half(observation)
    assert found.dtype == torch.float32
    assert not torch.equal(found, expected)
    # Eight bits of mantissa: a part in 256 a product, and features behind the normalisation are of order one.
    torch.testing.assert_close(found, expected, atol=0.03, rtol=0.0)
    expected.square().sum().backward()
    found.square().sum().backward()
    for (name, one), other in zip(exact.named_parameters(), half.parameters(), strict=True):
        assert other.dtype == other.grad.dtype == torch.float32, name
        torch.testing.assert_close(other.grad, one.grad, atol=0.05 * float(one.grad.abs().max()), rtol=0.0)


@pytest.mark.parametrize("module_class", [PPOModule, SACModule])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("inference_only", [True, False])
def test_every_encoder_of_a_module_has_the_precision_of_its_config(
    build_module, module_class, precision, inference_only
):
    module = build_module(module_class, shared_encoder=False, inference_only=inference_only, precision=precision)
    encoders = [part for part in module.modules() if isinstance(part, Encoder)]
    learners = {PPOModule: 2, SACModule: 3}  # SAC's average has one of its own
    runners = {PPOModule: 2, SACModule: 1}  # PPO's runners drive with the critic
    assert len(encoders) == (runners if inference_only else learners)[module_class]
    assert {encoder.precision for encoder in encoders} == {getattr(torch, precision)}
