"""An exported .pt2 is an archive whose reading runs code: those that hold other things than ours do are refused."""

import contextlib
import json
import os
import zipfile

import gymnasium as gym
import numpy as np
import pytest
import torch

from envs.errors import ConfigError
from experiments.exported.formats import load_exported
from experiments.exported.graph import PolicyGraph
from experiments.exported.inputs import graph_space
from experiments.exported.torch_program import ProgramPolicy
from experiments.policy_description import PolicyDescription


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """What the command writes, of a tiny policy without memory."""
    box = gym.spaces.Box(-1, 1, (2,), np.float32)
    space = gym.spaces.Dict({"image": gym.spaces.Box(0, 255, (4, 4, 1), np.uint8), "vector": box})
    description = PolicyDescription(
        env={"_target_": "envs.dummy.DummyEnv"},
        observation_space=space,
        action_space=box,
        encoder={
            "_target_": "models.cnn.CNNEncoder",
            "channels": [2],
            "kernels": [4],
            "strides": [4],
            "image_features": 2,
            "vector_features": 2,
        },
        head={"_target_": "models.heads.BetaHead", "hidden": []},
        training={},
    )
    path = tmp_path_factory.mktemp("ours") / "policy.pt2"
    graph = PolicyGraph(description.build_actor(), description.action_space)
    ProgramPolicy.write(path, graph, graph_space(description), description)
    return path


@pytest.fixture
def archive(ours, tmp_path):
    """A copy of it that a test may change."""
    path = tmp_path / "policy.pt2"
    path.write_bytes(ours.read_bytes())
    return path


def records(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def change_archive(path, contents):
    """Replace records of an archive (bytes, or a function of what is there); None drops one."""
    before = records(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in before.items():
            new = contents.get(name.partition("/")[2], content)
            if new is not None:
                archive.writestr(name, new(content) if callable(new) else new)


class Bomb:
    """Makes a folder as soon as it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


def pickled_inputs(path, place):
    torch.save(Bomb(place), place.with_suffix(".pt"))
    change_archive(path, {"data/sample_inputs/model.pt": place.with_suffix(".pt").read_bytes()})


def pickled_weights(path, place):
    torch.save(Bomb(place), place.with_suffix(".pt"))
    change_archive(
        path,
        {
            "data/weights/model_weights_config.json": lambda text: text.replace(
                b'"use_pickle": false', b'"use_pickle": true', 1
            ),
            "data/weights/weight_0": place.with_suffix(".pt").read_bytes(),
        },
    )


def in_the_graph(edit):
    def change(path, place):
        def changed(text):
            model = json.loads(text)
            edit(model, f"__import__('os').mkdir('{place}')")
            return json.dumps(model)

        change_archive(path, {"models/model.json": changed})

    return change


def guard(model, code):
    model["guards_code"] = [code]


def expression(model, code):
    value = model["graph_module"]["graph"]["tensor_values"]["observation_image"]
    value["sizes"][0]["as_expr"]["expr_str"] = code


def operator(model, code):
    model["graph_module"]["graph"]["nodes"][1]["target"] = "torch.serialization.os.mkdir"


def nesting(model, code):
    signature = model["graph_module"]["module_call_graph"][0]["signature"]
    signature["in_spec"] = signature["in_spec"].replace("builtins.dict", "collections.defaultdict")


@pytest.mark.parametrize(
    ("attack", "words"),
    [
        (pickled_inputs, "is pickled"),
        (pickled_weights, "is pickled"),
        (in_the_graph(guard), "as guards_code"),
        (in_the_graph(expression), "as expr_str"),
        (in_the_graph(operator), r"'torch\.serialization\.os\.mkdir' as target"),
        (in_the_graph(nesting), "are a collections.defaultdict"),
        (lambda path, _: change_archive(path, {"byteorder": None, "extra/policy.json": None}), "lacks extra"),
        (lambda path, _: change_archive(path, {"extra/policy.json": b'{"format": 2}'}), "description of format 1"),
    ],
)
def test_an_archive_cannot_run_code(archive, tmp_path, attack, words):
    attack(archive, tmp_path / "exploded")
    with pytest.raises(ConfigError, match=words):
        load_exported(archive)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("attack", [pickled_inputs, pickled_weights, in_the_graph(expression)])
def test_those_attacks_are_real(archive, tmp_path, attack):
    """Without our check, torch does what they ask."""
    attack(archive, tmp_path / "exploded")
    with contextlib.suppress(Exception):  # what it makes of the result does not matter
        torch.export.load(archive)
    assert (tmp_path / "exploded").exists()
