"""Fixtures that several unit tests share: tiny networks, fragments, CarRacing's peer and drivers; bad systems."""

import math
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

    def build(
        module_class,
        *,
        encoder=tiny_encoder,
        shared_encoder=True,
        inference_only=False,
        head="SquashedGaussianHead",
        precision="float32",
        **more,
    ):
        return module_class(
            observation_space=single_space,
            action_space=action_space,
            inference_only=inference_only,
            model_config={
                "encoder": encoder,
                "head": {"_target_": f"models.heads.{head}", "hidden": [8]},
                "critic_hidden": [8],
                "precision": precision,
                "shared_encoder": shared_encoder,
                "initial_alpha": 0.1,
                **more,
            },
        )

    return build


@pytest.fixture
def bare_learner():
    """Return a function that makes a learner of ours around a network, without RLlib's own setting up."""

    import torch

    def make(learner_class, net, optimizer, **options):
        # RLlib's learners offer these as properties: plain attributes take their place.
        bare_class = type(f"Bare{learner_class.__name__}", (learner_class,), dict.fromkeys(("net", "optimizer")))
        learner = object.__new__(bare_class)
        learner.net, learner.optimizer = net, optimizer
        learner.config = SimpleNamespace(options=SimpleNamespace(max_grad_norm=1e9, reward_scale=1.0, **options))
        learner._device = next(net.parameters()).device
        learner._num_passed_over = torch.zeros(())
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
def make_blind_stock():
    """Return a function that makes Gymnasium's own CarRacing-v3 without its pictures: 98 % of its time."""

    def make(**arguments):
        env = gym.make("CarRacing-v3", disable_env_checker=True, **arguments)
        env.unwrapped._render = lambda mode: np.zeros((96, 96, 3), np.uint8)
        return env

    return make


@pytest.fixture
def make_driver():
    """Return a function that makes a driver of CarRacing, from car and centre line `(N, 2)` to a full action.

    `road` mostly finishes a lap, `weave` leaves the road now and then, `held` and `random` do not know it, `straight`
    leaves the field after five seconds.
    """

    def make(kind, seed):
        random = np.random.default_rng(seed)
        state = {"frame": 0, "action": np.zeros(3, np.float32)}

        def drive(car, centre):
            state["frame"] += 1
            if kind == "straight":
                state.setdefault("heading", car.hull.angle)
                steer = 3.0 * (car.hull.angle - state["heading"]) + car.hull.angularVelocity
                return np.array([np.clip(steer, -1, 1), 0.5, 0], np.float32)
            if kind in ("road", "weave"):
                noise = random.normal(0, [0.6, 0.3, 0.1]) if kind == "weave" else 0.0
                return np.clip(_towards_the_road(car, centre) + noise, [-1, 0, 0], 1).astype(np.float32)
            if kind == "random" or state["frame"] % 25 == 1:
                state["action"] = random.uniform([-1, 0, -1], [1, 1, 1]).clip(-1, 1).astype(np.float32)
                state["action"][2] = max(state["action"][2], 0)
            return state["action"]

        return drive

    return make


def _towards_the_road(car, centre):
    x, y = car.hull.position
    angle, speed = car.hull.angle, car.hull.linearVelocity.length
    nearest = int(np.argmin(np.square(centre - (x, y)).sum(axis=1)))
    across, ahead = centre[(nearest + 4 + int(speed / 15)) % len(centre)] - (x, y)
    right, forward = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
    steer = 2.5 * math.atan2(right @ (across, ahead), forward @ (across, ahead))
    legs = np.diff(centre[(nearest + np.array([2, 8, 14, 20])) % len(centre)], axis=0)
    turns = np.diff(np.arctan2(legs[:, 1], legs[:, 0]))
    sharpest = np.abs((turns + np.pi) % (2 * np.pi) - np.pi).max()
    wanted = min(75.0, 30.0 + 12.0 / max(sharpest, 0.05))
    is_sliding = abs(steer) > 0.6 and speed > 40
    return np.array([steer, float(speed < wanted and not is_sliding), 0.3 * (speed > wanted + 10)])


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
