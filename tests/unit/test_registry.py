"""The model registry: who becomes champion and why, versions that are not lost, and words that find them again."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request

import numpy as np
import pytest
import scipy.stats
import torch
import yaml

from envs.errors import ConfigError
from experiments import folders
from experiments.policy import DrivingPolicy, save_policy
from experiments.policy_description import POLICY_FILES, PolicyDescription
from experiments.registry import cache, package, register
from experiments.registry.contest import Score, judge, paired_interval
from experiments.registry.register import RegistryVerdict
from experiments.registry.store import RegistryError
from experiments.runs import find_policy_folder
from experiments.tracking import MlflowTracker

SPREAD = np.random.default_rng(3).normal(0, 100, 100)  # tracks differ by far more than drivers
TRACKS = 700 + SPREAD
CONFIG = {"name": "night", "seed": 3, "paths": {"mlflow_uri": "postgresql://someone:secret@host/db"}}


def evaluation_of(returns, **more):
    about = {"env": "carracing", "episodes": len(returns), "first_seed": 10000, "deterministic": True}
    return about | {"mean": float(np.mean(returns)), "returns": [float(value) for value in returns]} | more


def score_of(returns, **more):
    return Score.of(evaluation_of(returns, **more), "carracing")


# Who is better.


def test_the_interval_agrees_with_students_where_that_holds():
    differences = np.random.default_rng(1).normal(2, 5, 400)
    low, high = paired_interval(differences)
    peer = scipy.stats.ttest_1samp(differences, 0).confidence_interval()
    assert (low, high) == pytest.approx((peer.low, peer.high), abs=0.03)
    assert paired_interval(differences) == (low, high)


def test_a_small_gain_on_every_track_counts_though_the_tracks_spread_far():
    gain = judge(score_of(TRACKS + 5), score_of(TRACKS), "version 3")
    assert gain.is_better  # 5 of a spread of 100: two intervals of the means would overlap almost wholly
    assert "beats version 3: return +5.0 on the same 100 tracks (95 % interval +5.0 to +5.0)" in gain.reason


def test_a_gain_within_noise_does_not_count():
    gain = np.array([30.0, -25.0] * 50)  # 2.5 ± 2.75 (standard error)
    found = judge(score_of(TRACKS + gain), score_of(TRACKS), "version 3")
    assert not found.is_better
    assert "does not beat version 3: return +2.5" in found.reason


def test_a_loss_and_a_tie_do_not_count():
    assert not judge(score_of(TRACKS - 5), score_of(TRACKS), "version 3").is_better
    assert not judge(score_of(TRACKS), score_of(TRACKS), "version 3").is_better


@pytest.mark.parametrize(
    ("other", "words"),
    [({"first_seed": 20000}, "from seed 20000"), ({"deterministic": False}, "sampling"), (None, "99 tracks")],
)
def test_other_tracks_are_not_compared(other, words):
    challenger = score_of((TRACKS + 500)[:99]) if other is None else score_of(TRACKS + 500, **other)
    found = judge(challenger, score_of(TRACKS), "version 3")
    assert not found.is_better
    assert "cannot be compared with version 3" in found.reason
    assert words in found.reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"env": "dummy"}, "evaluated in dummy, the champion is of carracing"),
        ({"episodes": 101}, "announces 101 tracks from seed 10000 and holds 100"),
        ({"first_seed": "10000"}, "from seed 10000"),
        ({"returns": [1.0] * 99 + [float("nan")]}, "no finite numbers"),
        ({"returns": ["9"] * 100}, "no finite numbers"),
        ({"returns": 900.0}, "holds 0 returns"),
        ({"returns": TRACKS[:19].tolist(), "episodes": 19}, "19 tracks, a champion needs at least 20"),
    ],
)
def test_what_is_no_score_says_why(change, words):
    with pytest.raises(ValueError, match=words):
        Score.of(evaluation_of(TRACKS) | change, "carracing")


def test_an_evaluation_that_lacks_something_says_what():
    with pytest.raises(ValueError, match="lacks deterministic, returns"):
        Score.of({"env": "carracing", "first_seed": 1, "episodes": 20}, "carracing")


# A store with a run in it.


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory):
    """Return a database with MLflow's tables: making them takes seconds, copying them nothing."""
    root = tmp_path_factory.mktemp("registry")
    tracker = MlflowTracker(uri=f"sqlite:///{root}/mlflow.db", artifact_root=f"{root}/artifacts", experiment="first")
    assert tracker.run_id(tracker.start_run(name="any", tags={}, params={}), timeout_s=60.0) is not None
    tracker.close()
    with sqlite3.connect(root / "mlflow.db") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return root / "mlflow.db"


