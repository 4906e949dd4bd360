"""A policy on disk: it drives as it did before, and what is damaged or foreign is refused without running it."""

import json
import os
import pickle
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from envs.errors import ConfigError
from experiments.policy import DrivingPolicy, save_policy
from experiments.policy_description import DESCRIPTION, WEIGHTS, PolicyDescription
from experiments.spaces import actions_from_json, actions_to_json, module_space, space_from_json, space_to_json
from models.memory import Memory

STACK = 3


@pytest.fixture
def description(single_space, action_space, tiny_encoder):
    return PolicyDescription(
        env={"_target_": "envs.dummy.DummyEnv", "frame_stack": STACK},
        observation_space=single_space,
        action_space=action_space,
        encoder=tiny_encoder,
        head={"_target_": "models.heads.BetaHead", "hidden": [8]},
        training={"seed": 3, "commit": "b73ba59"},
    )


@pytest.fixture
def actor(description):
    torch.manual_seed(0)
    actor = description.build_actor()
    with torch.no_grad():  # far from the middle, so that actions differ
        actor.head.layers[-1].weight.mul_(300)
    return actor


@pytest.fixture
def folder(tmp_path, actor, description):
    save_policy(tmp_path, actor.state_dict(), description)
    return tmp_path


@pytest.fixture
def drive():
    """A stream of three envs' observations, whose second env begins an episode at step 2."""
    random = np.random.default_rng(0)
    steps = [
        {"image": random.integers(0, 256, (3, 12, 12, 1), np.uint8), "vector": random.normal(size=(3, 3))}
        for _ in range(5)
    ]
    is_first = np.zeros((5, 3), bool)
    is_first[0], is_first[2, 1] = True, True
    return list(zip(steps, is_first, strict=True))


def actions_of(policy, drive):
    policy.start(3)
    return np.array([policy.act(observation, is_first) for observation, is_first in drive])


def test_a_loaded_policy_drives_as_before(folder, actor, description, drive):
    loaded = DrivingPolicy.load(folder)
    assert loaded.description == description
    actions = actions_of(loaded, drive)
    assert actions.dtype == np.float32
    np.testing.assert_array_equal(actions, actions_of(DrivingPolicy(actor, description), drive))
    assert np.ptp(actions, axis=(0, 1)).min() > 0.05  # they depend on what is seen


def test_it_sees_stacks_and_acts_in_the_envs_box(folder, actor, drive):
    """By hand for env 1: its episode begins at step 2, so at step 3 the oldest frame of its stack is repeated."""
    policy = DrivingPolicy.load(folder)
    frames = [observation["image"][1] for observation, _ in drive]
    stack = np.concatenate([frames[2], frames[2], frames[3]], axis=-1)[None]
    vector = drive[3][0]["vector"][1:2].astype(np.float32)
    parts = {"image": torch.from_numpy(stack), "vector": torch.from_numpy(vector)}
    steer, throttle = actor.step(parts, None)[0][0]
    actions = actions_of(policy, drive[:4])[3, 1]
    np.testing.assert_allclose(actions, [steer, (throttle + 1) / 2], rtol=1e-5, atol=1e-6)  # throttle is in [0, 1]
    observation, _ = drive[3]
    assert policy.view().shape == (12, 12, STACK)
    np.testing.assert_array_equal(policy.view()[..., -1:], observation["image"][0])


def test_it_remembers_each_envs_episode(tmp_path, description, tiny_encoder, drive):
    """Against the actor's own pass over the five steps of each env, whose state begins at zeros where episodes do."""
    lstm = {"_target_": "models.cnn_lstm.CNNLSTMEncoder", "over": "time", "hidden": 6, "layers": 2}
    encoder = tiny_encoder | lstm | {"frames": {"time": 1}}
    description = replace(description, env=description.env | {"frame_stack": 1}, encoder=encoder)
    torch.manual_seed(0)
    actor = description.build_actor()
    with torch.no_grad():
        actor.head.layers[-1].weight.mul_(300)
    save_policy(tmp_path, actor.state_dict(), description)
    actions = actions_of(DrivingPolicy.load(tmp_path), drive)

    parts = {name: np.stack([observation[name] for observation, _ in drive], axis=1) for name in drive[0][0]}
    rows = {
        "image": torch.from_numpy(parts["image"]).flatten(0, 1),
        "vector": torch.from_numpy(parts["vector"].astype(np.float32)).flatten(0, 1),
    }
    is_first = torch.from_numpy(np.stack([first for _, first in drive], axis=1))

    def unrolled(is_first):
        together, _ = actor.step(rows, Memory(torch.zeros(3, actor.encoder.state_dim), is_first))
        steer, throttle = together.unflatten(0, (3, 5)).transpose(0, 1).unbind(-1)
        return np.stack([steer, (throttle + 1) / 2], axis=-1)  # throttle is in [0, 1]

    np.testing.assert_allclose(actions, unrolled(is_first), rtol=1e-4, atol=1e-5)
    for other in (torch.zeros_like(is_first), torch.ones_like(is_first)):  # a memory never reset, and none
        assert np.abs(actions - unrolled(other)).max() > 1e-2


