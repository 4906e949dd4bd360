"""A world model's policy in its files: it drives as the actor that was saved, in every format."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from experiments.exported.formats import FORMATS, format_class, load_policy
from experiments.exported.graph import PolicyGraph
from experiments.exported.inputs import graph_space
from experiments.policy import DrivingPolicy, save_policy
from experiments.policy_description import PolicyDescription

SIDE = 8
TINY = {"deter": 16, "latents": 3, "classes": 4, "hidden": 8, "blocks": 2, "depth": 2, "units": 8, "layers": 1}


@pytest.fixture(params=["box", "choice"])
def description(space, request):
    actions = {
        "box": gym.spaces.Box(np.array([-1, 0], np.float32), np.array([1, 3], np.float32)),
        "choice": gym.spaces.Discrete(2, start=3),
    }
    return PolicyDescription(
        env={"_target_": "envs.dummy.DummyEnv", "image_size": SIDE, "frame_stack": 1, "action_history": 1},
        observation_space=space,
        action_space=actions[request.param],
        encoder={"_target_": "models.world_model.encoder.WorldModelEncoder", **TINY},
        head={"_target_": "models.world_model.actor_head.DreamerHead", "layers": 1, "units": 8},
        training={"env": "dummy", "algo": "dreamerv3", "model": "world_model", "seed": 0},
    )


@pytest.fixture
def actor(description):
    torch.manual_seed(0)
    actor = description.build_actor()
    with torch.no_grad():  # far from the middle, so that actions differ
        actor.head.layers[-1].weight.mul_(100)
    return actor


def drive(policy, make_observation):
    """Return the actions of two envs over six decisions, of which one begins anew on the way."""
    torch.manual_seed(1)
    policy.start(2)
    actions = []
    for step in range(6):
        observation = {name: part.numpy() for name, part in make_observation(2).items()}
        actions.append(policy.act(observation, np.array([step == 0, step in (0, 3)])))
    return np.stack(actions)


def test_saved_and_loaded(actor, description, make_observation, tmp_path):
    expected = drive(DrivingPolicy(actor, description), make_observation)
    save_policy(tmp_path, actor.state_dict(), description)
    np.testing.assert_array_equal(drive(load_policy(tmp_path), make_observation), expected)
    assert expected.shape[:2] == (6, 2)
    assert all(action in description.action_space for action in expected.reshape(12, *expected.shape[2:]))
    assert np.ptp(expected, axis=(0, 1)).max() > 0.1


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in FORMATS])
def test_exported(actor, description, make_observation, tmp_path, name):
    expected = drive(DrivingPolicy(actor, description), make_observation)
    file = tmp_path / f"policy.{name}"
    format_class(name).write(file, PolicyGraph(actor, description.action_space), graph_space(description), description)
    np.testing.assert_allclose(drive(load_policy(file), make_observation), expected, atol=1e-4)
