"""Policies become versions, the better ones champion; nothing is lost or made twice, whatever fails meanwhile."""

import threading

import mlflow
import numpy as np
import pytest
import sqlalchemy.exc
import yaml
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from experiments.backlog import _REFUSALS
from experiments.registry import register
from experiments.registry.register import RegistryVerdict
from experiments.registry.store import RegistryError
from experiments.runs import find_policy_folder


def test_the_title_goes_from_one_to_the_next_that_beats_it(enter, tracks, champion):
    first = enter(tracks, seed=1)
    assert (first.name, first.version, first.is_champion) == ("chicane-carracing", 1, True)
    worse = enter(tracks - 50, seed=2)
    assert (worse.version, worse.is_champion) == (2, False)
    assert champion() == "1"
    better = enter(tracks + 50, seed=3)
    assert (better.version, better.is_champion) == (3, True)
    assert champion() == "3"
    assert "beats version 1" in better.reason
    assert str(better).startswith("models:/chicane-carracing/3 is the champion: beats version 1: return +50.0")


def test_too_few_tracks_are_kept_and_never_win(enter, tracks, champion):
    verdict = enter(tracks[:19])
    assert (verdict.version, verdict.is_champion) == (1, False)
    assert champion() is None
    assert enter(tracks[:20], seed=1).is_champion


def test_a_policy_scored_elsewhere_is_no_champion_of_its_own_env(enter, tracks, champion):
    verdict = enter(tracks, env="dummy")  # fixture: of the policy; its evaluation says carracing
    assert verdict.name == "chicane-dummy"
    assert not verdict.is_champion
    assert champion("chicane-dummy") is None


def test_a_version_says_where_it_comes_from(enter, client, run_id, tracks):
    enter(tracks, seed=4, ci95_low=690.25, ci95_high=710.0)
    version = client.get_model_version("chicane-carracing", "1")
    assert version.run_id == run_id
    wanted = {"run_id": run_id, "commit": "b73ba59", "seed": "4", "frames": "1000", "algo": "sac", "model": "cnn"}
    assert wanted.items() <= version.tags.items()
    assert version.tags["score_mean"] == f"{np.mean(tracks):.1f}"
    assert (version.tags["score_ci95"], version.tags["verdict"]) == ("690.2 to 710.0", "champion")
    assert version.tags["tracks"] == "100 from seed 10000"
    assert version.tags["reason"].startswith("the first with a score on 100 tracks of carracing from seed 10000")
    assert version.description.startswith(f"{np.mean(tracks):.1f}, became champion: the first with a score")
    assert "run=models:/chicane-carracing@champion" in client.get_registered_model("chicane-carracing").description


def test_a_version_is_plain_files_without_passwords(enter, client, run_id, make_policy, tracks, config):
    enter(tracks)
    (folder,) = client.list_artifacts(run_id, "policy")
    names = {info.path.rpartition("/")[2] for info in client.list_artifacts(run_id, folder.path)}
    assert names == {"policy.safetensors", "policy.json", "evaluation.json", "config.yaml", "manifest.json"}
    path = client.download_artifacts(run_id, f"{folder.path}/config.yaml")
    with open(path, encoding="utf-8") as file:
        assert yaml.safe_load(file) == {**config, "paths": {"mlflow_uri": "postgresql://host/db"}}


def test_a_call_that_is_repeated_finds_its_version(enter, client, tracks):
    enter(tracks)
    again = enter(tracks)
    assert (again.version, again.is_champion) == (1, True)
    assert again.reason.startswith("the first with a score")
    assert client.get_model_version("chicane-carracing", "1").tags["reason"].startswith("the first")
    assert len(client.search_model_versions("name='chicane-carracing'")) == 1


def test_a_resume_of_a_finished_run_registers_nothing_twice(enter, client, tracks, config):
    """It writes its config anew, with the moment that it was started at, and keeps policy and score."""
    enter(tracks, config=config | {"started_at": 1.0})
    assert enter(tracks, config=config | {"started_at": 2.0}).version == 1
    assert enter(tracks + 1, config=config).version == 2  # the same policy, driven anew with another result
    assert len(client.search_model_versions("name='chicane-carracing'")) == 2


def test_what_was_said_of_a_version_when_it_came_stays(enter, client, tracks):
    enter(tracks, seed=1)
    enter(tracks + 50, seed=2)
    again = enter(tracks, seed=1)  # resumed after it lost the title
    assert (again.version, again.is_champion) == (1, False)
    version = client.get_model_version("chicane-carracing", "1")
    assert version.tags["verdict"] == "champion"
    assert ", became champion: the first with a score" in version.description


def test_a_title_that_was_given_by_hand_is_not_explained_by_an_older_verdict(enter, client, tracks):
    enter(tracks, seed=1)
    enter(tracks - 50, seed=2)
    client.set_registered_model_alias("chicane-carracing", "champion", "2")
    again = enter(tracks - 50, seed=2)
    assert str(again) == "models:/chicane-carracing/2 is the champion: it has the title already."


