"""The vision transformer against torch's own layers and against patches cut by hand; what it refuses."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import nn

from models.vit import Block, ViTEncoder

BATCH = 3
TINY = {"patch": 4, "width": 12, "depth": 2, "heads": 3, "mlp_ratio": 2, "head": []}
BASE = {"patch": 8, "width": 256, "depth": 6, "heads": 8, "mlp_ratio": 4, "head": [256, 256]}


def space_of(*, height=8, width=12, frames=2, numbers=5):
    parts = {"image": gym.spaces.Box(0, 255, (height, width, frames), np.uint8)}
    vectors = {"vector": gym.spaces.Box(-np.inf, np.inf, (numbers,), np.float32)} if numbers else {}
    return gym.spaces.Dict(parts | vectors)


@pytest.fixture
def observation():
    torch.manual_seed(1)
    image = torch.randint(0, 256, (BATCH, 8, 12, 2), dtype=torch.uint8)
    return {"image": image, "vector": torch.randn(BATCH, 5)}


def shaken(module):
    """Give every parameter, biases too, a value that shows."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


def torchs_own(block, *, heads):
    """Return torch's transformer layer with the weights of a block."""
    width, hidden = block.query.in_features, block.layers[0].out_features
    layer = nn.TransformerEncoderLayer(
        width, heads, hidden, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).eval()
    attention = layer.self_attn
    attention.in_proj_weight.data = torch.cat([block.query.weight, block.key_value.weight])
    attention.in_proj_bias.data = torch.cat([block.query.bias, block.key_value.bias])
    same = [
        (attention.out_proj, block.attention_out),
        (layer.norm1, block.attention_norm),
        (layer.norm2, block.layers_norm),
        (layer.linear1, block.layers[0]),
        (layer.linear2, block.layers[2]),
    ]
    for theirs, ours in same:
        theirs.load_state_dict(ours.state_dict())
    return layer