@pytest.fixture
def store(tmp_path, empty_database):
    """Return the address of a store of the test's own."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def client(store):
    import mlflow

    return mlflow.MlflowClient(tracking_uri=store)


@pytest.fixture
def run_ids(client, tmp_path):
    """Return the ids of two runs."""
    experiment = client.create_experiment("night", artifact_location=(tmp_path / "mlartifacts").as_uri())
    return [client.create_run(experiment, run_name=f"run {number}").info.run_id for number in range(2)]


@pytest.fixture
def run_id(run_ids):
    return run_ids[0]


@pytest.fixture
def make_policy(tmp_path, single_space, action_space, tiny_encoder):
    """Return a function that makes a checkpoint's two files; policies of other seeds have other weights."""

    def make(seed=0, frames=1000, env="carracing"):
        torch.manual_seed(seed)
        description = PolicyDescription(
            env={"_target_": "envs.dummy.DummyEnv", "frame_stack": 1},
            observation_space=single_space,
            action_space=action_space,
            encoder=tiny_encoder,
            head={"_target_": "models.heads.BetaHead", "hidden": [8]},
            training={"env": env, "seed": seed, "frames": frames, "commit": "b73ba59", "algo": "sac", "model": "cnn"},
        )
        folder = tmp_path / f"policy_{seed}_{frames}"
        folder.mkdir(exist_ok=True)
        save_policy(folder, description.build_actor().state_dict(), description)
        return folder

    return make


@pytest.fixture
def enter(store, run_id, make_policy):
    """Return a function that registers a policy with these returns."""

    def enter(returns, seed=0, **more):
        policy = make_policy(seed, **{key: more.pop(key) for key in ("frames", "env") if key in more})
        return register.register(store, more.pop("run_id", run_id), policy, evaluation_of(returns, **more), CONFIG)

    return enter


def champion(client, name="chicane-carracing"):
    version = client.get_registered_model(name).aliases.get("champion")
    return None if version is None else str(version)  # a number from a database, text from a server


# Registering.


def test_the_title_goes_from_one_to_the_next_that_beats_it(enter, client):
    first = enter(TRACKS, seed=1)
    assert (first.name, first.version, first.is_champion) == ("chicane-carracing", 1, True)
    worse = enter(TRACKS - 50, seed=2)
    assert (worse.version, worse.is_champion) == (2, False)
    assert champion(client) == "1"
    better = enter(TRACKS + 50, seed=3)
    assert (better.version, better.is_champion) == (3, True)
    assert champion(client) == "3"
    assert "beats version 1" in better.reason
    assert str(better).startswith("models:/chicane-carracing/3 is the champion: beats version 1: return +50.0")


def test_too_few_tracks_are_kept_and_never_win(enter, client):
    verdict = enter(TRACKS[:19])
    assert (verdict.version, verdict.is_champion) == (1, False)
    assert champion(client) is None
    assert enter(TRACKS[:20], seed=1).is_champion


def test_a_policy_scored_elsewhere_is_no_champion_of_its_own_env(enter, client):
    verdict = enter(TRACKS, env="dummy")  # fixture: of the policy; its evaluation says carracing
    assert verdict.name == "chicane-dummy"
    assert not verdict.is_champion
    assert champion(client, "chicane-dummy") is None


def test_a_version_says_where_it_comes_from(enter, client, run_id):
    enter(TRACKS, seed=4, ci95_low=690.25, ci95_high=710.0)
    version = client.get_model_version("chicane-carracing", "1")
    assert version.run_id == run_id
    wanted = {"run_id": run_id, "commit": "b73ba59", "seed": "4", "frames": "1000", "algo": "sac", "model": "cnn"}
    assert wanted.items() <= version.tags.items()
    assert version.tags["score_mean"] == f"{np.mean(TRACKS):.1f}"
    assert (version.tags["score_ci95"], version.tags["verdict"]) == ("690.2 to 710.0", "champion")
    assert version.tags["tracks"] == "100 from seed 10000"
    assert version.tags["reason"].startswith("the first with a score on 100 tracks of carracing from seed 10000")
    assert version.description.startswith(f"{np.mean(TRACKS):.1f}, became champion: the first with a score")
    assert "run=models:/chicane-carracing@champion" in client.get_registered_model("chicane-carracing").description


