"""A policy that leaves the house: it acts as its checkpoint and says what it is; what is damaged is refused."""

import json
import shutil
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
from experiments.export import main
from experiments.exported.comparison import compare
from experiments.exported.formats import FORMATS, format_class, load_exported, load_policy
from experiments.exported.graph import PolicyGraph
from experiments.exported.inputs import graph_space
from experiments.exported.weights_file import WeightsPolicy
from experiments.policy import DrivingPolicy, save_policy
from experiments.policy_description import PolicyDescription
from experiments.runs import find_policy_folder, write_config
from experiments.schema import register_schema
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
        "frames": {"time": STACK, "stack": STACK},
        **FRAMES,
    },
    "tmrl": {
        "_target_": "models.cnn_tmrl.TMRLEncoder",
        "channels": [4, 4],
        "kernels": [4, 3],
        "strides": [2, 2],
        "hidden": [8],
    },
    "impala": {
        "_target_": "models.impala.ImpalaEncoder",
        "channels": [4, 8],
        "num_blocks": 1,
        "image_features": 8,
        "vector_features": 4,
    },
    "vit": {
        "_target_": "models.vit.ViTEncoder",
        "patch": 4,
        "width": 12,
        "depth": 2,
        "heads": 3,
        "mlp_ratio": 2,
        "head": [8],
    },
    "mlp": {"_target_": "models.mlp.MLPEncoder", "hidden": [8], "features": 8},
}
ENCODERS["over a stack"] = ENCODERS["recurrent"] | {"over": "stack"}
EVERY_DAY = {  # the others take a second or two each
    ("feedforward", "pt2"),
    ("feedforward", "safetensors"),
    ("recurrent", "onnx"),
    ("recurrent", "safetensors"),
}
FILES = [
    pytest.param(kind, name, marks=[] if (kind, name) in EVERY_DAY else pytest.mark.slow)
    for kind in ENCODERS
    for name in FORMATS
]
BOX = gym.spaces.Box(np.array([-1, 0], np.float32), np.array([1, 3], np.float32))  # lopsided, as a brake's


