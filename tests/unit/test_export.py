"""A policy that leaves the house: it acts as its checkpoint, says what it is, and runs nobody's code."""

import json
import os
import pickle
import runpy
import subprocess
import sys
import zipfile

import gymnasium as gym
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from envs.app import run_app
from envs.dummy import DummyEnv
from envs.errors import ConfigError
from experiments.checkpoints import write_checkpoint
from experiments.drive import drive
from experiments.evaluate import evaluate
from experiments.export import main, register_export_schema
from experiments.exported.comparison import compare
from experiments.exported.formats import FORMATS, format_class, load_exported, load_policy
from experiments.exported.graph import PolicyGraph, graph_space
from experiments.exported.weights_file import WeightsPolicy
from experiments.policy import DrivingPolicy, PolicyDescription, save_policy
from experiments.runs import find_policy_folder, write_config
from models.memory import Memory

SIDE, STACK, HIDDEN, LAYERS = 12, 3, 5, 2
ENV = {"_target_": "envs.dummy.DummyEnv", "image_size": SIDE, "num_decisions": 10, "frame_stack": STACK}
FRAMES = {"channels": [4], "kernels": [4], "strides": [4], "image_features": 8, "vector_features": 4}
ENCODERS = {
    "feedforward": {"_target_": "models.cnn.CNNEncoder", **FRAMES},
    "recurrent": {
        "_target_": "models.cnn_lstm.CNNLSTMEncoder",
        "over": "time",
        "hidden": HIDDEN,
        "layers": LAYERS,
        "frame_channels": 1,
        **FRAMES,
    },
}
BOX = gym.spaces.Box(np.array([-1, 0], np.float32), np.array([1, 3], np.float32))  # lopsided, as a brake's


def describe(kind="feedforward", **parts):
    env = DummyEnv(image_size=SIDE)
    given = {
        "env": ENV,
        "observation_space": env.observation_space,
        "action_space": BOX,
        "encoder": ENCODERS[kind],
        "head": {"_target_": "models.heads.BetaHead", "hidden": [8]},
        "training": {"env": "dummy", "algo": "ppo", "model": kind, "seed": 0},
    }
    return PolicyDescription(**given | parts)


def build(description):
    torch.manual_seed(0)
    actor = description.build_actor()
    with torch.no_grad():  # far from the middle, so that actions differ
        actor.head.layers[-1].weight.mul_(300)
    return actor


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return a function to the file of a kind of policy in a format, written once."""
    folder = tmp_path_factory.mktemp("exported")

    def path(kind, name):
        file = folder / f"{kind}.{name}"
        if not file.exists():
            description = describe(kind)
            graph = PolicyGraph(build(description), description.action_space)
            format_class(name).write(file, graph, graph_space(description), description)
        return file

    return path


@pytest.fixture
def copied(exported, tmp_path):
    """Return a function to a copy, of a feed-forward policy's file, that a test may damage."""

    def copy(name):
        path = tmp_path / f"policy.{name}"
        path.write_bytes(exported("feedforward", name).read_bytes())
        return path

    return copy


def stream(num_envs, num_steps=5):
    """Observations of envs, the second of which (or the only one) begins an episode at step 2."""
    random = np.random.default_rng(0)
    for step in range(num_steps):
        is_first = np.full(num_envs, step == 0)
        is_first[min(1, num_envs - 1)] |= step == 2
        image = random.integers(0, 256, (num_envs, SIDE, SIDE, 1), np.uint8)
        yield {"image": image, "vector": random.normal(size=(num_envs, 3))}, is_first


def actions_of(policy, num_envs):
    policy.start(num_envs)
    return np.array([policy.act(*moment) for moment in stream(num_envs)])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", ENCODERS)
def test_a_file_acts_as_its_checkpoint_for_any_number_of_envs(exported, kind, name):
    policy = load_exported(exported(kind, name))
    checkpoint = DrivingPolicy(build(describe(kind)), describe(kind))
    assert policy.description == describe(kind)
    for num_envs in (1, 2, 7):
        actions = actions_of(policy, num_envs)
        assert actions.shape == (5, num_envs, 2)
        assert actions.dtype == np.float32
        np.testing.assert_allclose(actions, actions_of(checkpoint, num_envs), atol=1e-5)
        np.testing.assert_array_equal(policy.view(), checkpoint.view())
    assert np.ptp(actions, axis=(0, 1)).min() > 0.05  # they depend on what is seen
    assert actions[..., 1].max() > 1.5  # stretched over 0 … 3