def test_a_version_is_plain_files_without_passwords(enter, client, run_id, make_policy):
    enter(TRACKS)
    (folder,) = client.list_artifacts(run_id, "policy")
    names = {info.path.rpartition("/")[2] for info in client.list_artifacts(run_id, folder.path)}
    assert names == {"policy.safetensors", "policy.json", "evaluation.json", "config.yaml", "manifest.json"}
    config = client.download_artifacts(run_id, f"{folder.path}/config.yaml")
    with open(config, encoding="utf-8") as file:
        assert yaml.safe_load(file) == {**CONFIG, "paths": {"mlflow_uri": "postgresql://host/db"}}


def test_a_call_that_is_repeated_finds_its_version(enter, client):
    enter(TRACKS)
    again = enter(TRACKS)
    assert (again.version, again.is_champion) == (1, True)
    assert again.reason.startswith("the first with a score")
    assert client.get_model_version("chicane-carracing", "1").tags["reason"].startswith("the first")
    assert len(client.search_model_versions("name='chicane-carracing'")) == 1


@pytest.mark.parametrize("method", ["create_model_version", "set_registered_model_alias", "update_model_version"])
def test_a_call_that_was_cut_off_is_completed_by_the_next(enter, client, monkeypatch, method):
    import mlflow

    real = getattr(mlflow.MlflowClient, method)

    def answer_lost(*given, **named):
        real(*given, **named)
        raise OSError("connection reset")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, method, answer_lost)
        with pytest.raises(RegistryError, match="connection reset"):
            enter(TRACKS)
    assert (enter(TRACKS).version, champion(client)) == (1, "1")
    (version,) = client.search_model_versions("name='chicane-carracing'")
    assert version.tags["verdict"] == "champion"
    assert ", became champion: " in version.description


def test_more_training_of_the_same_run_leaves_the_earlier_version_as_it_was(enter, store, tmp_path):
    enter(TRACKS, seed=1)
    before, _ = find_policy_folder("models:/chicane-carracing/1", tmp_path / "a", store)
    enter(TRACKS + 9, seed=2, frames=2000)
    after, _ = find_policy_folder("models:/chicane-carracing/1", tmp_path / "b", store)
    assert (before / "policy.safetensors").read_bytes() == (after / "policy.safetensors").read_bytes()


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_champion_whose_evaluation_is_lost_keeps_the_title(enter, client, run_id, tmp_path, damage):
    enter(TRACKS, seed=1)
    (path,) = (tmp_path / "mlartifacts").rglob("evaluation.json")
    path.unlink() if damage == "gone" else path.write_text("{}")
    verdict = enter(TRACKS + 500, seed=2)
    assert not verdict.is_champion
    assert "cannot be compared with version 1" in verdict.reason
    assert champion(client) == "1"


def test_another_champion_that_comes_in_between_is_compared_with(enter, client, monkeypatch):
    enter(TRACKS, seed=1)
    real, came = register.judge, []

    def judge_while_another_registers(*given):
        if not came:
            came.append(True)
            came.append(enter(TRACKS + 100, seed=2))  # a driver that is faster
        return real(*given)

    monkeypatch.setattr(register, "judge", judge_while_another_registers)
    slower = enter(TRACKS + 50, seed=3)  # beats the champion that it saw first
    assert came[1].is_champion
    assert not slower.is_champion
    assert f"does not beat version {came[1].version}" in slower.reason
    assert champion(client) == str(came[1].version)


