"""Fixtures of the registry: a store with runs in it, policies, and their scores."""

import shutil
import sqlite3

import numpy as np
import pytest
import torch

from experiments.policy import save_policy
from experiments.policy_description import PolicyDescription
from experiments.registry.register import register
from experiments.tracking import MlflowTracker


@pytest.fixture(scope="session")
def tracks():
    """Return the returns of a policy on a hundred tracks, which differ by far more than drivers do."""
    return 700 + np.random.default_rng(3).normal(0, 100, 100)


@pytest.fixture(scope="session")
def evaluation_of():
    """Return a function that makes the content of an `evaluation.json` with these returns."""

    def make(returns, **more):
        about = {"env": "carracing", "episodes": len(returns), "first_seed": 10000, "deterministic": True}
        return about | {"mean": float(np.mean(returns)), "returns": [float(value) for value in returns]} | more

    return make


@pytest.fixture(scope="session")
def config():
    """Return the part of a trial's config that is looked at."""
    return {"name": "night", "seed": 3, "paths": {"mlflow_uri": "postgresql://someone:secret@host/db"}}


@pytest.fixture(scope="session")
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
def enter(store, run_id, make_policy, evaluation_of, config):
    """Return a function that registers a policy with these returns, in the test's store and first run unless told."""

    def enter(returns, seed=0, *, policy=None, uri=store, run_id=run_id, config=config, **more):
        known = {key: more.pop(key) for key in ("frames", "env") if key in more}
        return register(uri, run_id, policy or make_policy(seed, **known), evaluation_of(returns, **more), config)

    return enter


@pytest.fixture
def champion(client):
    """Return a function that gives the version which has the title, as text, or None."""

    def named(model="chicane-carracing"):
        version = client.get_registered_model(model).aliases.get("champion")
        return None if version is None else str(version)  # a number from a database, text from a server

    return named
