"""The recurrent encoder: its memory, where it begins anew, and the same network over a stack."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import nn

from models.cnn_lstm import CNNLSTMEncoder
from models.memory import Memory

SIZES = {
    "channels": [4],
    "kernels": [4],
    "strides": [4],
    "image_features": 6,
    "hidden": 5,
    "layers": 2,
    "vector_features": 3,
    "frames": {"time": 1, "stack": 4},
}
B, T = 3, 7


def space(channels=1, vector=True):
    parts = {"image": gym.spaces.Box(0, 255, (12, 12, channels), np.uint8)}
    return gym.spaces.Dict(parts | ({"vector": gym.spaces.Box(-1, 1, (2,), np.float32)} if vector else {}))


def make(channels=1, vector=True, **changes):
    torch.manual_seed(0)
    return CNNLSTMEncoder(observation_space=space(channels, vector), **{**SIZES, "over": "time", **changes})


@pytest.fixture
def sequences():
    """Three sequences; the first begins an episode in slot 0, the second amid it, the third twice."""
    torch.manual_seed(1)
    is_first = torch.zeros(B, T, dtype=torch.bool)
    is_first[0, 0] = is_first[1, 3] = is_first[2, 3] = is_first[2, 6] = True
    images = torch.randint(0, 256, (B, T, 12, 12, 1), dtype=torch.uint8)
    return {"image": images, "vector": torch.randn(B, T, 2)}, Memory(torch.randn(B, 20), is_first)


def rows(observation):
    return {name: part.flatten(0, 1) for name, part in observation.items()}


def encoded(encoder, observation, memory):
    features, state = encoder.encode(rows(observation), memory)
    return features.unflatten(0, memory.is_first.shape), state


def test_a_state_is_two_numbers_for_each_unit_and_features_are_the_last_layers(sequences):
    encoder = make()
    features, state = encoded(encoder, *sequences)
    assert (encoder.feature_dim, encoder.state_dim) == (5 + 3, 2 * 2 * 5)
    assert features.shape == (B, T, 8)
    assert state.shape == (B, 20)


def test_a_sequence_is_its_slots_one_by_one(sequences):
    encoder = make()
    observation, memory = sequences
    together, last = encoded(encoder, observation, memory)
    state = memory.state
    for t in range(T):
        one = {name: part[:, t] for name, part in observation.items()}
        features, state = encoder.encode(one, Memory.of_one_step(state, memory.is_first[:, t]))
        torch.testing.assert_close(features, together[:, t], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(state, last, rtol=1e-4, atol=1e-5)


def test_the_lstm_is_torchs_cells_in_a_row(sequences):
    """Two `nn.LSTMCell`s with the same weights, stepped by hand from zeros."""
    encoder = make(vector=False)
    images = sequences[0]["image"][:1]
    cells = [nn.LSTMCell(width, 5) for width in (6, 5)]
    for k, cell in enumerate(cells):
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(cell, part).data = getattr(encoder.lstm, f"{part}_l{k}").data
    frames = encoder.image_latent(encoder.convolutions(images[0].permute(0, 3, 1, 2).float()))
    states = [(torch.zeros(1, 5), torch.zeros(1, 5))] * 2
    expected = []
    for frame in frames:
        below = frame[None]
        for k, cell in enumerate(cells):
            states[k] = cell(below, states[k])
            below = states[k][0]
        expected.append(below)
    memory = Memory(torch.zeros(1, 20), torch.zeros(1, T, dtype=torch.bool))
    features, _ = encoder.encode({"image": images.flatten(0, 1)}, memory)
    torch.testing.assert_close(features, torch.cat(expected), rtol=1e-4, atol=1e-5)


def test_an_episode_begins_with_nothing_remembered(sequences):
    """What stood before slot 3 of the second row does not matter from there on; in the first row it does."""
    encoder = make()
    observation, memory = sequences
    other = {name: part.clone() for name, part in observation.items()}
    other["image"][:, :3] = 255 - other["image"][:, :3]
    before, after = encoded(encoder, observation, memory)[0], encoded(encoder, other, memory)[0]
    assert torch.equal(before[1:, 3:], after[1:, 3:])
    assert not torch.isclose(before[0, 3:, :5], after[0, 3:, :5]).any()
    moved = Memory(memory.state + 1.0, memory.is_first)
    after = encoded(encoder, observation, moved)[0]
    assert torch.equal(before[0], after[0])  # it begins an episode at once
    assert not torch.isclose(before[1, :3, :5], after[1, :3, :5]).any()


def test_only_the_half_of_the_changed_part_changes(sequences):
    encoder = make()
    observation, memory = sequences
    before = encoded(encoder, observation, memory)[0]
    for changed, moves, stays in (("image", slice(0, 5), slice(5, 8)), ("vector", slice(5, 8), slice(0, 5))):
        after = encoded(encoder, observation | {changed: observation[changed].flip(2)}, memory)[0]
        assert not torch.isclose(before[..., moves], after[..., moves]).any()
        assert torch.equal(before[..., stays], after[..., stays])


def test_rows_of_a_batch_do_not_mix(sequences):
    encoder = make()
    observation, memory = sequences
    order = torch.tensor([2, 0, 1])
    permuted = {name: part[order] for name, part in observation.items()}
    features, state = encoded(encoder, permuted, Memory(memory.state[order], memory.is_first[order]))
    expected, last = encoded(encoder, observation, memory)
    torch.testing.assert_close(features, expected[order])
    torch.testing.assert_close(state, last[order])


def test_gradients_reach_every_weight_through_time(sequences):
    encoder = make()
    observation, memory = sequences
    state = memory.state.requires_grad_(True)
    features = encoded(encoder, observation, Memory(state, memory.is_first))[0]
    features[:, -1].square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad.abs().max() > 0, name
    assert (state.grad.abs().amax(1) > 0).tolist() == [False, False, False]  # each row began anew since
    features = encoded(encoder, observation, Memory(state, torch.zeros(B, T, dtype=torch.bool)))[0]
    features[:, -1].square().sum().backward()
    assert (state.grad.abs().amax(1) > 0).all()


def test_over_a_stack_it_is_the_same_network_over_its_frames():
    """Oldest frame first, from zeros, the last output counts: what it gives over time after those frames."""
    over_time, over_stack = make(), make(channels=4, over="stack")
    over_stack.load_state_dict(over_time.state_dict())
    torch.manual_seed(2)
    stacks, vectors = torch.randint(0, 256, (B, 12, 12, 4), dtype=torch.uint8), torch.randn(B, 2)
    features, state = over_stack.encode({"image": stacks, "vector": vectors}, None)
    assert state is None
    assert over_stack.state_dim == 0
    frames = stacks.permute(0, 3, 1, 2)[..., None]
    memory = Memory(torch.zeros(B, 20), torch.zeros(B, 4, dtype=torch.bool))
    expected = encoded(over_time, {"image": frames, "vector": vectors[:, None].expand(-1, 4, -1)}, memory)[0]
    torch.testing.assert_close(features, expected[:, -1])


def test_a_stack_of_colour_frames_is_split_into_frames():
    encoder = make(channels=6, over="stack", frames={"stack": 2}, vector=False)
    assert encoder.convolutions[0].in_channels == 3
    stack = torch.zeros(1, 12, 12, 6, dtype=torch.uint8)
    older, newer = stack.clone(), stack.clone()
    older[..., :3], newer[..., 3:] = 255, 255
    features = [encoder.encode({"image": one}, None)[0] for one in (stack, older, newer)]
    assert not torch.allclose(features[0], features[1])
    assert not torch.allclose(features[1], features[2])


def test_forget_gates_begin_open_and_the_weights_of_each_gate_orthogonal():
    """By hand: torch keeps the four gates of 5 units as rows 0-4 input, 5-9 forget, 10-14 cell, 15-19 output."""
    lstm = make().lstm
    for layer in range(2):
        assert getattr(lstm, f"bias_ih_l{layer}").tolist() == [0] * 5 + [1] * 5 + [0] * 10
        assert getattr(lstm, f"bias_hh_l{layer}").tolist() == [0] * 20
        for kind in ("ih", "hh"):
            weights = getattr(lstm, f"weight_{kind}_l{layer}").detach()
            for first in (0, 5, 10, 15):
                gate = weights[first : first + 5]
                torch.testing.assert_close(gate @ gate.T, torch.eye(5), rtol=1e-5, atol=1e-5)


def test_bad_requests_are_refused_in_words():
    with pytest.raises(ValueError, match="over=space: expected one of time, stack"):
        make(over="space")
    with pytest.raises(
        ValueError, match=r"over=stack: expected an image of frames.stack=4 frames.* has 1 channels.* env.frame_stack"
    ):
        make(over="stack")
    with pytest.raises(ValueError, match="channels"):
        make(channels=4, over="stack", frames={"stack": 3})
    with pytest.raises(ValueError, match="hidden=0"):
        make(hidden=0)
    vectors = gym.spaces.Dict({"vector": gym.spaces.Box(-1, 1, (2,), np.float32)})
    with pytest.raises(ValueError, match="model=mlp"):
        CNNLSTMEncoder(observation_space=vectors, over="time", **SIZES)
    with pytest.raises(ValueError, match="memory of 20 numbers"):
        make().encode({"image": torch.zeros(1, 12, 12, 1, dtype=torch.uint8), "vector": torch.zeros(1, 2)}, None)