def test_drivers_at_the_same_time_get_a_version_each(enter, client):
    enter(TRACKS, seed=9)
    verdicts = []

    def drive(seed):
        verdicts.append(enter(TRACKS + 10 * seed, seed=seed))

    threads = [threading.Thread(target=drive, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(verdict.version for verdict in verdicts) == [2, 3, 4, 5]
    assert champion(client) in {str(verdict.version) for verdict in verdicts if verdict.is_champion}


@pytest.mark.parametrize("broken", ["run", "policy", "store", "address", "answer"])
def test_whatever_fails_is_one_error(store, run_id, make_policy, tmp_path, monkeypatch, broken):
    import mlflow

    policy = make_policy()
    if broken == "policy":
        (policy / "policy.json").unlink()
    if broken == "answer":

        def fail(*_, **__):
            raise ZeroDivisionError("a driver's own error")

        monkeypatch.setattr(mlflow.MlflowClient, "create_model_version", fail)
    uri = {"store": f"sqlite:///{tmp_path}/none.db", "address": "./mlruns"}.get(broken, store)
    with pytest.raises(RegistryError) as error:
        register.register(uri, "0" * 32 if broken == "run" else run_id, policy, evaluation_of(TRACKS), CONFIG)
    words = {
        "run": "0" * 32,
        "policy": "policy.json",
        "store": "There is no .*none.db",
        "address": "mlruns",
        "answer": "a driver's own error",
    }
    assert error.match(words[broken])
    assert not (tmp_path / "none.db").exists()


def test_an_outage_may_be_repeated_and_a_refusal_not(store, run_id, make_policy, monkeypatch):
    """Backlog repeats by the error's code, so that must survive."""
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

    from experiments.backlog import _REFUSALS

    def fail(*_, **__):
        raise MlflowException("database is locked", error_code=TEMPORARILY_UNAVAILABLE)

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "search_model_versions", fail)
        with pytest.raises(RegistryError) as outage:
            register.register(store, run_id, make_policy(), evaluation_of(TRACKS), CONFIG)
    with pytest.raises(RegistryError) as refusal:
        register.register(store, "0" * 32, make_policy(), evaluation_of(TRACKS), CONFIG)
    assert outage.value.error_code not in _REFUSALS
    assert refusal.value.error_code in _REFUSALS


# Words that find it again.


def test_a_word_brings_the_policy_back_and_it_drives(enter, store, tmp_path, make_policy):
    enter(TRACKS, seed=1)
    enter(TRACKS - 50, seed=2)
    folder, results = find_policy_folder("models:/chicane-carracing@champion", tmp_path / "out", store)
    assert results == tmp_path / "out" / "registry" / "chicane-carracing" / "1"
    assert folder.parent == results
    DrivingPolicy.load(folder)
    for name in POLICY_FILES:
        assert (folder / name).read_bytes() == (make_policy(1) / name).read_bytes()
    folder, results = find_policy_folder("models:/chicane-carracing/2", tmp_path / "out", store)
    assert results.name == "2"
    assert (folder / "policy.safetensors").read_bytes() == (make_policy(2) / "policy.safetensors").read_bytes()


def test_results_beside_it_stay_and_the_files_are_fetched_once(enter, store, tmp_path, monkeypatch):
    enter(TRACKS)
    word = "models:/chicane-carracing@champion"
    folder, results = find_policy_folder(word, tmp_path / "out", store)
    (results / folders.EVALUATION).write_text("mine")
    monkeypatch.setattr(cache, "download", None)  # nothing is fetched any more
    assert find_policy_folder(word, tmp_path / "out", store) == (folder, results)
    assert find_policy_folder(str(folder), tmp_path / "out") == (folder, results)  # by its path, too
    assert (results / folders.EVALUATION).read_text() == "mine"
    assert json.loads((folder / folders.EVALUATION).read_text())["episodes"] == 100


def test_a_damaged_copy_is_fetched_anew(enter, store, tmp_path):
    enter(TRACKS)
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


def test_the_same_word_of_another_store_does_not_take_its_place(enter, store, run_id, tmp_path, client):
    enter(TRACKS)
    folder, results = find_policy_folder("models:/chicane-carracing/1", tmp_path / "out", store)
    (results / folders.EVALUATION).write_text("of the first")
    client.delete_registered_model("chicane-carracing")
    enter(TRACKS, seed=7)
    assert find_policy_folder("models:/chicane-carracing/1", tmp_path / "out", store) == (folder, results)
    assert not (results / folders.EVALUATION).exists()
    (kept,) = results.parent.glob("1_*")
    assert (kept / folders.EVALUATION).read_text() == "of the first"


@pytest.mark.parametrize("damage", ["weights", "manifest", "gone", "foreign name", "huge"])
def test_what_is_not_as_it_was_registered_is_refused(enter, store, tmp_path, damage, monkeypatch):
    enter(TRACKS)
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


def test_what_is_too_large_does_not_begin_to_arrive(enter, store, tmp_path, monkeypatch):
    import mlflow

    enter(TRACKS)
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


def test_a_version_that_others_made_is_refused(enter, store, client, run_id, tmp_path):
    enter(TRACKS)
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
def test_a_wrong_word_lists_what_there_is(enter, store, tmp_path, word, words):
    enter(TRACKS, seed=1)
    enter(TRACKS - TRACKS.mean() + 650.25, seed=2)
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


def test_a_run_means_its_longest_trained_policy(enter, store, run_id, tmp_path, make_policy):
    enter(TRACKS, seed=1, frames=2_000)
    enter(TRACKS + 9, seed=2, frames=10_000)
    folder, results = find_policy_folder(f"mlflow:{run_id}", tmp_path / "out", store)
    assert results == tmp_path / "out" / "registry" / "runs" / run_id
    wanted = make_policy(2, frames=10_000) / "policy.safetensors"
    assert (folder / "policy.safetensors").read_bytes() == wanted.read_bytes()


def test_a_run_without_policy_names_its_trials_that_have_one(enter, store, client, run_ids, tmp_path):
    run_id, parent = run_ids
    client.set_tag(run_id, "mlflow.parentRunId", parent)
    with pytest.raises(ConfigError, match=rf"{parent} \(run 1\) has no policy in MLflow.*\n*.*Nothing is registered"):
        find_policy_folder(f"mlflow:{parent}", tmp_path / "out", store)
    enter(TRACKS)
    with pytest.raises(ConfigError, match=rf"Its trials with a policy:\s+mlflow:{run_id} \(run 0\)"):
        find_policy_folder(f"mlflow:{parent}", tmp_path / "out", store)


@pytest.mark.parametrize("is_its_own", [True, False])
def test_a_run_of_this_machine_means_its_folder(store, client, run_id, tmp_path, make_policy, is_its_own, enter):
    enter(TRACKS, seed=1)
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


# A server.


@pytest.fixture
def server(tmp_path):
    """Return the address of an MLflow server that keeps artifacts itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    where = ["--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db", "--artifacts-destination", f"{tmp_path}/kept"]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen([*command, *where], stdout=log, stderr=log, start_new_session=True, cwd=tmp_path)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert process.poll() is None, (tmp_path / "server.log").read_text()
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=1):
                break
            time.sleep(0.25)
        else:
            pytest.fail(f"no answer: {(tmp_path / 'server.log').read_text()}")
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.mark.timing
def test_a_server_does_as_well_as_a_database(server, make_policy, tmp_path):
    tracker = MlflowTracker(uri=server, artifact_root=str(tmp_path / "unused"), experiment="night")
    run = tracker.run_id(tracker.start_run(name="run 0", tags={}, params={}), timeout_s=60.0)
    tracker.close()
    assert register.register(server, run, make_policy(1), evaluation_of(TRACKS), CONFIG).is_champion
    verdict = register.register(server, run, make_policy(2, frames=2000), evaluation_of(TRACKS + 5), CONFIG)
    assert (verdict.version, verdict.is_champion) == (2, True)
    assert not register.register(server, run, make_policy(3), evaluation_of(TRACKS), CONFIG).is_champion
    for word in ("models:/chicane-carracing@champion", f"mlflow:{run}"):
        folder, _ = find_policy_folder(word, tmp_path / "out", server)
        assert (folder / "policy.safetensors").read_bytes() == (
            make_policy(2, frames=2000) / "policy.safetensors"
        ).read_bytes()
    for word, words in {
        "models:/chicane-carracing@best": r"no alias best; it has chicane-carracing@champion \(version 2\)",
        "models:/chicane-carracing/9": "has no version 9",
        "models:/chicane-moon/1": "Registered: chicane-carracing",
        "mlflow:0123": "MLflow has no run 0123",
    }.items():
        with pytest.raises(ConfigError, match=words):
            find_policy_folder(word, tmp_path / "out", server)
    assert not (tmp_path / "unused").exists()


def test_an_address_that_nobody_answers_at_says_so(tmp_path, run_id, make_policy):
    with socket.socket() as probe:  # bound and not listening: nobody else takes the port
        probe.bind(("127.0.0.1", 0))
        address = f"http://someone:secret@127.0.0.1:{probe.getsockname()[1]}"
        with pytest.raises(ConfigError, match=r"cannot be looked up \(paths\.mlflow_uri=http://127\.0\.0\.1") as error:
            find_policy_folder("models:/chicane-carracing@champion", tmp_path / "out", address)
        assert "secret" not in str(error.value)
        with pytest.raises(RegistryError) as outage:
            register.register(address, run_id, make_policy(), evaluation_of(TRACKS), CONFIG)
        assert "secret" not in str(outage.value)


def test_a_verdict_reads_as_a_sentence():
    verdict = RegistryVerdict("chicane-dummy", 2, False, "does not beat version 1")
    assert str(verdict) == "models:/chicane-dummy/2 is not the champion: does not beat version 1."