def describe(kind="feedforward", **parts):
    space = DummyEnv(image_size=SIDE).observation_space
    given = {
        "env": ENV,
        "observation_space": space["vector"] if kind == "mlp" else space,
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
    """Return a function to a copy, of a policy's file in a format, that a test may damage."""

    def copy(name):
        path = tmp_path / f"policy.{name}"
        path.write_bytes(exported("recurrent" if name == "onnx" else "feedforward", name).read_bytes())
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
    is_dict = isinstance(policy.description.observation_space, gym.spaces.Dict)
    return np.array([policy.act(seen if is_dict else seen["vector"], first) for seen, first in stream(num_envs)])


@pytest.mark.parametrize(("kind", "name"), FILES)
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
        pytest.param(
            "feedforward",
            {"image": ["batch", 12, 12, 3], "vector": ["batch", 3]},
            {"actions": ["batch", 2]},
            marks=pytest.mark.slow,
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


def test_an_onnx_file_that_another_program_wrote_drives(tmp_path):
    """Without memory, from a bare vector; by hand: it drives as the first two numbers of the vector say."""
    sizes = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", size])
        for name, size in (("vector", 3), ("actions", 2))
    ]
    ends = [
        onnx.helper.make_tensor(name, onnx.TensorProto.INT64, [1], [end])
        for name, end in (("begin", 0), ("end", 2), ("axis", 1))
    ]
    node = onnx.helper.make_node("Slice", ["vector", "begin", "end", "axis"], ["actions"])
    graph = onnx.helper.make_graph([node], "policy", sizes[:1], sizes[1:], ends)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    onnx.helper.set_model_props(model, {"policy.json": describe("mlp").to_json()})
    onnx.save(model, tmp_path / "policy.onnx")
    actions = actions_of(load_exported(tmp_path / "policy.onnx"), 2)
    seen = [observation["vector"][:, :2] for observation, _ in stream(2)]
    np.testing.assert_array_equal(actions, np.array(seen, np.float32))


def open_onnx(path):
    session = onnxruntime.InferenceSession(path)

    def run(observation, state, is_first):
        given = {name: np.asarray(part) for name, part in observation.items()}
        return session.run(None, {**given, "state": state, "is_first": is_first})

    return run


def open_program(path):
    module = torch.export.load(path).module()

    def run(observation, state, is_first):
        actions, after = module(observation, torch.from_numpy(state), torch.from_numpy(is_first))
        return actions.numpy(), after.numpy()

    return run


@pytest.mark.parametrize(
    ("name", "opened"), [("onnx", open_onnx), pytest.param("pt2", open_program, marks=pytest.mark.slow)]
)
def test_step_by_step_with_the_state_handed_over_it_is_the_encoder_over_the_sequence(exported, name, opened):
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
    run, carried = opened(exported("recurrent", name)), state.numpy()
    for step in range(6):
        parts = {part: value[:, step].contiguous() for part, value in observation.items()}
        actions, carried = run(parts, carried, is_first[:, step].numpy())
        np.testing.assert_allclose(actions, BOX.low + unit[:, step] * (BOX.high - BOX.low), atol=1e-5)
    np.testing.assert_allclose(carried, last.numpy(), atol=1e-5)


def records(path):
    if path.suffix != ".pt2":
        return {"": path.read_bytes()}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_a_file_holds_no_pickle_and_no_path_of_this_machine(exported, kind, name, root, monkeypatch):
    path = exported(kind, name)
    begins = (b"PK", *(b"\x80" + bytes([protocol]) for protocol in range(2, 6)))  # torch.save's zip; pickle's own
    for record, content in records(path).items():
        assert not content.startswith(begins), record
        assert str(root).encode() not in content, record
    for unpickles in ("pickle.load", "pickle.loads", "pickle.Unpickler", "torch.load"):
        monkeypatch.setattr(unpickles, lambda *_, **__: pytest.fail("something was unpickled"))
    load_exported(path)


def test_each_file_says_what_it_is_without_our_code(exported):
    session = onnxruntime.InferenceSession(exported("recurrent", "onnx"))
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
    else:
        save_file(load_file(path), path)


def as_text(path):
    path.write_text("weights")


def empty(path):
    path.write_bytes(b"")


def of_another_format(path):
    change_description(path, lambda text: text.replace('"format": 1', '"format": 2'))


def with_other_parts(path):
    change_description(path, lambda text: text.replace('"vector": {', '"telemetry": {'))


def change_description(path, edit):
    if path.suffix == ".onnx":
        model = onnx.load(path)
        model.metadata_props[0].value = edit(model.metadata_props[0].value)
        onnx.save(model, path)
    else:
        with safe_open(path, framework="pt") as file:
            text = file.metadata()["policy.json"]
        save_file(load_file(path), path, metadata={"policy.json": edit(text)})


DAMAGES = [(damage, name) for damage in (cut, empty, as_text) for name in FORMATS]
DAMAGES += [(damage, name) for damage in (without_description, of_another_format) for name in ("onnx", "safetensors")]


@pytest.mark.parametrize(("damage", "name"), DAMAGES)
def test_a_damaged_or_foreign_file_is_refused_in_words(copied, name, damage):
    path = copied(name)
    damage(path)
    with pytest.raises(ConfigError, match=rf"(?s)policy\.{name} is no usable exported policy: .*Write it anew: python"):
        load_exported(path)


def test_a_graph_that_does_not_fit_its_description_is_refused(copied):
    path = copied("onnx")
    with_other_parts(path)
    with pytest.raises(ConfigError, match=r"its inputs are image, vector, .*; its description asks for .*, telemetry"):
        load_exported(path)


@pytest.mark.parametrize("name", ["policy.bin", "policy.json", "policy"])
def test_another_ending_is_refused_with_those_there_are(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(ConfigError, match=rf"{name} is no exported policy: those end in \.onnx, \.pt2, \.safetensors"):
        load_policy(tmp_path / name)


# The command


@pytest.fixture
def run_folder(tmp_path):
    """A run with one trial and one checkpoint, of a policy that fits its env."""
    folder = tmp_path / "outputs" / "default" / "2026-01-01_00-00-00_dummy_cnn_ppo"
    trial = folder / "trials" / "00000"
    trial.mkdir(parents=True)
    write_config(folder, {"seed": 0})
    write_config(trial, {"seed": 0})
    description = describe("recurrent", action_space=DummyEnv().action_space)
    weights = build(description).state_dict()
    write_checkpoint(trial / "checkpoints", 10, lambda into: save_policy(into, weights, description), 2)
    return folder


@pytest.fixture
def command(monkeypatch, capsys, run_folder):
    """Return a function from the words of a command line to its exit code, output and errors."""

    def called(*words):
        register_schema()
        outputs = run_folder.parent.parent
        monkeypatch.setattr(sys, "argv", ["export", f"paths.outputs={outputs}", f"run={run_folder}", *words])
        with pytest.raises(SystemExit) as stop:
            run_app(main, config_name="export")
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return stop.value.code, printed.out, printed.err

    return called


def test_the_command_writes_beside_the_run_and_says_how_close_it_is(command, run_folder):
    code, out, err = command("format=safetensors")
    assert code == 0, err
    path = run_folder / "export" / "policy.safetensors"
    assert [file.name for file in path.parent.iterdir()] == ["policy.safetensors"]
    assert f"Exported  {path}" in out
    assert "256 observations of dummy: actions differ from the checkpoint's by at most 0.0e+00" in out
    assert f"python -m experiments.evaluate run={path}" in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["format=torchscript"], ["format=torchscript", "onnx, pt2, safetensors"]),
        (["file=policy.onnx"], ["no key file", "format, output, paths, run"]),
        (["format=pt2", "output=policy.onnx"], ["expected a name that ends in .pt2"]),
        (["format=pt2", "output={taken}/policy.pt2"], ["taken/policy.pt2 cannot be written", "output=FOLDER"]),
        (["format=pt2", "output={folder}"], ["folder.pt2 cannot be written: it is a folder"]),
        (["run={taken}/nowhere"], ["nowhere is no run", "2026-01-01_00-00-00_dummy_cnn_ppo"]),
        (["run={exported}", "format=pt2"], ["is an exported file already"]),
    ],
)
def test_a_wrong_request_is_refused_in_words(command, tmp_path, words, expected):
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "folder.pt2").mkdir()
    (tmp_path / "policy.onnx").write_text("")
    places = {"taken": tmp_path / "taken", "folder": tmp_path / "folder.pt2", "exported": tmp_path / "policy.onnx"}
    code, _, err = command(*(word.format(**places) for word in words))
    assert code == 2
    assert all(part in err for part in expected), err


