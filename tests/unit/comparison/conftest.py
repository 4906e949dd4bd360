"""Trials that never were, and a made-up sweep in a real store, for tests of comparisons."""

import csv
import json

import hydra
import numpy as np
import pytest
from hydra.core.global_hydra import GlobalHydra

from experiments import compare, folders
from experiments.comparison import save_best
from experiments.comparison.groups import make_groups
from experiments.comparison.history import RunHistory
from experiments.comparison.results import Curve, Evaluation, TrialResult
from experiments.comparison.settings import register_compare_schema
from experiments.comparison.tracks import choose_tracks
from experiments.drive import Episode
from experiments.runs import create_run_folder, write_config
from experiments.scores import summarise
from experiments.tracking import MlflowTracker

LR, CLIP = "algo.training.lr", "algo.training.clip"
# 4 settings x 3 seeds, in this order; trials 7 and 10 are stopped early, trial 8 fails.
SETTINGS = [{LR: lr, CLIP: clip, "seed": seed} for lr in (3e-4, 1e-3) for clip in (0.1, 0.2) for seed in (0, 1, 2)]
STATES = {7: "stopped: asha, rank 3 of 9", 10: "stopped: asha, rank 4 of 9", 8: "failed: the loss is not finite"}


@pytest.fixture
def make_trial():
    """Return a function that makes a trial: settings, returns while training (every 100 frames, 10 s) and scores."""
    made = []

    def make(assigned=None, *, curve=(), scores=None, first_seed=10_000, state="finished", defaults=None, **tags):
        number = len(made)
        frames = 100.0 * np.arange(1, len(curve) + 1)
        made.append(number)
        texts = {key: str(value) for key, value in (assigned or {}).items()}
        return TrialResult(
            run_id=f"{number:032x}",
            name=f"{number:05}",
            state=state,
            tags={"env": "carracing", "model": "cnn", "algo": "ppo", "seed": "0", **tags},
            params={**(defaults or {}), **texts},
            curve=Curve(frames, np.array(curve, float), frames / 10),
            assigned=texts,
            defaults=defaults or {},
            evaluation=None if scores is None else Evaluation(first_seed, np.array(scores, float)),
        )

    return make


@pytest.fixture
def grouped():
    """Return a function from trials and the keys that tell them apart to groups."""
    return lambda trials, keys=(LR,): make_groups(trials, list(keys), choose_tracks(trials)[0])


@pytest.fixture
def states():
    """How the trials of the sweep `night` ended, by their numbers, where they did not finish."""
    return STATES


def score(setting, rng):
    mean = 60 + 4 * setting["seed"] - 25 * (setting[LR] > 5e-4)
    episodes = [Episode(seed=10_000 + k, episode_return=mean + rng.normal(0, 3), frames=64) for k in range(40)]
    about = {"env": "dummy", "checkpoint": "c", "commit": "a9e2c80", "first_seed": 10_000}
    return summarise(episodes, **about, deterministic=True, wall_s=1.0)


@pytest.fixture(scope="session")
def outputs(tmp_path_factory, compose):
    """Outputs with the sweep `night`, as training leaves them."""
    outputs = tmp_path_factory.mktemp("comparison") / "outputs"
    words = ["env=dummy", "algo=ppo", f"paths.outputs={outputs}"]
    config = compose(*words)
    run_folder = create_run_folder(outputs, "night", config["choices"])
    (run_folder / folders.TRIALS).mkdir()
    write_config(run_folder, config)
    store = {"uri": f"sqlite:///{outputs / 'mlflow.db'}", "artifact_root": str(outputs / "mlartifacts")}
    tracker = MlflowTracker(**store, experiment="night")
    tags = {"env": "dummy", "model": "cnn", "algo": "ppo", "commit": "a9e2c80"}
    parent = tracker.start_run(name="ppo dummy", tags={**tags, "folder": str(run_folder)}, params=config)
    rng = np.random.default_rng(0)
    children = {}
    for number, setting in enumerate(SETTINGS):
        folder = run_folder / folders.TRIALS / f"{number:05}"
        folder.mkdir()
        own = compose(*words, *(f"{key}={value}" for key, value in setting.items())) | {"assigned": setting}
        own.pop("resume")
        write_config(folder, own)
        state = STATES.get(number, "finished")
        about = {**tags, "seed": str(setting["seed"]), "trial": folder.name, "folder": str(folder), "state": state}
        child = children[folder.name] = tracker.start_run(name=folder.name, tags=about, params=own, parent_id=parent)
        for step in range(1, 9 if state == "finished" else 4):
            values = {"train/return_mean": 8.0 * step, "time/wall_s": 3.0 * step, "train/frames_per_s": 500.0}
            tracker.log(child, values, step=1000 * step)
        if state == "finished":
            folders.write_json(folder / folders.EVALUATION, score(setting, rng))
            tracker.log_artifact(child, folder / folders.EVALUATION)
    assert tracker.flush(240.0)
    ids = {"run": parent.run_id, "trials": {name: child.run_id for name, child in children.items()}}
    folders.write_json(run_folder / folders.MLFLOW_RUN, ids)
    tracker.close()
    return outputs


@pytest.fixture
def run(outputs, capsys):
    """Return a function that runs the command with some words, and returns what it printed."""

    def command(*words):
        register_compare_schema()
        GlobalHydra.instance().clear()
        with hydra.initialize_config_dir(str(save_best.CONFIG_FOLDER), version_base="1.3"):
            config = hydra.compose("compare", overrides=[f"paths.outputs={outputs}", *words])
        assert compare.main(config) == 0
        return capsys.readouterr().out

    return command


@pytest.fixture(scope="session")
def history(outputs):
    return RunHistory(f"sqlite:///{outputs / 'mlflow.db'}", str(outputs / "mlartifacts"))


@pytest.fixture(scope="session")
def ids(outputs):
    return json.loads((folders.follow(outputs / folders.LATEST) / folders.MLFLOW_RUN).read_text())


@pytest.fixture
def without_pictures(monkeypatch):
    """Pictures take seconds, and one test looks at them."""
    monkeypatch.setattr(compare, "draw_all", lambda comparison: [])


@pytest.fixture
def read_csv():
    """Return a function from a file to its rows, by column."""

    def read(path):
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    return read
