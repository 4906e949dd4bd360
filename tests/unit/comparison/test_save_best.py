"""The best trial of a comparison as `conf/experiment/NAME.yaml`, which composes to what the trial was."""

import shutil
from dataclasses import replace

import hydra
import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra

from envs.errors import ConfigError
from experiments import folders
from experiments.comparison import save_best
from experiments.comparison.comparison import compare
from experiments.comparison.selection import Selection
from experiments.runs import read_config, write_config
from experiments.schema import register_schema, to_plain


@pytest.fixture
def conf(tmp_path, monkeypatch):
    """A copy of the config folder, which experiments may be written to."""
    folder = tmp_path / "conf"
    shutil.copytree(save_best.CONFIG_FOLDER, folder)
    monkeypatch.setattr(save_best, "CONFIG_FOLDER", folder)
    return folder


def test_the_best_trial_becomes_an_experiment(run, conf, outputs, tmp_path, without_pictures, read_csv):
    run("save_best=night_best", f"output={tmp_path / 'c'}")
    trials = read_csv(tmp_path / "c" / "trials.csv")
    best = max((row for row in trials if row["score_mean"]), key=lambda row: float(row["score_mean"]))
    text = (conf / "experiment" / "night_best.yaml").read_text()
    assert text.startswith("# @package _global_\n# Trial ")
    for evidence in (best["trial"], "12 trials", "tracks 10000-10039", "a9e2c80", "of 3 seeds", "95 %"):
        assert evidence in text
    body = text[text.index("defaults:") :]
    assert "/env: dummy" in body
    assert "seed: 2" in body
    assert "gamma" not in body  # as the defaults have it

    register_schema()
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(conf), version_base="1.3"):
        composed = to_plain(hydra.compose("config", overrides=["experiment=night_best"]))
    saved = read_config(folders.follow(outputs / folders.LATEST) / "trials" / best["trial"])
    for section in ("env", "model", "algo", "seed", "stop", "checkpoint", "evaluation"):
        assert composed[section] == saved[section]
    assert composed["name"] == "night_best"

    with pytest.raises(ConfigError, match="overwrite=true"):
        run("save_best=night_best", f"output={tmp_path / 'c'}")
    run("save_best=night_best", "overwrite=true", f"output={tmp_path / 'c'}")


def test_the_number_of_envs_is_that_of_the_trial_on_any_machine(conf, make_trial, compose, tmp_path):
    """A trial of a sweep has a share of the cores, alone it would get all of them, and a larger rollout."""
    trial = replace(make_trial({"algo.training.lr": 1e-3}, scores=[1] * 3), folder=tmp_path)
    config = compose("env=dummy", "algo=ppo", "algo.training.lr=1e-3")
    write_config(tmp_path, config | {"plan": {"num_env_runners": 1, "envs_per_runner": 8, "num_cpus": 1}})
    comparison = compare(Selection("x", [trial], tmp_path, None, 1))
    path = save_best.save_best("x", comparison, may_overwrite=False)
    assert yaml.safe_load(path.read_text())["ray"] == {"num_env_runners": 1}  # eight envs are the default


def test_what_was_driven_on_tracks_for_choosing_is_scored_on_the_others(conf, make_trial, compose, tmp_path):
    trial = replace(make_trial({"algo.training.lr": 1e-3}, scores=[1] * 3), folder=tmp_path)
    words = ("env=dummy", "algo=ppo", "evaluation.final_first_seed=20000", "evaluation.register=false")
    write_config(tmp_path, compose(*words, "evaluation.final_episodes=50"))
    path = save_best.save_best("x", compare(Selection("x", [trial], tmp_path, None, 1)), may_overwrite=False)
    assert yaml.safe_load(path.read_text())["evaluation"] == {"final_episodes": 50}


def test_a_config_that_no_experiment_can_say_is_not_saved(conf, compose, tmp_path):
    config = compose("env=dummy", "algo=ppo")
    del config["algo"]["training"]["clip"]  # of a commit that did not have it
    text = save_best.make_experiment("x", config, "Evidence.")
    with pytest.raises(ConfigError, match=r"algo\.training\.clip: the trial has nothing, the file gives 0\.2"):
        save_best._check_same("x", text, save_best._of_training(config), tmp_path)


@pytest.mark.parametrize(
    "words", [["env=carracing", "algo=sac"], ["env=carracing", "model=cnn", "model.preset=tmrl", "model.hidden=[64]"]]
)
def test_presets_and_other_groups_are_said(conf, compose, tmp_path, words):
    config = save_best._of_training(compose(*words, "stop.wall_s=77"))
    text = save_best.make_experiment("x", config, "Evidence.")
    save_best._check_same("x", text, config, tmp_path)
    assert ("preset: tmrl" in text) == ("model.preset=tmrl" in words)
    assert "wall_s: 77" in text


def test_what_a_population_changed_is_no_experiment(conf, make_trial, tmp_path):
    trials = [make_trial({"algo.training.lr": lr}, scores=[lr] * 3) for lr in (1, 2)]
    trials[1] = replace(trials[1], has_changed=True)
    with pytest.raises(ConfigError, match=f"the best trial, {trials[1].name}, is of a population"):
        save_best.save_best("x", compare(Selection("x", trials, tmp_path, None, 1)), may_overwrite=False)