def test_a_block_is_torchs_transformer_layer():
    torch.manual_seed(0)
    block = shaken(Block(width=12, heads=3, hidden=24))
    layer = torchs_own(block, heads=3)
    ours = torch.randn(BATCH, 7, 12, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    for num_out in (7, 1):
        found, expected = block(ours, num_out), layer(theirs)[:, :num_out]
        torch.testing.assert_close(found, expected)
        weights = torch.randn_like(expected)
        (of_ours,) = torch.autograd.grad((found * weights).sum(), ours)
        (of_theirs,) = torch.autograd.grad((expected * weights).sum(), theirs)
        torch.testing.assert_close(of_ours, of_theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", [[], [7, 6]])
@pytest.mark.parametrize("has_vector", [True, False])
def test_the_encoder_is_patches_positions_layers_and_the_first_row(observation, head, has_vector):
    """Patches are cut out of the picture by hand, row by row, and go with the vectors through torch's own layers."""
    torch.manual_seed(0)
    space = space_of(numbers=5 if has_vector else 0)
    encoder = shaken(ViTEncoder(observation_space=space, **TINY | {"head": head}))
    weight, bias = encoder.patches.weight.flatten(1), encoder.patches.bias
    rows = []
    for image, vector in zip(observation["image"], observation["vector"], strict=True):
        cut = [image[y : y + 4, x : x + 4] for y in (0, 4) for x in (0, 4, 8)]
        patches = [weight @ (patch.permute(2, 0, 1).flatten() / 255) + bias for patch in cut]
        reader = encoder.telemetry(vector) if has_vector else encoder.class_token
        rows.append(torch.stack([reader, *patches]) + encoder.positions)
    tokens = torch.stack(rows)
    for block in encoder.blocks:
        tokens = torchs_own(block, heads=3)(tokens)
    expected = encoder.norm(tokens)[:, 0]
    for layer in [part for part in encoder.head if isinstance(part, nn.Linear)]:
        expected = layer(expected).relu()
    found = encoder({name: part for name, part in observation.items() if has_vector or name == "image"})
    assert found.shape == (BATCH, encoder.feature_dim) == (BATCH, head[-1] if head else 12)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("patch", range(6))
def test_every_patch_is_read(observation, patch):
    encoder = ViTEncoder(observation_space=space_of(), **TINY)
    y, x = 4 * (patch // 3), 4 * (patch % 3)
    other = observation["image"].clone()
    other[:, y : y + 4, x : x + 4] = 255 - other[:, y : y + 4, x : x + 4]
    moved = encoder(observation | {"image": other}) - encoder(observation)
    assert (moved.abs().amax(dim=1) > 1e-5).all()


def test_where_a_patch_stands_matters(observation):
    """Attention itself knows no order: without positions, patches in another order say the same."""
    encoder = ViTEncoder(observation_space=space_of(), **TINY)
    nn.init.normal_(encoder.positions)
    swapped = observation | {"image": observation["image"].roll(4, dims=2)}
    assert (encoder(swapped) - encoder(observation)).abs().max() > 1e-3
    nn.init.zeros_(encoder.positions)
    torch.testing.assert_close(encoder(swapped), encoder(observation))


def test_all_vectors_are_the_read_out_token(observation):
    more = gym.spaces.Dict(space_of().spaces | {"actions": gym.spaces.Box(-1, 1, (4,), np.float32)})
    encoder = ViTEncoder(observation_space=more, **TINY)
    assert encoder.telemetry.in_features == 5 + 4
    assert not hasattr(encoder, "class_token")
    vectors = {"vector": observation["vector"], "actions": torch.randn(BATCH, 4)}
    vectors = {name: vector.requires_grad_() for name, vector in vectors.items()}
    features = encoder(observation | vectors)
    (features * torch.randn_like(features)).sum().backward()
    assert all((vector.grad != 0).all() for vector in vectors.values())


def test_base_has_as_many_parameters_as_by_hand():
    """A block has 12 w^2 + 13 w; patches of 8 x 8 x 4, 9 numbers, 65 positions, LayerNorm, two layers of 256."""
    with torch.device("meta"):
        encoder = ViTEncoder(observation_space=space_of(height=64, width=64, frames=4, numbers=9), **BASE)
    blocks = 6 * (12 * 256**2 + 13 * 256)
    rest = (8 * 8 * 4 + 1) * 256 + (9 + 1) * 256 + 65 * 256 + 2 * 256 + 2 * (256 + 1) * 256
    assert sum(parameter.numel() for parameter in encoder.parameters()) == blocks + rest


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"patch": 5}, r"patch=5 does not divide an image of 8x12\. .*a multiple of 5, or patch to one of 2, 4\."),
        ({"heads": 5}, r"heads=5 do not divide width=12"),
        ({"patch": 0}, "patch=0: sizes must be at least 1"),
        ({"width": 0}, "width=0"),
        ({"depth": 0}, "depth=0"),
        ({"heads": -1}, "heads=-1"),
        ({"mlp_ratio": 0}, "mlp_ratio=0"),
        ({"head": [8, 0]}, r"head=\[8, 0\]"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_in_words(changes, words):
    with pytest.raises(ValueError, match=words):
        ViTEncoder(observation_space=space_of(), **TINY | changes)


def test_an_image_whose_one_side_is_not_divided_is_refused():
    with pytest.raises(ValueError, match=r"patch=4 does not divide an image of 8x13.*patch to one of 1\."):
        ViTEncoder(observation_space=space_of(width=13), **TINY)


def test_exactly_one_image_is_needed():
    image, vector = space_of().spaces.values()
    for parts, found in (({"speed": vector}, "speed"), ({"front": image, "rear": image}, "front, rear")):
        with pytest.raises(ValueError, match=f"ViTEncoder expects exactly one image .*got {found}"):
            ViTEncoder(observation_space=gym.spaces.Dict(parts), **TINY)
