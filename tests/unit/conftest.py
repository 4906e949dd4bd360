"""Fixtures that several unit tests share: a tiny observation space, its encoder, fragments, RLModules; bad systems."""

from pathlib import Path
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest

from experiments.fragment import Fragment

SIDE = 12  # pixels: enough for the tiny encoder's one convolution


@pytest.fixture
def tiny_encoder():
    """Sizes of an encoder that costs no time."""
    return {
        "_target_": "models.cnn.CNNEncoder",
        "channels": [4],
        "kernels": [4],
        "strides": [4],
        "image_features": 8,
        "vector_features": 4,
    }


@pytest.fixture
def single_space():
    """What an env gives: one grey frame and a vector."""
    return gym.spaces.Dict(
        {
            "image": gym.spaces.Box(0, 255, (SIDE, SIDE, 1), np.uint8),
            "vector": gym.spaces.Box(-np.inf, np.inf, (3,), np.float32),
        }
    )


@pytest.fixture
def action_space():
    return gym.spaces.Box(np.array([-1, 0], np.float32), np.ones(2, np.float32))


@pytest.fixture
def observation():
    """A batch of five, as a policy sees it."""
    import torch  # not above: most tests of this folder run without it

    torch.manual_seed(0)
    return {"image": torch.randint(0, 256, (5, SIDE, SIDE, 1), dtype=torch.uint8), "vector": torch.randn(5, 3)}


@pytest.fixture
def build_module(single_space, action_space, tiny_encoder):
    """Return a function from an RLModule's class to one with tiny networks, over unstacked frames."""

    def build(module_class, *, shared_encoder=True, inference_only=False, head="SquashedGaussianHead"):
        return module_class(
            observation_space=single_space,
            action_space=action_space,
            inference_only=inference_only,
            model_config={
                "encoder": tiny_encoder,
                "head": {"_target_": f"models.heads.{head}", "hidden": [8]},
                "critic_hidden": [8],
                "shared_encoder": shared_encoder,
                "initial_alpha": 0.1,
            },
        )

    return build


@pytest.fixture
def bare_learner():
    """Return a function that makes a learner of ours around a network, without RLlib's own setting up."""

    def make(learner_class, net, optimizer, **options):
        # RLlib's learners offer these as properties: plain attributes take their place.
        bare_class = type(f"Bare{learner_class.__name__}", (learner_class,), dict.fromkeys(("net", "optimizer")))
        learner = object.__new__(bare_class)
        learner.net, learner.optimizer = net, optimizer
        learner.config = SimpleNamespace(options=SimpleNamespace(max_grad_norm=1e9, reward_scale=1.0, **options))
        learner._device = next(net.parameters()).device
        return learner

    return make


@pytest.fixture
def make_fragment():
    """Return a function that makes a fragment of unstacked frames, of zeros where nothing else is given."""

    def make(num_steps, num_envs, *, side=SIDE, actions_dim=2, **parts):
        steps = (num_steps, num_envs)
        zeros = {
            "images": {"image": np.zeros((num_steps + 1, num_envs, side, side, 1), np.uint8)},
            "vectors": {"vector": np.zeros((num_steps + 1, num_envs, 3), np.float32)},
            "age": np.zeros((num_steps + 1, num_envs), np.int32),
            "actions": np.zeros((*steps, actions_dim), np.float32),
            "log_probs": np.zeros(steps, np.float32),
            "rewards": np.zeros(steps, np.float32),
            "terminated": np.zeros(steps, bool),
            "truncated": np.zeros(steps, bool),
            "valid": np.ones(steps, bool),
            "frames": num_steps * num_envs,
        }
        return Fragment(**zeros | parts)

    return make


@pytest.fixture
def without_links(monkeypatch):
    """A system that allows no symbolic links: Windows without developer mode."""

    def refuse(*_, **__):
        raise OSError(1314, "A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)


@pytest.fixture
def power_cut():
    """What stands in for a call that the machine does not live to make; no handler of errors catches it."""

    def cut(*_, **__):
        raise KeyboardInterrupt

    return cut
