"""Fixtures of the world model's tests: a tiny one, and experience for it."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from models.world_model.actor_head import DreamerHead
from models.world_model.encoder import WorldModelEncoder
from models.world_model.losses import Experience
from models.world_model.predictions import Predictions, SymexpHead

SIDE, ACTION_DIM = 8, 2


@pytest.fixture
def space():
    return gym.spaces.Dict(
        {
            "image": gym.spaces.Box(0, 255, (SIDE, SIDE, 1), np.uint8),
            "vector": gym.spaces.Box(-np.inf, np.inf, (3,), np.float32),
            "action_history": gym.spaces.Box(-1, 1, (ACTION_DIM,), np.float32),
        }
    )


@pytest.fixture
def make_encoder(space):
    """Return a function from an observation space, or none, to a tiny encoder with seeded weights."""

    def make(observation_space=None, **sizes):
        torch.manual_seed(0)
        tiny = {"deter": 16, "latents": 3, "classes": 4, "hidden": 8, "blocks": 2, "depth": 2, "units": 8, "layers": 1}
        return WorldModelEncoder(observation_space=observation_space or space, **tiny | sizes)

    return make


@pytest.fixture
def encoder(make_encoder):
    return make_encoder()


@pytest.fixture
def parts(encoder):
    """All that learns: encoder, predictions, policy, critic and its slow average; the heads' outputs are not zero."""
    torch.manual_seed(1)
    made = {
        "encoder": encoder,
        "predictions": Predictions(encoder),
        "head": DreamerHead(feature_dim=encoder.feature_dim, action_dim=ACTION_DIM, layers=1, units=8),
        "critic": SymexpHead(encoder.feature_dim, 8, 1),
        "slow_critic": SymexpHead(encoder.feature_dim, 8, 1),
    }
    for module in (made["predictions"].reward, made["critic"], made["slow_critic"]):
        torch.nn.init.normal_(module.layers[-1].weight, std=0.1)
    return made


@pytest.fixture
def make_observation():
    def make(*rows):
        return {
            "image": torch.randint(0, 256, (*rows, SIDE, SIDE, 1), dtype=torch.uint8),
            "vector": torch.randn(*rows, 3),
            "action_history": torch.rand(*rows, ACTION_DIM) * 2 - 1,
        }

    return make


@pytest.fixture
def make_experience(make_observation, encoder):
    """Return a function from B and T to experience in which nothing begins or ends, unless it is told."""

    def make(batch, length, **columns):
        none = torch.zeros(batch, length, dtype=torch.bool)
        return Experience(
            **{
                "observation": make_observation(batch, length),
                "state": torch.zeros(batch, encoder.state_dim),
                "is_first": none,
                "is_last": none,
                "rewards": torch.randn(batch, length),
                "terminated": none,
            }
            | columns
        )

    return make