@pytest.mark.parametrize(
    ("kind", "inputs", "outputs"),
    [
        (
            "feedforward",
            {"image": ["batch", 12, 12, 3], "vector": ["batch", 3]},
            {"actions": ["batch", 2]},
        ),
        (
            "recurrent",
            {"image": ["batch", 12, 12, 3], "vector": ["batch", 3], "state": ["batch", 20], "is_first": ["batch"]},
            {"actions": ["batch", 2], "next_state": ["batch", 20]},
        ),
    ],
)
def test_an_onnx_file_names_what_goes_in_and_out(exported, kind, inputs, outputs):
    """By hand: 3 frames of one channel; hidden and cell state of 2 layers of 5."""
    onnx.checker.check_model(onnx.load(exported(kind, "onnx")), full_check=True)
    session = onnxruntime.InferenceSession(exported(kind, "onnx"))
    assert {value.name: value.shape for value in session.get_inputs()} == inputs
    assert {value.name: value.shape for value in session.get_outputs()} == outputs


def run_onnx(path, observation, state, is_first):
    given = {name: np.asarray(part) for name, part in observation.items()}
    return onnxruntime.InferenceSession(path).run(None, {**given, "state": state, "is_first": is_first})


def run_program(path, observation, state, is_first):
    module = torch.export.load(path).module()
    actions, after = module(observation, torch.from_numpy(state), torch.from_numpy(is_first))
    return actions.numpy(), after.numpy()


@pytest.mark.parametrize(("name", "run"), [("onnx", run_onnx), ("pt2", run_program)])
def test_step_by_step_with_the_state_handed_over_it_is_the_encoder_over_the_sequence(exported, name, run):
    """4 envs, 6 slots at once through the encoder in training's form, against 6 calls of the file."""
    actor = build(describe("recurrent"))
    slots = (4, 6)
    observation = {
        "image": torch.randint(0, 256, (*slots, SIDE, SIDE, STACK), dtype=torch.uint8),
        "vector": torch.randn(*slots, 3),
    }
    state, is_first = torch.randn(4, 2 * LAYERS * HIDDEN), torch.rand(slots) < 0.3
    assert is_first[:, 1:].any()
    with torch.no_grad():
        rows = {part: value.flatten(0, 1) for part, value in observation.items()}
        features, last = actor.encoder.encode(rows, Memory(state, is_first))
        unit = (actor.head(features).mode().numpy().reshape(*slots, 2) + 1) / 2
    carried = state.numpy()
    for step in range(6):
        parts = {part: value[:, step].contiguous() for part, value in observation.items()}
        actions, carried = run(exported("recurrent", name), parts, carried, is_first[:, step].numpy())
        np.testing.assert_allclose(actions, BOX.low + unit[:, step] * (BOX.high - BOX.low), atol=1e-5)
    np.testing.assert_allclose(carried, last.numpy(), atol=1e-5)


def records(path):
    if path.suffix != ".pt2":
        return {"": path.read_bytes()}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", ENCODERS)
def test_a_file_holds_no_pickle_and_no_path_of_this_machine(exported, kind, name, root, monkeypatch):
    path = exported(kind, name)
    for record, content in records(path).items():
        assert not zipfile.is_zipfile(path.with_suffix(".none")), record
        assert content[:1] != b"\x80", record  # how every pickle since protocol 2 begins
        assert content[:2] != b"PK", record  # how torch.save begins
        assert str(root).encode() not in content, record
    for unpickles in ("pickle.load", "pickle.loads", "pickle.Unpickler", "torch.load"):
        monkeypatch.setattr(unpickles, lambda *_, **__: pytest.fail("something was unpickled"))
    load_exported(path)


def test_each_file_says_what_it_is_without_our_code(exported):
    session = onnxruntime.InferenceSession(exported("feedforward", "onnx"))
    with safe_open(exported("feedforward", "safetensors"), framework="np") as file:
        header = file.metadata()["policy.json"]
    (extra,) = (text for name, text in records(exported("feedforward", "pt2")).items() if name.endswith("policy.json"))
    for text in (session.get_modelmeta().custom_metadata_map["policy.json"], header, extra.decode()):
        said = json.loads(text)
        assert said["env"]["frame_stack"] == STACK
        assert said["observation_space"]["dict"]["image"]["box"]["shape"] == [SIDE, SIDE, 1]
        assert said["action_space"]["box"]["high"] == [1.0, 3.0]


# What may be wrong with a file


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def without_description(path):
    if path.suffix == ".onnx":
        model = onnx.load(path)
        del model.metadata_props[:]
        onnx.save(model, path)
    elif path.suffix == ".pt2":
        change_archive(path, {"extra/policy.json": None})
    else:
        save_file(load_file(path), path)


def change_archive(path, contents):
    """Replace records of an archive (bytes, or a function of what is there); None drops one."""
    before = records(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in before.items():
            new = contents.get(name.partition("/")[2], content)
            if new is not None:
                archive.writestr(name, new(content) if callable(new) else new)


@pytest.mark.parametrize("damage", [cut, lambda path: path.write_bytes(b""), lambda path: path.write_text("text")])
@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_is_refused_in_words(copied, name, damage):
    damage(copied(name))
    with pytest.raises(ConfigError, match=rf"policy\.{name} is no usable exported policy: .*\. Write it anew: python"):
        load_exported(copied.__closure__ and _path(copied, name, damage))


def _path(copied, name, damage):
    path = copied(name)
    damage(path)
    return path
