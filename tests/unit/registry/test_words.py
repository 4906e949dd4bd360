"""Words that find a registered policy again, and what is refused: damage, strangers' files, wrong words."""

import json
import shutil

import pytest

from envs.errors import ConfigError
from experiments import folders
from experiments.policy import DrivingPolicy
from experiments.policy_description import POLICY_FILES
from experiments.registry import cache, package
from experiments.runs import find_policy_folder


def test_a_word_brings_the_policy_back_and_it_drives(enter, store, tmp_path, make_policy, tracks):
    enter(tracks, seed=1)
    enter(tracks - 50, seed=2)
    folder, results = find_policy_folder("models:/chicane-carracing@champion", tmp_path / "out", store)
    assert results == tmp_path / "out" / "registry" / "chicane-carracing" / "1"
    assert folder.parent == results
    DrivingPolicy.load(folder)
    for name in POLICY_FILES:
        assert (folder / name).read_bytes() == (make_policy(1) / name).read_bytes()
    folder, results = find_policy_folder("models:/chicane-carracing/2", tmp_path / "out", store)
    assert results.name == "2"
    assert (folder / "policy.safetensors").read_bytes() == (make_policy(2) / "policy.safetensors").read_bytes()


def test_results_beside_it_stay_and_the_files_are_fetched_once(enter, store, tmp_path, monkeypatch, tracks):
    enter(tracks)
    word = "models:/chicane-carracing@champion"
    folder, results = find_policy_folder(word, tmp_path / "out", store)
    (results / folders.EVALUATION).write_text("mine")
    monkeypatch.setattr(cache, "download", None)  # nothing is fetched any more
    assert find_policy_folder(word, tmp_path / "out", store) == (folder, results)
    assert find_policy_folder(str(folder), tmp_path / "out") == (folder, results)  # by its path, too
    assert (results / folders.EVALUATION).read_text() == "mine"
    assert json.loads((folder / folders.EVALUATION).read_text())["episodes"] == 100


def test_a_damaged_copy_is_fetched_anew(enter, store, tmp_path, tracks):
    enter(tracks)
    word = "models:/chicane-carracing/1"
    folder, results = find_policy_folder(word, tmp_path / "out", store)
    (results / "returns.png").write_text("mine")
    whole = (folder / "policy.safetensors").read_bytes()
    (folder / "policy.safetensors").write_bytes(b"half")
    with pytest.raises(ConfigError, match=r"policy\.safetensors is not as it was registered"):
        find_policy_folder(str(folder), tmp_path / "out")
    assert find_policy_folder(word, tmp_path / "out", store) == (folder, results)
    assert (folder / "policy.safetensors").read_bytes() == whole
    assert (results / "returns.png").exists()


def test_the_same_word_of_another_store_does_not_take_its_place(enter, store, run_id, tmp_path, client, tracks):
    enter(tracks)
    folder, results = find_policy_folder("models:/chicane-carracing/1", tmp_path / "out", store)
    (results / folders.EVALUATION).write_text("of the first")
    client.delete_registered_model("chicane-carracing")
    enter(tracks, seed=7)
    assert find_policy_folder("models:/chicane-carracing/1", tmp_path / "out", store) == (folder, results)
    assert not (results / folders.EVALUATION).exists()
    (kept,) = results.parent.glob("1_*")
    assert (kept / folders.EVALUATION).read_text() == "of the first"


@pytest.mark.parametrize("damage", ["weights", "manifest", "gone", "foreign name", "huge"])
def test_what_is_not_as_it_was_registered_is_refused(enter, store, tmp_path, damage, monkeypatch, tracks):
    enter(tracks)
    (folder,) = (tmp_path / "mlartifacts").rglob("frames_*")
    if damage == "weights":
        (folder / "policy.safetensors").write_bytes(b"other")
    elif damage == "gone":
        shutil.rmtree(folder)
    elif damage == "huge":
        monkeypatch.setitem(package.LIMITS, "policy.safetensors", 10)
    else:
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"]["../../outside" if damage == "foreign name" else "policy.json"] = {"bytes": 1, "sha256": ""}
        (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ConfigError, match=r"cannot be used: .*registered|holds no files|has \d+ bytes; at most 10"):
        find_policy_folder("models:/chicane-carracing/1", tmp_path / "out", store)
    assert not list((tmp_path / "out").rglob("policy*"))  # nothing is left that might be driven


def test_what_is_too_large_does_not_begin_to_arrive(enter, store, tmp_path, monkeypatch, tracks):
    import mlflow

    enter(tracks)
    monkeypatch.setitem(package.LIMITS, "policy.safetensors", 10)
    monkeypatch.setattr(mlflow.MlflowClient, "download_artifacts", lambda *_: pytest.fail("it was asked for"))
    with pytest.raises(ConfigError, match=r"policy\.safetensors has \d+ bytes; at most 10 are taken"):
        find_policy_folder("models:/chicane-carracing/1", tmp_path / "out", store)


def test_a_manifest_with_foreign_names_is_no_package(tmp_path):
    entry = {"bytes": 1, "sha256": ""}
    (tmp_path / "manifest.json").write_text(json.dumps({"files": {"../policy.json": entry}}))
    with pytest.raises(ValueError, match=r"names \.\./policy\.json"):
        package.read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({"files": {"policy.json": entry}}))
    with pytest.raises(ValueError, match=r"lacks policy\.safetensors, evaluation\.json"):
        package.read_manifest(tmp_path)


