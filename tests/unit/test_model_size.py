"""Parameters and FLOPs of networks, against products counted by hand and numbers from the literature."""

import sys
import types

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import nn

from experiments.model_size import ModelSize, decision_flops
from models.actor import Actor
from models.cnn import CNNEncoder
from models.encoder import Encoder, RecurrentEncoder
from models.ppo_module import PPOModule
from models.sac_module import SACModule

NATURE = {"channels": [32, 64, 64], "kernels": [8, 4, 3], "strides": [4, 2, 1]}  # Mnih et al., 2015
VECTOR = gym.spaces.Dict({"vector": gym.spaces.Box(-1, 1, (6,), np.float32)})
TINY_ENCODER = (16 * 4 + 4) + (36 * 8 + 8) + 2 * 8 + (3 * 4 + 4) + 2 * 4  # convolution, two latents with LayerNorms
TINY_HEAD = (12 * 8 + 8) + (8 * 4 + 4)  # mean and deviation of two actions
TINY_FLOPS = 2 * (4 * 16 * 3 * 3 + 36 * 8 + 3 * 4 + 12 * 8 + 8 * 4)


class TwoLSTMs(RecurrentEncoder):
    """Two layers of an LSTM, 6 to 5 to 5."""

    def __init__(self, *, observation_space):
        super().__init__()
        self.lstm = nn.LSTM(6, 5, 2, batch_first=True)
        self.feature_dim, self.state_dim = 5, 20

    def forward(self, observation, state, is_first):
        h, c = (part.contiguous() for part in state.view(-1, 2, 2, 5).permute(1, 2, 0, 3))
        outputs, (h, c) = self.lstm(observation["vector"], (h, c))
        return outputs, torch.stack([h, c]).permute(2, 0, 1, 3).flatten(1)


class Attention(Encoder):
    """Three tokens of four numbers, made from six by one layer, that attend to each other."""

    def __init__(self, *, observation_space):
        super().__init__()
        self.tokens, self.feature_dim = nn.Linear(6, 12), 12

    def forward(self, observation):
        tokens = self.tokens(observation["vector"]).view(-1, 1, 3, 4)
        return nn.functional.scaled_dot_product_attention(tokens, tokens, tokens).flatten(1)


@pytest.fixture
def make_actor(monkeypatch):
    """Return a function that builds an actor of two actions with this encoder and a head of one layer."""

    def made(cls, space=VECTOR, **sizes):
        module = types.ModuleType("some_model")
        module.Encoder = cls
        monkeypatch.setitem(sys.modules, "some_model", module)
        return Actor(
            observation_space=space,
            action_space=gym.spaces.Box(-1, 1, (2,)),
            encoder={"_target_": "some_model.Encoder", **sizes},
            head={"_target_": "models.heads.BetaHead", "hidden": []},
        )

    return made


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(("module_class", "critic"), [(PPOModule, 12 * 8 + 8 + 8 + 1), (SACModule, None)])
def test_the_tiny_networks_by_hand(build_module, single_space, module_class, critic, precision):
    """SAC trains two critics, which see actions too, and the temperature, but neither targets nor the average."""
    critic = critic or 2 * (14 * 8 + 8 + 8 + 1) + 1
    size = ModelSize.of(build_module(module_class, precision=precision), single_space)
    assert size == ModelSize(TINY_ENCODER + TINY_HEAD, TINY_ENCODER + TINY_HEAD + critic, TINY_FLOPS)
    apart = ModelSize.of(build_module(module_class, shared_encoder=False), single_space)
    more = size.trained_parameters + TINY_ENCODER
    assert apart == ModelSize(size.actor_parameters, more, TINY_FLOPS)  # a decision needs no critic


def test_the_nature_network_by_hand(make_actor):
    """84x84x4 to 20x20x32 to 9x9x64 to 7x7x64, then 512, as in Mnih et al.; here to four numbers of two Betas."""
    space = gym.spaces.Dict({"image": gym.spaces.Box(0, 255, (84, 84, 4), np.uint8)})
    actor = make_actor(CNNEncoder, space, image_features=512, vector_features=1, **NATURE)
    convolutions = 20 * 20 * 32 * (8 * 8 * 4) + 9 * 9 * 64 * (4 * 4 * 32) + 7 * 7 * 64 * (3 * 3 * 64)
    assert convolutions == 3_276_800 + 2_654_208 + 1_806_336
    assert decision_flops(actor, space) == 2 * (convolutions + 3136 * 512 + 512 * 4)


def test_an_lstm_by_hand(make_actor):
    """Four gates of five cells from six inputs and five states, then from five and five."""
    assert decision_flops(make_actor(TwoLSTMs), VECTOR) == 2 * (20 * (6 + 5) + 20 * (5 + 5) + 5 * 4)


def test_attention_by_hand(make_actor):
    """Three tokens: the layer that makes them, 3x3 products of queries and keys, 3x3 weights times values."""
    assert decision_flops(make_actor(Attention), VECTOR) == 2 * (6 * 12 + 3 * 3 * 4 + 3 * 3 * 4 + 12 * 4)


@pytest.mark.parametrize("cls", [TwoLSTMs, Attention])
def test_without_memory_for_weights_it_is_the_same_and_nothing_is_touched(make_actor, cls):
    actor = make_actor(cls)
    before = {name: tensor.clone() for name, tensor in actor.state_dict().items()}
    flops = decision_flops(actor, VECTOR)
    assert all(torch.equal(tensor, before[name]) for name, tensor in actor.state_dict().items())
    with torch.device("meta"):
        bare = make_actor(cls)
    assert decision_flops(bare, VECTOR) == flops
    assert all(parameter.is_meta for parameter in bare.parameters())


def test_it_is_said_in_one_line():
    size = ModelSize(actor_parameters=673_508, trained_parameters=1_104_000, decision_flops=12_345_678)
    assert str(size) == "674 k parameters in the actor, 1.10 M trained; 12.3 MFLOP a decision"
    assert (
        str(ModelSize(999_600, 120, 2_000_000_000))
        == "1.00 M parameters in the actor, 120 trained; 2.00 GFLOP a decision"
    )
    assert str(ModelSize(999_400, 1_200, 0)) == "999 k parameters in the actor, 1.20 k trained; 0 FLOP a decision"
    assert size.tags() == {
        "actor_parameters": "673508",
        "trained_parameters": "1104000",
        "decision_flops": "12345678",
    }
