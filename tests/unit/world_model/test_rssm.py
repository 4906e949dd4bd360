"""The recurrent state-space model against slow references, unrolled and step by step."""

import numpy as np
import pytest
import torch

from models.memory import Memory
from models.world_model.layers import BlockLinear
from models.world_model.norm_silu import NormSiLU
from models.world_model.rssm import SequenceModel, StateSizes

SIZES = StateSizes(deter=16, latents=3, classes=4, hidden=8, blocks=2)


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def norm_silu(x, scale):
    x = x / np.sqrt(np.mean(x**2, -1, keepdims=True) + 1e-4) * scale
    return x * sigmoid(x)


def arrays(module):
    return {name: tensor.detach().double().numpy() for name, tensor in module.state_dict().items()}


def randomise(module):
    for tensor in module.parameters():
        torch.nn.init.normal_(tensor, std=0.5)


def test_norm_and_silu():
    module = NormSiLU(5)
    randomise(module)
    x = torch.randn(4, 5)
    np.testing.assert_allclose(module(x).detach(), norm_silu(x.double().numpy(), arrays(module)["scale"]), rtol=1e-5)


def test_blocks_see_their_own_inputs_only():
    layer = BlockLinear(6, 4, 2)
    randomise(layer)
    x = torch.randn(1, 6, requires_grad=True)
    layer(x)[0, :2].sum().backward()
    assert x.grad[0, :3].all()
    assert not x.grad[0, 3:].any()


def reference_step(weights, deter, latent, action):
    """One step as the paper's block GRU: every block sees its own share of h, and all of h, z and a through layers."""

    def dense(name, x):
        x = x @ weights[f"{name}.linear.weight"].T + weights[f"{name}.linear.bias"]
        return norm_silu(x, weights[f"{name}.norm.scale"])

    action = action / np.maximum(1.0, np.abs(action))
    inputs = np.concatenate(
        [dense("from_deter", deter), dense("from_latent", latent), dense("from_action", action)], -1
    )
    rows = []
    for block, share in enumerate(np.split(deter, 2, -1)):
        own = weights["mix_deter.weight"][block]  # (in, out)
        common = weights["mix_inputs.weight"].T[:, block * 8 : block * 8 + 8]
        rows.append(np.concatenate([share, inputs], -1) @ np.concatenate([own, common]))
    mixed = norm_silu(np.concatenate(rows, -1) + weights["mix_inputs.bias"], weights["mix_norm.scale"])
    out = []
    for block, (share, before) in enumerate(zip(np.split(mixed, 2, -1), np.split(deter, 2, -1), strict=True)):
        gates = share @ weights["gates.weight"][block] + weights["gates.bias"][block * 24 : block * 24 + 24]
        reset, candidate, update = np.split(gates, 3, -1)
        update = sigmoid(update - 1.0)
        out.append(update * np.tanh(sigmoid(reset) * candidate) + (1.0 - update) * before)
    return np.concatenate(out, -1)


def test_weights_of_blocks_begin_as_small_as_those_of_a_whole_layer():
    """Variance scaling over all inputs of the layer, as the authors' `Initializer.compute_fans` has it."""
    torch.manual_seed(0)
    layer = BlockLinear(512, 512, 8)
    assert layer.weight.std().item() == pytest.approx(512**-0.5, rel=0.02)
    sequence = SequenceModel(StateSizes(deter=512, latents=16, classes=8, hidden=64, blocks=8), action_dim=2)
    fan_in = 512 + 8 * 3 * 64
    for weight in (sequence.mix_deter.weight, sequence.mix_inputs.weight):
        assert weight.std().item() == pytest.approx(fan_in**-0.5, rel=0.02)


def test_the_block_gru_by_its_formula():
    model = SequenceModel(SIZES, 2)
    randomise(model)
    deter, latent, action = torch.randn(3, 16), torch.randn(3, 12), torch.tensor([[0.5, -2.0], [0.0, 1.0], [3.0, 0.1]])
    found = model.steps()(deter, latent, model.prepare(action))
    expected = reference_step(arrays(model), *(x.double().numpy() for x in (deter, latent, action)))
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-4, atol=1e-5)


def one_step(encoder, observation, state, is_first, t):
    rows = {name: part[:, t] for name, part in observation.items()}
    return encoder.encode(rows, Memory.of_one_step(state, is_first[:, t]))


def test_unrolled_is_step_by_step(encoder, make_observation):
    torch.manual_seed(2)
    observation, state = make_observation(3, 7), torch.zeros(3, encoder.state_dim)
    is_first = torch.zeros(3, 7, dtype=torch.bool)
    is_first[0, 0] = is_first[1, 4] = True
    features, last = encoder(observation, state, is_first)
    for t in range(7):
        step, state = one_step(encoder, observation, state, is_first, t)
        torch.testing.assert_close(step, features[:, t])
    torch.testing.assert_close(state, last)


def test_nothing_of_an_earlier_episode_passes_a_reset(encoder, make_observation):
    torch.manual_seed(3)
    observation = make_observation(2, 6)
    is_first = torch.zeros(2, 6, dtype=torch.bool)
    is_first[0, 3] = True
    state = torch.rand(2, encoder.state_dim)
    before, _ = encoder(observation, state, is_first)
    # Another past, the action that a reset ignores among it.
    changed = {name: part.clone() for name, part in observation.items()}
    other = make_observation(2, 6)
    for name, part in changed.items():
        part[:, :3] = other[name][:, :3]
    changed["action_history"][:, 3] = other["action_history"][:, 3]
    after, _ = encoder(changed, torch.rand(2, encoder.state_dim), is_first)
    torch.testing.assert_close(after[0, 3:], before[0, 3:])
    assert not torch.allclose(after[1, 3:], before[1, 3:])


def test_a_packed_state_comes_back(encoder):
    deter, index = torch.randn(5, 16), torch.randint(0, 4, (5, 3))
    back, latent = encoder.unpacked(encoder.packed(deter, index).half().float())  # as replay keeps it
    torch.testing.assert_close(back, deter, atol=2e-3, rtol=1e-3)
    assert torch.equal(latent.unflatten(-1, (3, 4)).argmax(-1), index)
    assert latent.sum() == 15
    nothing, no_latent = encoder.unpacked(torch.zeros(1, encoder.state_dim))
    assert not nothing.any()
    assert not no_latent.any()


def test_no_gradient_passes_a_reset(encoder, make_observation):
    observation, state = make_observation(1, 4), torch.rand(1, encoder.state_dim)
    is_first = torch.tensor([[False, False, True, False]])
    observation["vector"].requires_grad_()
    encoder.observe(observation, state, is_first).features[0, 2:].square().sum().backward()
    assert not observation["vector"].grad[0, :2].any()
    assert observation["vector"].grad[0, 2:].any()


def test_learning_draws_and_driving_takes_the_likeliest(encoder, make_observation):
    observation, state = make_observation(64, 1), torch.zeros(64, encoder.state_dim)
    first = torch.ones(64, 1, dtype=torch.bool)
    driven, other = (encoder.observe(observation, state, first, is_random=False) for _ in range(2))
    assert torch.equal(driven.index, other.index)
    assert torch.equal(driven.index, driven.posterior.argmax(-1))
    drawn, again = (encoder.observe(observation, state, first) for _ in range(2))
    assert not torch.equal(drawn.index, again.index)


@pytest.mark.parametrize("sizes", [{"deter": 17}, {"classes": 1}, {"hidden": 0}])
def test_sizes_that_cannot_be(make_encoder, sizes):
    with pytest.raises(ValueError, match=next(iter(sizes))):
        make_encoder(**sizes)