@pytest.mark.parametrize("method", ["create_model_version", "set_registered_model_alias", "update_model_version"])
def test_a_call_that_was_cut_off_is_completed_by_the_next(enter, client, monkeypatch, method, tracks, champion):
    real = getattr(mlflow.MlflowClient, method)

    def answer_lost(*given, **named):
        real(*given, **named)
        raise OSError("connection reset")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, method, answer_lost)
        with pytest.raises(RegistryError, match="connection reset"):
            enter(tracks)
    assert (enter(tracks).version, champion()) == (1, "1")
    (version,) = client.search_model_versions("name='chicane-carracing'")
    assert version.tags["verdict"] == "champion"
    assert ", became champion: " in version.description


def test_more_training_of_the_same_run_leaves_the_earlier_version_as_it_was(enter, store, tmp_path, tracks):
    enter(tracks, seed=1)
    before, _ = find_policy_folder("models:/chicane-carracing/1", tmp_path / "a", store)
    enter(tracks + 9, seed=2, frames=2000)
    after, _ = find_policy_folder("models:/chicane-carracing/1", tmp_path / "b", store)
    assert (before / "policy.safetensors").read_bytes() == (after / "policy.safetensors").read_bytes()


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_champion_whose_evaluation_is_lost_keeps_the_title(enter, tmp_path, damage, tracks, champion):
    enter(tracks, seed=1)
    (path,) = (tmp_path / "mlartifacts").rglob("evaluation.json")
    path.unlink() if damage == "gone" else path.write_text("{}")
    verdict = enter(tracks + 500, seed=2)
    assert not verdict.is_champion
    assert "cannot be compared with version 1" in verdict.reason
    assert champion() == "1"


def test_another_champion_that_comes_in_between_is_compared_with(enter, monkeypatch, tracks, champion):
    enter(tracks, seed=1)
    real, came = register.judge, []

    def judge_while_another_registers(*given):
        if not came:
            came.append(True)
            came.append(enter(tracks + 100, seed=2))  # a driver that is faster
        return real(*given)

    monkeypatch.setattr(register, "judge", judge_while_another_registers)
    slower = enter(tracks + 50, seed=3)  # beats the champion that it saw first
    assert came[1].is_champion
    assert not slower.is_champion
    assert f"does not beat version {came[1].version}" in slower.reason
    assert champion() == str(came[1].version)


def test_drivers_at_the_same_time_get_a_version_each(enter, tracks, champion):
    enter(tracks, seed=9)
    verdicts = []

    def drive(seed):
        verdicts.append(enter(tracks + 10 * seed, seed=seed))

    threads = [threading.Thread(target=drive, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(verdict.version for verdict in verdicts) == [2, 3, 4, 5]
    assert champion() in {str(verdict.version) for verdict in verdicts if verdict.is_champion}


@pytest.mark.parametrize("broken", ["run", "policy", "store", "address", "answer"])
def test_whatever_fails_is_one_error(enter, store, run_id, make_policy, tmp_path, monkeypatch, broken, tracks):
    policy = make_policy()
    if broken == "policy":
        (policy / "policy.json").unlink()
    if broken == "answer":

        def fail(*_, **__):
            raise ZeroDivisionError("a driver's own error")

        monkeypatch.setattr(mlflow.MlflowClient, "create_model_version", fail)
    uri = {"store": f"sqlite:///{tmp_path}/none.db", "address": "./mlruns"}.get(broken, store)
    with pytest.raises(RegistryError) as error:
        enter(tracks, policy=policy, uri=uri, run_id="0" * 32 if broken == "run" else run_id)
    words = {
        "run": "0" * 32,
        "policy": "policy.json",
        "store": "There is no .*none.db",
        "address": "mlruns",
        "answer": "a driver's own error",
    }
    assert error.match(words[broken])
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    "error",
    [
        MlflowException("database is locked", error_code=TEMPORARILY_UNAVAILABLE),
        sqlalchemy.exc.OperationalError("SELECT 1", None, OSError("server closed the connection")),
        ConnectionResetError(104, "Connection reset by peer"),
    ],
    ids=["said by MLflow", "said by the driver", "said by the system"],
)
def test_an_outage_may_be_repeated(enter, tracks, monkeypatch, error):
    """Backlog repeats by the error's code, so that must survive."""

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(mlflow.MlflowClient, "search_model_versions", fail)
    with pytest.raises(RegistryError) as outage:
        enter(tracks)
    assert outage.value.error_code not in _REFUSALS


@pytest.mark.parametrize("wrong", ["run", "weights"])
def test_what_stays_wrong_is_not_repeated(enter, tracks, make_policy, run_id, wrong):
    policy = make_policy()
    if wrong == "weights":
        (policy / "policy.safetensors").unlink()
    with pytest.raises(RegistryError) as refusal:
        enter(tracks, policy=policy, run_id="0" * 32 if wrong == "run" else run_id)
    assert refusal.value.error_code in _REFUSALS


def test_a_verdict_reads_as_a_sentence():
    verdict = RegistryVerdict("chicane-dummy", 2, False, "does not beat version 1")
    assert str(verdict) == "models:/chicane-dummy/2 is not the champion: does not beat version 1."