@pytest.mark.parametrize("source", ["", "policy", "frames_000000001000_0123456789abcdef", "runs:/x", "s3://b/policy/x"])
def test_a_source_that_we_do_not_write_means_no_run(source):
    with pytest.raises(ValueError, match="not registered by this suite"):
        cache.Origin.of_source(source)


def test_a_version_that_others_made_is_refused(enter, store, client, run_id, tmp_path, tracks):
    enter(tracks)
    client.create_model_version("chicane-carracing", f"runs:/{run_id}/policy/../../../etc", run_id=run_id)
    with pytest.raises(ConfigError, match="not registered by this suite"):
        find_policy_folder("models:/chicane-carracing/2", tmp_path, store)


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("models:/chicane-moon@champion", ["no registered model chicane-moon", "Registered: chicane-carracing."]),
        ("models:/chicane-carracing@best", ["no alias best", "chicane-carracing@champion (version 1)"]),
        (
            "models:/chicane-carracing/9",
            ["no version 9", "models:/chicane-carracing/2 (return 650.", "models:/chicane-"],
        ),
        ("models:/chicane-carracing", ["models:/NAME@ALIAS or models:/NAME/VERSION", "chicane-carracing"]),
        ("models:/../../x/1", ["models:/NAME@ALIAS", "chicane-carracing"]),
        ("models:/../1", ["models:/NAME@ALIAS", "chicane-carracing"]),
        ("mlflow:abc", ["no run abc", "run 0"]),
        ("mlflow:", ["no run (empty)", "run 0"]),
        ("mlflow:../..", ["no run ../..", "run 0"]),
    ],
)
def test_a_wrong_word_lists_what_there_is(enter, store, tmp_path, word, words, tracks):
    enter(tracks, seed=1)
    enter(tracks - tracks.mean() + 650.25, seed=2)
    with pytest.raises(ConfigError) as error:
        find_policy_folder(word, tmp_path / "out", store)
    for wanted in words:
        assert wanted in str(error.value)
    assert not (tmp_path / "out").exists()


def test_an_empty_registry_and_no_store_say_so(store, tmp_path):
    with pytest.raises(ConfigError, match="Nothing is registered yet"):
        find_policy_folder("models:/chicane-carracing@champion", tmp_path, store)
    with pytest.raises(ConfigError, match=r"There is no .*none\.db: no run was tracked"):
        find_policy_folder("models:/chicane-carracing@champion", tmp_path, f"sqlite:///{tmp_path}/none.db")
    assert not (tmp_path / "none.db").exists()


def test_a_run_means_its_longest_trained_policy(enter, store, run_id, tmp_path, make_policy, tracks):
    enter(tracks, seed=1, frames=2_000)
    enter(tracks + 9, seed=2, frames=10_000)
    folder, results = find_policy_folder(f"mlflow:{run_id}", tmp_path / "out", store)
    assert results == tmp_path / "out" / "registry" / "runs" / run_id
    wanted = make_policy(2, frames=10_000) / "policy.safetensors"
    assert (folder / "policy.safetensors").read_bytes() == wanted.read_bytes()


def test_a_run_without_policy_names_its_trials_that_have_one(enter, store, client, run_ids, tmp_path, tracks):
    run_id, parent = run_ids
    client.set_tag(run_id, "mlflow.parentRunId", parent)
    with pytest.raises(ConfigError, match=rf"{parent} \(run 1\) has no policy in MLflow.*\n*.*Nothing is registered"):
        find_policy_folder(f"mlflow:{parent}", tmp_path / "out", store)
    enter(tracks)
    with pytest.raises(ConfigError, match=rf"Its trials with a policy:\s+mlflow:{run_id} \(run 0\)"):
        find_policy_folder(f"mlflow:{parent}", tmp_path / "out", store)


@pytest.mark.parametrize("is_its_own", [True, False])
def test_a_run_of_this_machine_means_its_folder(
    store, client, run_id, tmp_path, make_policy, is_its_own, enter, tracks
):
    enter(tracks, seed=1)
    run = tmp_path / "outputs" / "default" / "2025"
    trial = run / "trials" / "00000"
    checkpoint = trial / "checkpoints" / "frames_000000005000"
    shutil.copytree(make_policy(5), checkpoint)
    hashes = {name: package.sha256(checkpoint / name) for name in POLICY_FILES}
    (checkpoint / "manifest.json").write_text(json.dumps(hashes))
    folders.point(trial / "checkpoints" / "latest", checkpoint)
    for folder in (run, trial):
        (folder / "config.yaml").write_text("seed: 5\n")
    folders.write_json(
        run / "mlflow_run.json", {"run": "of a parent", "trials": {"00000": run_id if is_its_own else "?"}}
    )
    client.set_tag(run_id, "folder", str(trial))
    found = find_policy_folder(f"mlflow:{run_id}", tmp_path / "outputs", store)
    if is_its_own:
        assert found == (checkpoint, trial)
    else:  # a folder of that name, of another run: what MLflow holds is meant
        assert found[1] == tmp_path / "outputs" / "registry" / "runs" / run_id