def test_a_run_without_checkpoint_is_refused_in_words(command, run_folder):
    shutil.rmtree(run_folder / "trials" / "00000" / "checkpoints")
    code, _, err = command("format=pt2")
    assert code == 2
    assert "No checkpoint in" in err


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_extra_is_named_with_what_installs_it(copied, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    for needs_it in (lambda: format_class("onnx"), lambda: load_policy(copied("onnx"))):
        with pytest.raises(ConfigError, match=rf"needs {package}: pip install -e \.\[export\]"):
            needs_it()


@pytest.mark.parametrize("wrong", [2e-4, np.nan])
def test_a_file_that_acts_otherwise_is_removed_and_fails(command, run_folder, monkeypatch, wrong):
    decide = WeightsPolicy.decide

    def bent(self, batch, state, is_first):
        actions, state = decide(self, batch, state, is_first)
        actions[0, 1] += wrong
        return actions, state

    monkeypatch.setattr(WeightsPolicy, "decide", bent)
    code, out, err = command("format=safetensors")
    assert (code, out) == (1, "")
    assert "does not act as" in err
    assert f"at most {wrong:.1e}" in err
    assert not list((run_folder / "export").iterdir())


def test_without_its_env_a_policy_is_compared_on_random_observations(exported, caplog):
    description = describe("recurrent", env=ENV | {"_target_": "envs.nowhere.LostEnv"})
    comparison = compare(
        load_exported(exported("recurrent", "onnx")), DrivingPolicy(build(description), description), description
    )
    assert comparison.source == "random observations"
    assert comparison.is_close
    assert "envs.nowhere.LostEnv" in caplog.text
    other = DrivingPolicy(description.build_actor(), description)  # its weights are others
    assert not compare(load_exported(exported("recurrent", "onnx")), other, description).is_close


def test_a_part_with_the_name_of_another_input_is_refused():
    space = gym.spaces.Dict({"state": gym.spaces.Box(-1, 1, (3,), np.float32)})
    with pytest.raises(ConfigError, match="a part named 'state'"):
        graph_space(describe(observation_space=space))


def test_a_box_without_bounds_is_refused():
    with pytest.raises(ConfigError, match="finite bounds"):
        PolicyGraph(build(describe()), gym.spaces.Box(-np.inf, np.inf, (2,), np.float32))


# Driving with it


def test_run_names_an_exported_file_and_its_results_lie_beside_it(command, run_folder, monkeypatch, tmp_path):
    command("format=safetensors", f"output={tmp_path / 'far' / 'away.safetensors'}")
    path, results = find_policy_folder(str(tmp_path / "far" / "away.safetensors"), tmp_path)
    assert results == tmp_path / "far" / "away_safetensors"

    def drive_here(load, arguments, env, seeds, **_):
        return drive(load(*arguments), env, seeds)

    monkeypatch.setattr("experiments.evaluate.drive_parallel", drive_here)
    monkeypatch.setattr("experiments.evaluate.draw_returns", lambda *_: None)
    options = {"episodes": 3, "first_seed": 10, "video": False, "num_processes": 1}
    checkpoint = evaluate(run_folder / "trials/00000/checkpoints/latest", tmp_path / "own", **options)
    assert evaluate(path, results, **options)["returns"] == pytest.approx(checkpoint["returns"], abs=1e-4)
    assert json.loads((results / "evaluation.json").read_text())["checkpoint"] == "../away.safetensors"


WITHOUT_TORCH = """
import pathlib, runpy, sys
sys.modules["torch"] = None
runpy.run_module("examples.drive_exported", None, "__main__")
import experiments.evaluate, experiments.drive  # as the workers of an evaluation do
policy = experiments.evaluate.load_policy(pathlib.Path(sys.argv[1]))
for one in experiments.drive.drive(policy, policy.description.env, [7, 8]):
    print(f"seed {one.seed}: return {one.episode_return:.1f} in {one.decisions} decisions")
"""


def test_neither_the_example_nor_evaluation_needs_torch_for_an_onnx_file(exported, root):
    path = exported("recurrent", "onnx")
    words = [sys.executable, "-c", WITHOUT_TORCH, str(path), "--episodes", "2", "--seed", "7"]
    printed = subprocess.run(words, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    episodes = drive(DrivingPolicy(build(describe("recurrent")), describe("recurrent")), ENV, [7, 8])
    expected = [f"seed {one.seed}: return {one.episode_return:.1f} in {one.decisions} decisions" for one in episodes]
    assert printed == expected * 2