def change(folder, **parts):
    """Rewrite the description; None drops a key."""
    data = json.loads((folder / DESCRIPTION).read_text()) | parts
    (folder / DESCRIPTION).write_text(json.dumps({key: part for key, part in data.items() if part is not None}))


def change_weights(folder, edit):
    weights = load_file(folder / WEIGHTS)
    edit(weights)
    save_file(weights, folder / WEIGHTS)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


SCALAR = {"box": {"shape": [], "dtype": "float32", "low": -1.0, "high": 1.0}}


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / WEIGHTS).unlink(),
        lambda folder: (folder / DESCRIPTION).unlink(),
        lambda folder: cut(folder / WEIGHTS),
        lambda folder: (folder / WEIGHTS).write_bytes(b""),
        lambda folder: cut(folder / DESCRIPTION),
        lambda folder: (folder / DESCRIPTION).write_bytes(b"\xff\x00"),
        lambda folder: (folder / DESCRIPTION).write_text("[]"),
        lambda folder: change(folder, format=2),
        lambda folder: change(folder, head=None),
        lambda folder: change(folder, env={}),
        lambda folder: change(folder, encoder={"_target_": "models.nowhere.Encoder"}),
        lambda folder: change(folder, observation_space={"discrete": 3}),
        pytest.param(
            lambda folder: change(folder, action_space=SCALAR),
        ),
        lambda folder: change(folder, action_space={"discrete": {"n": 2, "start": 0}}),  # of a head that has none
        lambda folder: change(folder, action_space={"discrete": {"n": 0, "start": 0}}),
        lambda folder: change(folder, action_space={"discrete": 2}),
        lambda folder: change_weights(folder, lambda weights: weights.popitem()),
        lambda folder: change_weights(folder, lambda weights: weights.update(more=torch.zeros(1))),
        lambda folder: change_weights(folder, lambda weights: weights.update({min(weights): torch.zeros(1)})),
        lambda folder: torch.save(load_file(folder / WEIGHTS), folder / WEIGHTS),
    ],
)
def test_damaged_policies_are_refused_in_words(folder, damage):
    damage(folder)
    with pytest.raises(
        ConfigError, match=rf"(?s){folder.name} holds no usable policy .*: .*Choose a checkpoint folder"
    ):
        DrivingPolicy.load(folder)


class Bomb:
    """Makes a folder as soon as it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


@pytest.mark.parametrize("dump", [lambda bomb: pickle.dumps(bomb), lambda bomb: pickle.dumps(bomb, 0)])
@pytest.mark.parametrize("name", [WEIGHTS, DESCRIPTION])
def test_nothing_is_unpickled(folder, name, dump):
    (folder / name).write_bytes(dump(Bomb(folder / "exploded")))
    with pytest.raises(ConfigError, match="holds no usable policy"):
        DrivingPolicy.load(folder)
    assert not (folder / "exploded").exists()


def test_a_description_cannot_run_code(folder):
    """`torch.hub.load` runs the `hubconf.py` of a folder, or of any repository of the internet."""
    (folder / "hubconf.py").write_text("import os\n\nos.mkdir(os.path.join(os.path.dirname(__file__), 'exploded'))\n")
    change(folder, encoder={"_target_": "torch.hub.load", "repo_or_dir": str(folder), "model": "x", "source": "local"})
    with pytest.raises(ConfigError):
        DrivingPolicy.load(folder)
    assert not (folder / "exploded").exists()


@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.Box(0, 255, (4, 5, 3), np.uint8),
        gym.spaces.Box(np.array([-1, 0, -np.inf], np.float32), np.array([1, 0.1, np.inf], np.float32)),
        gym.spaces.Box(-1, 1, (2,), np.float64),
        gym.spaces.Dict(
            {"b": gym.spaces.Box(-1, 1, (2,)), "a": gym.spaces.Dict({"c": gym.spaces.Box(0, 9, (1,), int)})}
        ),
    ],
)
def test_spaces_survive_json(space):
    assert space_from_json(json.loads(json.dumps(space_to_json(space)))) == space


@pytest.mark.parametrize(
    "space", [gym.spaces.Box(-1, 1, (2,)), gym.spaces.Discrete(5), gym.spaces.Discrete(3, start=-1)]
)
def test_actions_survive_json(space):
    assert actions_from_json(json.loads(json.dumps(actions_to_json(space)))) == space


def test_other_spaces_are_refused_in_words():
    with pytest.raises(TypeError, match=r"Expected a Box or a Dict of boxes, got MultiDiscrete\(\[3 2\]\)"):
        actions_to_json(gym.spaces.MultiDiscrete([3, 2]))
    with pytest.raises(TypeError, match=r"Expected a Box or a Dict of boxes, got Discrete\(3\)"):
        space_to_json(gym.spaces.Dict({"gear": gym.spaces.Discrete(3)}))


def test_a_policy_sees_stacked_images_and_single_vectors(single_space):
    space = module_space(single_space, 4)
    assert (space["image"].shape, space["vector"].shape) == ((12, 12, 4), (3,))
    assert list(module_space(gym.spaces.Box(0, 255, (4, 5, 3), np.uint8), 2).spaces) == ["image"]
    assert module_space(gym.spaces.Box(0, 1, (7,), np.float32), 2)["vector"].shape == (7,)
